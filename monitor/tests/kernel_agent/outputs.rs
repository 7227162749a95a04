//! Records of a running instance in files.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    process::Command,
};

use nix::sys::signal::Signal;

use crate::{
    agent::{Agent, Running, THERE, cable, weir},
    netns::{Namespace, run, wait_for},
    traffic::{self, Ending},
};

/// Compares tables with JSON lines; see the script.
fn compare(form: &str, records: &Path, directory: &Path) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/outputs/compare.py");
    let output =
        Command::new("python3").arg(script).arg(form).args([records, directory]).output().expect("python3");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

pub(crate) fn names(directory: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(directory).expect("a directory");
    entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
}

/// The JSON lines of a file.
pub(crate) fn lines(path: &Path) -> Vec<serde_json::Value> {
    let text = fs::read_to_string(path).expect("records");
    text.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
}

/// Flow records of TCP.
pub(crate) fn connections(path: &Path) -> Vec<serde_json::Value> {
    lines(path).into_iter().filter(|r| r["record"] == "flow" && r["transport"] == "tcp").collect()
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

#[test]
fn a_running_instance_writes_the_same_records_in_every_form() {
    let (here, there) = cable();
    let directory = tempfile::tempdir().expect("a directory");
    let [records, tables, columns] = ["records.json", "csv", "parquet"].map(|n| directory.path().join(n));
    let agent = Agent::start(
        &here,
        &[
            "--interface=eth0",
            &format!("--json={}", text(&records)),
            &format!("--csv={}", text(&tables)),
            &format!("--parquet={}", text(&columns)),
        ],
    );
    traffic::tcp(&here, &there, THERE, 1_000, 20_000, Ending::Client);
    traffic::udp(&here, &there, THERE, 5, 50);
    agent.wait_for_drains();
    agent.stop(Signal::SIGTERM);
    compare("csv", &records, &tables);
    let flows = connections(&records);
    assert!(flows.iter().any(|f| f["received"]["payload_bytes"] == 20_000), "{flows:?}");
    assert!(flows.iter().all(|f| f["interface"] == "eth0"));
    for (path, extension) in [(&tables, ".csv"), (&columns, ".parquet")] {
        let names = names(path);
        assert!(names.iter().any(|n| n.starts_with("flow-")), "{names:?}");
        assert!(names.iter().all(|n| n.ends_with(extension)), "{names:?}");
    }
}

#[test]
fn files_are_rotated_and_old_ones_go() {
    let (here, there) = cable();
    let directory = tempfile::tempdir().expect("a directory");
    let (records, tables) = (directory.path().join("records.json"), directory.path().join("csv"));
    let agent = Agent::start(
        &here,
        &[
            "--interface=eth0",
            "--timeout.active=1s",
            "--rotate-size=1",
            "--keep=2",
            &format!("--json={}", text(&records)),
            &format!("--csv={}", text(&tables)),
        ],
    );
    let finished = |directory: &Path, stem: &str| -> BTreeSet<String> {
        names(directory).into_iter().filter(|n| n.starts_with(stem) && !n.contains("part")).collect()
    };
    // As many as stay, and then others: some went.
    let mut seen = BTreeSet::new();
    wait_for("old files to go", || {
        traffic::udp(&here, &there, THERE, 2, 50);
        let now = finished(&tables, "flow-");
        seen.extend(now.iter().cloned());
        (seen.len() > 3 && now.len() == 2).then_some(())
    });
    assert!(finished(&tables, "flow-").len() <= 2);
    wait_for("lines to be rotated", || (finished(directory.path(), "records-").len() == 2).then_some(()));
    agent.stop(Signal::SIGTERM);
}

/// A file system of its own, which goes with it.
pub(crate) struct Disk(PathBuf);

impl Disk {
    pub(crate) fn new(at: PathBuf, size: &str) -> Self {
        fs::create_dir_all(&at).expect("a directory");
        run("mount", &["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs", text(&at)]);
        Self(at)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        run("umount", &["--lazy", text(&self.0)]);
    }
}

#[test]
fn a_full_disk_costs_records_and_nothing_else() {
    let (here, there) = cable();
    let directory = tempfile::tempdir().expect("a directory");
    let disk = Disk::new(directory.path().join("disk"), "256k");
    let (records, tables) = (disk.0.join("records.json"), disk.0.join("csv"));
    let agent = Agent::start(
        &here,
        &[
            "--interface=eth0",
            "--timeout.active=1s",
            &format!("--json={}", text(&records)),
            &format!("--csv={}", text(&tables)),
        ],
    );
    let filler = disk.0.join("filler");
    let send = |agent: &Agent<'_>, what: &str, done: &dyn Fn(&crate::exposition::Page) -> bool| {
        agent.wait_for(what, |page| {
            traffic::udp(&here, &there, THERE, 2, 50);
            done(page)
        })
    };
    let errors =
        |page: &crate::exposition::Page, output| page.sum("weir_output_errors_total", &[("output", output)]);
    // Whatever is left of the disk is taken: the write of the last block fails.
    drop(fs::write(&filler, vec![0; 1 << 20]));
    let page = send(&agent, "outputs to fail", &|p| errors(p, "json") > 0.0 && errors(p, "csv") > 0.0);
    assert!(page.sum("weir_output_records_lost_total", &[("output", "json")]) > 0.0);
    let packets = |page: &crate::exposition::Page| page.sum("weir_network_io_packets_total", &[]);
    send(&agent, "packets to be counted all the same", &|p| packets(p) > packets(&page));
    assert_eq!(agent.page().unaccounted(), 0.0);

    fs::remove_file(&filler).expect("the filler");
    let written = |output: &str| agent.page().sum("weir_output_records_total", &[("output", output)]);
    let before = [written("json"), written("csv")];
    send(&agent, "outputs to recover", &|p| {
        ["json", "csv"]
            .into_iter()
            .zip(before)
            .all(|(output, before)| p.sum("weir_output_records_total", &[("output", output)]) > before)
    });
    let log = agent.stop(Signal::SIGTERM);
    assert!(log.contains("output_failed") && log.contains("output_recovered"), "{log}");
    // Every line and every row is whole.
    assert!(!lines(&records).is_empty());
    for name in names(&tables) {
        let table = fs::read_to_string(tables.join(&name)).expect("a table");
        let cells: BTreeSet<usize> = table.lines().map(|line| line.matches(',').count()).collect();
        assert!(table.ends_with('\n') && cells.len() == 1, "{name}: {cells:?}");
    }
}

#[test]
fn a_recording_ends_by_itself_and_can_be_taken_away() {
    let (here, there) = cable();
    let directory = tempfile::tempdir().expect("a directory");
    let output = directory.path().join("taken");
    let record = |here: &Namespace, more: &[&str]| {
        let mut arguments = vec!["record", "--interface=eth0", "--duration=10s", "-o", text(&output)];
        arguments.extend(more);
        Running::start(weir(here, &arguments))
    };
    let mut recording = record(&here, &["--drain-interval=100ms"]);
    wait_for("it to count", || recording.stderr().contains("counting").then_some(()));
    traffic::tcp(&here, &there, THERE, 1_000, 20_000, Ending::Client);
    let status = recording.end();
    assert!(status.success(), "{}", recording.stderr());
    assert_eq!(recording.stdout(), "");
    let records = output.join("records.json");
    compare("csv", &records, &output);
    assert!(names(&output).contains("flow.csv"));
    let flows = connections(&records);
    assert_eq!(flows.len(), 1, "{flows:?}");
    assert_eq!(flows[0]["received"]["payload_bytes"], 20_000);

    // What is there stays.
    let mut again = record(&here, &[]);
    assert!(!again.end().success());
    let complaint = again.stderr();
    assert!(complaint.lines().count() == 1 && complaint.contains("--force"), "{complaint}");
}

/// Records of flows to these ports: one each.
fn datagrams(here: &Namespace, there: &Namespace, count: usize) {
    for _ in 0..count {
        traffic::udp(here, there, THERE, 1, 50);
    }
}

/// Lost records by reason.
fn lost(agent: &Agent<'_>, output: &str, reason: &str) -> f64 {
    agent.page().sum("weir_output_records_lost_total", &[("output", output), ("reason", reason)])
}

#[test]
fn files_are_opened_anew_on_sighup_as_log_rotation_expects() {
    let (here, there) = cable();
    let directory = tempfile::tempdir().expect("a directory");
    let records = directory.path().join("records.json");
    let flag = format!("--output=kind=json,path={},rotate=false", text(&records));
    let agent = Agent::start(&here, &["--interface=eth0", "--timeout.active=1s", &flag]);
    let count = |path: &Path| fs::read_to_string(path).map_or(0, |text| text.lines().count());
    let more = |path: &Path, what: &str| {
        let before = count(path);
        wait_for(what, || {
            datagrams(&here, &there, 2);
            (count(path) > before).then_some(())
        });
    };
    more(&records, "the first records");
    // Moved away: it goes on there until the signal.
    let moved = directory.path().join("records.json.1");
    fs::rename(&records, &moved).expect("moved");
    more(&moved, "records in the file that was moved");
    assert!(!records.exists());
    // `create 0640 root`: the new file is there before the signal, with its mode.
    fs::write(&records, "").expect("a file");
    fs::set_permissions(&records, fs::Permissions::from_mode(0o640)).expect("permissions");
    agent.process.signal(Signal::SIGHUP);
    more(&records, "records in the new file");
    assert_eq!(fs::metadata(&records).expect("the file").mode() & 0o777, 0o640);
    // `nocreate`: there is none, and it is made.
    let again = directory.path().join("records.json.2");
    fs::rename(&records, &again).expect("moved");
    agent.process.signal(Signal::SIGHUP);
    more(&records, "records in the file that was made");
    assert_eq!(fs::metadata(&records).expect("the file").mode() & 0o777, 0o600);
    assert_eq!(agent.page().sum("weir_output_records_lost_total", &[]), 0.0);

    // Removed: what was in it is lost and counted; what comes is in a new one.
    fs::remove_file(&records).expect("removed");
    more(&records, "records in the file that was made anew");
    assert!(lost(&agent, "json", "file_removed") > 0.0);
    agent.process.wait_for_log(&["output_removed", text(&records)]);
    let page = agent.page();
    let (written, lost) = ("weir_output_records_total", "weir_output_records_lost_total");
    let there_are = [&records, &moved, &again].map(|path| count(path)).iter().sum::<usize>() as f64;
    assert!(there_are >= page.sum(written, &[]) - page.sum(lost, &[]));
    agent.stop(Signal::SIGTERM);
}

#[test]
fn tables_are_ended_on_sighup_and_one_that_is_removed_is_counted() {
    let (here, there) = cable();
    let directory = tempfile::tempdir().expect("a directory");
    let csv = format!("--csv={}", directory.path().display());
    let agent = Agent::start(&here, &["--interface=eth0", "--timeout.active=1s", &csv]);
    let tables = |suffix: &str| -> Vec<String> {
        names(directory.path())
            .into_iter()
            .filter(|n| n.starts_with("flow-") && n.ends_with(suffix))
            .collect()
    };
    let begun = || {
        wait_for("a table", || {
            datagrams(&here, &there, 2);
            tables(".part").first().cloned()
        })
    };
    begun();
    agent.process.signal(Signal::SIGHUP);
    wait_for("a whole table", || (!tables(".csv").is_empty()).then_some(()));
    let part = begun();
    fs::remove_file(directory.path().join(&part)).expect("removed");
    agent.wait_for("the loss", |page| {
        datagrams(&here, &there, 2);
        page.sum("weir_output_records_lost_total", &[("output", "csv"), ("reason", "file_removed")]) > 0.0
    });
    // The next one, whatever its name: one that is gone is free again.
    begun();
    agent.stop(Signal::SIGTERM);
}

#[test]
fn a_file_beyond_the_limit_of_the_process_is_an_error_of_its_output() {
    let (here, there) = cable();
    let directory = tempfile::tempdir().expect("a directory");
    let records = directory.path().join("records.json");
    fs::write(&records, vec![b'\n'; (1 << 20) - 10]).expect("a file");
    let flag = format!("--json={}", text(&records));
    let arguments = ["run", "--interface=eth0", "--drain-interval=100ms", "--timeout.active=1s", &flag];
    let weir = weir(&here, &arguments);
    let mut limited = Command::new("prlimit");
    limited.args(["--fsize=1048576:1048576", "--"]).arg(weir.get_program()).args(weir.get_args());
    let agent = Agent::of(&here, Running::start(crate::agent::without_settings(limited)));
    agent.wait_for("a failure", |page| {
        datagrams(&here, &there, 2);
        page.sum("weir_output_records_lost_total", &[("reason", "write_failed")]) > 0.0
    });
    agent.process.wait_for_log(&["output_failed", "File too large", "ulimit -f"]);
    assert_eq!(fs::metadata(&records).expect("the file").len(), (1 << 20) - 10);
    // Counting goes on, and what is moved away makes room.
    fs::rename(&records, directory.path().join("full")).expect("moved");
    agent.process.signal(Signal::SIGHUP);
    agent.wait_for("records again", |page| {
        datagrams(&here, &there, 2);
        page.sum("weir_output_records_total", &[]) > 0.0
    });
    agent.stop(Signal::SIGTERM);
}

#[test]
fn what_a_killed_instance_left_unfinished_is_finished_or_removed_and_said() {
    let (here, there) = cable();
    let directory = tempfile::tempdir().expect("a directory");
    let path = text(directory.path());
    let (csv, parquet) = (format!("--csv={path}"), format!("--parquet={path}"));
    let arguments = ["--interface=eth0", "--timeout.active=1s", &csv, &parquet];
    let mut killed = Agent::start(&here, &arguments);
    killed.wait_for("rows", |page| {
        datagrams(&here, &there, 2);
        ["csv", "parquet"].iter().all(|o| page.sum("weir_output_records_total", &[("output", o)]) > 0.0)
    });
    killed.process.signal(Signal::SIGKILL);
    killed.process.end();
    let left = names(directory.path());
    assert!(
        left.iter().any(|n| n.ends_with(".csv.part")) && left.iter().any(|n| n.ends_with(".parquet.part"))
    );
    // Of somebody else: it stays.
    let theirs = directory.path().join("flow-20261121T024927Z.csv.part");
    fs::write(&theirs, "a,b\n1,2\n").expect("a file");
    std::os::unix::fs::chown(&theirs, Some(65_534), Some(65_534)).expect("another owner");

    let agent = Agent::start(&here, &arguments);
    let log = agent.stop(Signal::SIGTERM);
    assert!(log.contains("leftover_finished") && log.contains("leftover_discarded"), "{log}");
    let now = names(directory.path());
    for name in left.iter().filter_map(|name| name.strip_suffix(".part")) {
        assert_eq!(now.contains(name), ends_in(name, "csv"), "{name} of {now:?}");
    }
    assert_eq!(now.iter().filter(|name| ends_in(name, "part")).count(), 1, "{now:?}");
    assert!(theirs.exists());
}

/// Whether it is the name of a file of this kind.
fn ends_in(name: &str, extension: &str) -> bool {
    Path::new(name).extension().is_some_and(|found| found == extension)
}

#[test]
fn an_output_that_is_blocked_delays_no_other_no_drain_no_scrape_and_no_stop() {
    let (here, there) = cable();
    let directory = tempfile::tempdir().expect("a directory");
    let (pipe, records) = (directory.path().join("pipe"), directory.path().join("records.json"));
    run("mkfifo", &[text(&pipe)]);
    // Full, and open to somebody who reads nothing.
    let mut reader = fs::File::options()
        .read(true)
        .write(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(&pipe)
        .expect("the pipe");
    while std::io::Write::write(&mut reader, &[b'\n'; 4096]).is_ok() {}
    let blocked = format!("--output=kind=json,name=blocked,queue=1000,path={}", text(&pipe));
    let written = format!("--output=kind=json,name=written,path={}", text(&records));
    let agent = Agent::start(&here, &["--interface=eth0", "--timeout.active=1s", &blocked, &written]);
    let labels = |output| [("output", output), ("kind", "json")];
    // Drains and scrapes go on, and what the blocked one holds is on the page.
    let page = agent.wait_for("records beside the blocked output", |page| {
        datagrams(&here, &there, 5);
        page.sum("weir_output_records_total", &labels("written")) > 20.0
            && page.sum("weir_output_queue_records", &labels("blocked")) > 0.0
    });
    assert_eq!(page.sum("weir_output_records_total", &labels("blocked")), 0.0);
    assert_eq!(page.sum("weir_output_records_lost_total", &labels("written")), 0.0);
    // A page that comes between two packets may be one behind.
    assert_eq!(agent.wait_for_drains().unaccounted(), 0.0);
    // What it has not written at the end is said, and the end comes.
    let log = agent.stop(Signal::SIGTERM);
    assert!(log.contains("output_unfinished") && log.contains("blocked"), "{log}");
    assert!(!lines(&records).is_empty());
}

#[test]
fn outputs_of_the_file_come_change_and_go_with_sighup() {
    let (here, there) = cable();
    let directory = tempfile::tempdir().expect("a directory");
    let path = |name: &str| directory.path().join(name);
    let table = |name: &str, more: &str| {
        format!("[outputs.{name}]\nkind = \"json\"\npath = \"{}\"\n{more}\n", path(name).display())
    };
    let config = path("weir.toml");
    let write = |text: &str| {
        fs::write(&config, format!("interface = [\"eth0\"]\ndrain-interval = \"100ms\"\n{text}"))
            .expect("a file");
    };
    write(&table("a", ""));
    let agent = Agent::start_with_file(&here, &["--timeout.active=1s", "--config.file", text(&config)]);
    let wait = |output: &str| {
        agent.wait_for(&format!("records of {output}"), |page| {
            datagrams(&here, &there, 2);
            page.sum("weir_output_records_total", &[("output", output), ("kind", "json")]) > 0.0
        });
    };
    wait("a");
    write(&(table("a", "fields = [\"client_port\"]") + &table("b", "queue = 5000")));
    agent.process.signal(Signal::SIGHUP);
    wait("b");
    wait_for("lines with their kind and the chosen field alone", || {
        datagrams(&here, &there, 2);
        let chosen = |line: &serde_json::Value| {
            line.as_object().is_some_and(|o| o.len() == 2 && o.contains_key("record"))
        };
        lines(&path("a")).iter().any(chosen).then_some(())
    });
    // What is wrong is one line in the log, and what there is goes on.
    write(&table("b", "kin = 1"));
    agent.process.signal(Signal::SIGHUP);
    agent.process.wait_for_log(&["reload_failed", "unknown key", "kind"]);
    write(&(table("a", "fields = [\"no_such_field\"]") + &table("b", "queue = 5000")));
    agent.process.signal(Signal::SIGHUP);
    agent.process.wait_for_log(&["output_refused", "no_such_field"]);
    agent.wait_for("the reload to be told as failed", |page| {
        page.sum("weir_config_last_reload_successful", &[]) == 0.0
    });
    let before = lines(&path("a")).len();
    wait_for("the old output to go on", || {
        datagrams(&here, &there, 2);
        (lines(&path("a")).len() > before).then_some(())
    });
    write("");
    agent.process.signal(Signal::SIGHUP);
    wait_for("no more of any", || {
        datagrams(&here, &there, 2);
        let sizes = || ["a", "b"].map(|name| fs::metadata(path(name)).expect("a file").len());
        let before = sizes();
        agent.wait_for_drains();
        (sizes() == before).then_some(())
    });
    assert_eq!(agent.page().sum("weir_output_records_lost_total", &[]), 0.0);
    agent.stop(Signal::SIGTERM);
}

#[test]
fn root_writes_nothing_where_another_user_can_exchange_names() {
    let (here, _there) = cable();
    let directory = tempfile::tempdir().expect("a directory");
    let (theirs, victim) = (directory.path().join("theirs"), directory.path().join("victim"));
    fs::write(&victim, "precious").expect("a file");
    fs::create_dir(&theirs).expect("a directory");
    let capture = directory.path().join("capture.pcap");
    // A header and no packet.
    let header = [0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 1, 0, 0, 0];
    fs::write(&capture, header).expect("a capture");
    let names_of_tables = |form: &str| -> Vec<String> {
        monitor_core::record::RECORDS.iter().map(|(kind, _)| format!("{kind}.{form}")).collect()
    };
    let all: Vec<String> = [names_of_tables("csv"), names_of_tables("parquet")]
        .concat()
        .into_iter()
        .chain(["records.json", "p.csv", "p.html", "p.pcapng", "packets.pcapng"].map(str::to_owned))
        .collect();
    for name in &all {
        for suffix in ["", ".part"] {
            std::os::unix::fs::symlink(&victim, theirs.join(format!("{name}{suffix}"))).expect("a link");
        }
    }
    std::os::unix::fs::chown(&theirs, Some(65_534), Some(65_534)).expect("another owner");
    let (place, capture) = (text(&theirs), text(&capture));
    let at = |flag: &str, name: &str| format!("{flag}{place}{name}");
    for arguments in [
        vec!["pcap", capture, "--force", "--csv", place],
        vec!["pcap", capture, "--force", "--parquet", place],
        vec!["pcap", capture, "--force", "--packets", &at("", "/p.csv")],
        vec!["pcap", capture, "--force", "--html", &at("", "/p.html")],
        vec!["pcap", capture, "--force", "--filter", "tcp", "-w", &at("", "/p.pcapng")],
        vec!["pcap", capture, "--force", "--output", &at("kind=json,path=", "/records.json")],
        vec!["run", "--interface=eth0", &at("--json=", "/records.json")],
        vec!["run", "--interface=eth0", &at("--csv=", "")],
        vec!["run", "--interface=eth0", &at("--parquet=", "")],
        vec!["record", "--interface=eth0", "--packets", "--force", "-o", place],
    ] {
        let output = weir(&here, &arguments).output().expect("weir");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
        assert!(said.contains("belongs to another user (uid 65534)"), "{arguments:?}: {said}");
        assert_eq!(fs::read_to_string(&victim).expect("a file"), "precious", "{arguments:?}");
    }
    assert_eq!(names(&theirs).len(), all.len() * 2);
}

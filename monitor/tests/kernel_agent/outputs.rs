//! Records of a running instance in files.

use std::{
    collections::BTreeSet,
    fs,
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

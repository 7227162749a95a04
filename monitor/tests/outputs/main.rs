//! What `weir pcap` writes into files, read by others: Python's csv, pyarrow and tshark.
#![expect(clippy::unwrap_used, reason = "a helper of tests that fails is a test that fails")]

use testing::{skip::skip, tmux, webdriver};

mod browser;
mod capture;
mod exports;
mod report;
mod screens;
mod terminal;

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

/// Python with pyarrow. `cargo xtask test` installs it and sets the variable.
const PYTHON_VARIABLE: &str = "WEIR_TEST_PYTHON";

fn weir(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
    command.args(arguments).stdin(Stdio::null()).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// A directory with a capture in it, which goes with it.
struct Place {
    directory: tempfile::TempDir,
    capture: String,
}

impl Place {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("capture.pcap");
        fs::write(&path, capture::capture()).unwrap();
        Self { capture: path.to_str().unwrap().to_owned(), directory }
    }

    fn path(&self, name: &str) -> String {
        self.directory.path().join(name).to_str().unwrap().to_owned()
    }

    fn names(&self, directory: &str) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(self.directory.path().join(directory))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

fn program(name: &str) -> bool {
    Command::new(name).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/outputs").join(name)
}

/// Runs a script of this directory; its complaint is the test's.
fn python(python: &str, name: &str, arguments: &[&str]) -> HashMap<String, u64> {
    let output = Command::new(python).arg(script(name)).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let counts = text(&output.stdout);
    counts
        .lines()
        .map(|line| line.split_once(' ').unwrap())
        .map(|(kind, count)| (kind.to_owned(), count.parse().unwrap()))
        .collect()
}

/// Writes the capture in a form and compares it with the JSON of the same run.
fn compared(form: &str, interpreter: &str) -> HashMap<String, u64> {
    let place = Place::new();
    let (directory, records) = (place.path("out"), place.path("records.json"));
    let output = weir(&["pcap", &place.capture, "--json", &format!("--{form}"), &directory]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    fs::write(&records, &output.stdout).unwrap();
    python(interpreter, "compare.py", &[form, &records, &directory])
}

#[test]
fn csv_holds_what_json_says_and_pythons_csv_reads_it() {
    if !program("python3") {
        skip("python3", "it is not installed");
        return;
    }
    let rows = compared("csv", "python3");
    assert_eq!((rows["flow"], rows["tls"], rows["dns"], rows["http"]), (5, 1, 2, 2));
}

#[test]
fn parquet_holds_what_json_says_typed_and_pyarrow_reads_it() {
    let Ok(interpreter) = std::env::var(PYTHON_VARIABLE) else {
        skip("pyarrow", &format!("{PYTHON_VARIABLE} names no Python with it; `cargo xtask test` brings one"));
        return;
    };
    let rows = compared("parquet", &interpreter);
    assert_eq!((rows["flow"], rows["tls"], rows["dns"], rows["http"]), (5, 1, 2, 2));
}

#[test]
fn packets_are_what_tshark_reads() {
    if !program("tshark") || !program("python3") {
        skip("tshark", "it or python3 is not installed");
        return;
    }
    let place = Place::new();
    let packets = place.path("packets.csv");
    let output = weir(&["pcap", &place.capture, "--packets", &packets]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let compared = python("python3", "packets.py", &[&place.capture, &packets]);
    assert_eq!(compared.keys().collect::<Vec<_>>(), ["23"]);
}

/// Rows of a table without quoted cells.
fn rows(path: &str) -> Vec<HashMap<String, String>> {
    let table = fs::read_to_string(path).unwrap();
    let mut lines = table.lines();
    let names: Vec<&str> = lines.next().unwrap().split(',').collect();
    lines
        .map(|line| names.iter().map(|n| (*n).to_owned()).zip(line.split(',').map(str::to_owned)).collect())
        .collect()
}

#[test]
fn packets_before_the_hello_carry_the_name_of_their_flow() {
    let place = Place::new();
    let packets = place.path("packets.csv");
    let output = weir(&["pcap", &place.capture, "--packets", &packets, "--fields", "frame,flow,name,flags"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let rows = rows(&packets);
    assert_eq!(rows.len(), 23);
    for row in &rows[..9] {
        assert_eq!((row["flow"].as_str(), row["name"].as_str()), ("1", "www.example.com"), "{row:?}");
    }
    assert_eq!(rows[0]["flags"], "SYN");
    let last = &rows[22];
    assert_eq!((last["frame"].as_str(), last["flow"].as_str(), last["name"].as_str()), ("23", "23", ""));
    // A frame without IP is a row too.
    assert_eq!((rows[21]["frame"].as_str(), rows[21]["flow"].as_str()), ("22", ""));
    assert_eq!(place.names("."), ["capture.pcap", "packets.csv"]);
}

#[test]
fn packets_of_several_files_have_the_names_of_their_own_flows() {
    let place = Place::new();
    // The same frame numbers at other times, in a file of which nobody knows a name.
    let other = place.path("other.pcap");
    fs::write(&other, capture::unnamed()).unwrap();
    let packets = place.path("packets.csv");
    let output = weir(&[
        "pcap",
        &place.capture,
        &other,
        "--packets",
        &packets,
        "--fields",
        "file,frame,flow_file,name",
    ]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let rows = rows(&packets);
    assert_eq!(rows.len(), 23 + 9);
    for row in rows.iter().filter(|row| row["frame"].parse::<u64>().unwrap() <= 9) {
        let name = if row["file"] == other { "" } else { "www.example.com" };
        assert_eq!((row["name"].as_str(), &row["flow_file"]), (name, &row["file"]), "{row:?}");
    }
}

#[test]
fn the_life_of_a_flow_is_told_with_frames_and_a_filter_that_shows_it() {
    let place = Place::new();
    let output = weir(&["pcap", &place.capture, "--flow", "1"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let life = text(&output.stdout);
    for part in [
        "1 -> SYN",
        "2 <- SYN ACK",
        "name www.example.com, ALPN h2 http/1.1",
        "5 -> ",
        "[retransmission]",
        "closed by the client",
    ] {
        assert!(life.contains(part), "{part} in {life}");
    }
    if program("tshark") {
        let filter = life.lines().find_map(|line| line.strip_prefix("Wireshark: ")).unwrap();
        let shown = Command::new("tshark")
            .args(["-n", "-r", &place.capture, "-Y", filter, "-T", "fields", "-e", "frame.number"])
            .output()
            .unwrap();
        assert_eq!(text(&shown.stdout), "1\n2\n3\n4\n5\n6\n7\n8\n9\n");
    }
    // Any of its frames names it; a frame that is of no flow names none.
    let by_another = weir(&["pcap", &place.capture, "--flow", "capture.pcap:7"]);
    assert_eq!(text(&by_another.stdout), life);
    let output = weir(&["pcap", &place.capture, "--flow", "9999"]);
    assert!(!output.status.success() && text(&output.stderr).contains("first_frame"));
    // A query and its answer.
    let output = weir(&["pcap", &place.capture, "--flow", "11"]);
    let life = text(&output.stdout);
    for part in ["10 -> ", "DNS query A =cmd.example.org", "11 <- ", "DNS answer A =cmd.example.org: A "] {
        assert!(life.contains(part), "{part} in {life}");
    }
}

#[test]
fn the_life_of_a_flow_says_which_answer_named_it_and_of_several_files_takes_the_one_that_is_meant() {
    let place = Place::new();
    let other = place.path("other.pcap");
    fs::write(&other, capture::resolved()).unwrap();
    let output = weir(&["pcap", &place.capture, &other, "--flow", "other.pcap:4"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let life = text(&output.stdout);
    for part in
        ["  only.example.net", "named by the DNS answer A only.example.net: A 198.51.100.", "3 -> SYN"]
    {
        assert!(life.contains(part), "{part} in {life}");
    }
}

#[test]
fn cells_that_a_spreadsheet_would_run_are_marked() {
    let place = Place::new();
    let directory = place.path("out");
    assert!(weir(&["pcap", &place.capture, "--csv", &directory]).status.success());
    let http = fs::read_to_string(Path::new(&directory).join("http.csv")).unwrap();
    let formula = capture::FORMULA;
    assert!(http.contains(&format!(",'{formula},")) && !http.contains(&format!(",{formula},")), "{http}");
}

#[test]
fn chosen_fields_are_the_only_columns_in_every_form() {
    let place = Place::new();
    let directory = place.path("out");
    let arguments = ["pcap", &place.capture, "--json", "--csv", &directory, "--fields", "name,sent.bytes"];
    let output = weir(&arguments);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let flows = rows(&format!("{directory}/flow.csv"));
    assert_eq!(flows[0].len(), 2);
    // A detection may have a name, too.
    assert_eq!(place.names("out"), ["detection.csv", "flow.csv"]);
    let json = text(&output.stdout);
    let first = format!(
        "{{\"record\":\"flow\",\"sent\":{{\"bytes\":{}}},\"name\":\"www.example.com\"}}",
        flows[0]["sent.bytes"]
    );
    assert_eq!(json.lines().next(), Some(first.as_str()));
    assert_eq!(json.lines().count(), 5);

    let output = weir(&["pcap", &place.capture, "--json", "--fields", "sent.byte"]);
    let complaint = text(&output.stderr);
    assert_eq!((output.status.code(), complaint.lines().count(), output.stdout.len()), (Some(1), 1, 0));
    assert!(complaint.contains("did you mean sent.bytes?"), "{complaint}");
    let list = weir(&["pcap", "--fields", "help"]);
    assert!(list.status.success() && text(&list.stdout).contains("sent.retransmissions"));
}

#[test]
fn files_that_are_there_stay_unless_force_is_given() {
    let place = Place::new();
    let directory = place.path("out");
    let write = |more: &[&str]| {
        let mut arguments = vec!["pcap", place.capture.as_str(), "--csv", directory.as_str()];
        arguments.extend(more);
        weir(&arguments)
    };
    assert!(write(&[]).status.success());
    let path = format!("{directory}/flow.csv");
    fs::write(&path, "mine").unwrap();
    let refused = write(&[]);
    let complaint = text(&refused.stderr);
    assert_eq!((refused.status.code(), complaint.lines().count()), (Some(1), 1), "{complaint}");
    assert!(complaint.contains("--force") && complaint.contains("/flow.csv"), "{complaint}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
    assert!(write(&["--force"]).status.success());
    assert_eq!(rows(&path).len(), 5);
    assert!(place.names("out").iter().all(|name| !name.contains("part")));
}

#[test]
fn what_cannot_be_written_is_one_line_and_leaves_nothing() {
    let place = Place::new();
    // A file where a directory should be holds for root too, unlike a mode.
    let nowhere = format!("{}/out", place.capture);
    for arguments in [
        ["pcap", &place.capture, "--csv", &nowhere],
        ["pcap", &place.capture, "--parquet", &nowhere],
        ["pcap", &place.capture, "--packets", &format!("{nowhere}.csv")],
        ["pcap", &place.capture, "--packets", &place.path("packets.txt")],
    ] {
        let output = weir(&arguments);
        let complaint = text(&output.stderr);
        assert_eq!((output.status.code(), complaint.lines().count()), (Some(1), 1), "{complaint}");
    }
    assert_eq!(place.names("."), ["capture.pcap"]);
}

#[test]
fn an_output_that_fails_leaves_no_file_that_looks_whole() {
    let place = Place::new();
    let directory = place.path("out");
    let missing = place.path("missing.pcap");
    let output = weir(&["pcap", &missing, "--csv", &directory, "--parquet", &directory]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(place.names("out"), [""; 0]);
}

/// Every writer of files, as it is asked for, with the names that it gives in a directory `out`.
fn writers(directory: &str) -> Vec<(Vec<String>, Vec<String>)> {
    let path = |name: &str| format!("{directory}/{name}");
    let tables =
        |form: &str| monitor_core::record::RECORDS.iter().map(|(kind, _)| format!("{kind}.{form}")).collect();
    let one = |name: &str| vec![name.to_owned()];
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    vec![
        (words(&["--csv", directory]), tables("csv")),
        (words(&["--parquet", directory]), tables("parquet")),
        (words(&["--output", &format!("kind=json,path={}", path("r.json"))]), one("r.json")),
        (words(&["--packets", &path("p.csv")]), one("p.csv")),
        (words(&["--packets", &path("p.parquet")]), one("p.parquet")),
        (words(&["--html", &path("p.html")]), one("p.html")),
        (words(&["--filter", "tcp", "-w", &path("p.pcapng")]), one("p.pcapng")),
    ]
}

#[test]
fn what_finds_no_room_fails_in_one_line_and_leaves_nothing_under_a_final_name() {
    let place = Place::new();
    let directory = place.path("out");
    for (arguments, _) in writers(&directory) {
        fs::create_dir(&directory).unwrap();
        // No file may have a byte: RLIMIT_FSIZE, whose signal must not end the process without a word.
        let script = "ulimit -f 0; exec \"$0\" \"$@\"";
        let mut command = Command::new("sh");
        command.args(["-c", script, env!("CARGO_BIN_EXE_weir"), "pcap", &place.capture]).args(&arguments);
        let output = command.stdin(Stdio::null()).output().unwrap();
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
        assert!(said.lines().count() == 1 && said.contains("File too large"), "{arguments:?}: {said}");
        assert_eq!(place.names("out"), [""; 0], "{arguments:?}");
        fs::remove_dir(&directory).unwrap();
    }
}

#[test]
fn a_link_at_the_name_of_a_file_is_never_followed_by_any_writer() {
    let place = Place::new();
    let (directory, victim) = (place.path("out"), place.path("victim"));
    fs::write(&victim, "precious").unwrap();
    for (arguments, names) in writers(&directory) {
        for (suffix, force) in [(".part", true), (".part", false), ("", true), ("", false)] {
            fs::create_dir(&directory).unwrap();
            for name in &names {
                std::os::unix::fs::symlink(&victim, format!("{directory}/{name}{suffix}")).unwrap();
            }
            let mut all = vec!["pcap", &place.capture];
            all.extend(arguments.iter().map(String::as_str));
            all.extend(force.then_some("--force"));
            let output = weir(&all);
            let said = text(&output.stderr);
            assert_eq!(fs::read_to_string(&victim).unwrap(), "precious", "{all:?}");
            // A link at the final name is replaced where that was asked for; at a passing name it is an error.
            let replaced = suffix.is_empty() && (force || arguments[0] == "--html");
            assert_eq!(output.status.success(), replaced, "{all:?}: {said}");
            if !replaced {
                assert_eq!(said.lines().count(), 1, "{all:?}: {said}");
            }
            fs::remove_dir_all(&directory).unwrap();
        }
    }
}

#[test]
fn no_writer_writes_where_others_can_exchange_names_and_files_are_their_owners_alone() {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
    let place = Place::new();
    let directory = place.path("out");
    for (arguments, names) in writers(&directory) {
        let mut all = vec!["pcap", &place.capture];
        all.extend(arguments.iter().map(String::as_str));
        fs::create_dir(&directory).unwrap();
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o777)).unwrap();
        let output = weir(&all);
        let said = text(&output.stderr);
        assert_eq!((output.status.code(), said.lines().count()), (Some(1), 1), "{all:?}: {said}");
        assert!(said.contains("other users may write") && said.contains("chmod go-w"), "{all:?}: {said}");
        assert_eq!(place.names("out"), [""; 0], "{all:?}");
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o1777)).unwrap();
        let output = weir(&all);
        assert!(output.status.success(), "{all:?}: {}", text(&output.stderr));
        for name in names {
            let mode = fs::metadata(format!("{directory}/{name}")).unwrap().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
        fs::remove_dir_all(&directory).unwrap();
    }
}

#[test]
fn what_a_killed_run_left_unfinished_is_said_and_goes() {
    let place = Place::new();
    let directory = place.path("out");
    for (arguments, names) in writers(&directory) {
        fs::create_dir(&directory).unwrap();
        for name in &names {
            fs::write(format!("{directory}/{name}.part"), "half of a").unwrap();
        }
        let mut all = vec!["pcap", &place.capture];
        all.extend(arguments.iter().map(String::as_str));
        let output = weir(&all);
        let said = text(&output.stderr);
        assert!(output.status.success(), "{all:?}: {said}");
        assert_eq!(said.matches(".part: an earlier run left this unfinished").count(), names.len(), "{said}");
        assert!(place.names("out").iter().all(|name| !name.contains("part")), "{all:?}");
        fs::remove_dir_all(&directory).unwrap();
    }
}

#[test]
fn an_output_by_its_kind_is_what_the_short_form_is() {
    let place = Place::new();
    let (file, one, other) = (place.path("r.json"), place.path("one"), place.path("other"));
    let by_kind = weir(&[
        "pcap",
        &place.capture,
        "--output",
        &format!("kind=json,path={file}"),
        "--output",
        &format!("kind=csv,path={one},fields=name+sent.bytes"),
    ]);
    assert!(by_kind.status.success(), "{}", text(&by_kind.stderr));
    let short = weir(&["pcap", &place.capture, "--json"]);
    assert_eq!(fs::read(&file).unwrap(), short.stdout);
    assert!(weir(&["pcap", &place.capture, "--csv", &other, "--fields", "name,sent.bytes"]).status.success());
    let table = |directory: &str| fs::read(format!("{directory}/flow.csv")).unwrap();
    assert_eq!(table(&one), table(&other));
    for (wrong, expected) in [
        ("kind=xml,path=x", "use one of json, csv, parquet"),
        ("kind=csv", "kind=csv needs path=DIR"),
        ("kind=csv,path=x,feilds=name", "did you mean \"fields\"?"),
    ] {
        let output = weir(&["pcap", &place.capture, "--output", wrong]);
        let said = text(&output.stderr);
        assert_eq!((output.status.code(), said.lines().count()), (Some(2), 1), "{said}");
        assert!(said.contains(expected), "{said}");
    }
}

#[test]
fn a_capture_is_read_with_the_names_of_the_configuration() {
    let place = Place::new();
    fs::write(&place.capture, capture::unnamed()).unwrap();
    let config = place.path("weir.toml");
    fs::write(&config, "[services]\n\"9999/tcp\" = \"intranet\"\n").unwrap();
    let services = ["pcap", &place.capture, "--section", "services"];
    let named = weir(&[&services[..], &["--config.file", &config]].concat());
    assert!(
        text(&named.stdout).contains("9999/tcp  intranet"),
        "{}{}",
        text(&named.stdout),
        text(&named.stderr)
    );
    assert!(!text(&weir(&services).stdout).contains("intranet"));
    // The environment says the same.
    let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
    let output = command.args(services).env("WEIR_SERVICES", "9999/tcp=intranet").output().unwrap();
    assert!(text(&output.stdout).contains("9999/tcp  intranet"), "{}", text(&output.stderr));
    // A wrong one is one line.
    fs::write(&config, "[services]\n80 = \"a=b\"\n").unwrap();
    let wrong = weir(&["pcap", &place.capture, "--config.file", &config]);
    let said = text(&wrong.stderr);
    assert_eq!((wrong.status.code(), said.lines().count()), (Some(1), 1), "{said}");
    assert!(said.contains("80"), "{said}");
}

#[test]
fn standard_output_that_takes_no_more_is_one_line_and_an_error() {
    let place = Place::new();
    for arguments in [["--json"].as_slice(), &["--prometheus"], &["--flow", "1"], &[]] {
        let full = fs::File::options().write(true).open("/dev/full").unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
        command.args(["pcap", &place.capture]).args(arguments).stdin(Stdio::null()).stdout(full);
        let output = command.output().unwrap();
        let said = text(&output.stderr);
        assert!(!output.status.success(), "{arguments:?}");
        assert!(said.lines().count() == 1 && said.contains("No space left"), "{arguments:?}: {said}");
    }
}

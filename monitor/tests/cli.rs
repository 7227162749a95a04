//! The real binary, as a user runs it, without root.
#![expect(clippy::unwrap_used, reason = "a helper of tests that fails is a test that fails")]

use std::io::Write as _;
use std::net::TcpListener;
use std::process::{Command, Output, Stdio};

use monitor::source::ebpf::is_embedded;

fn weir(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
    // The environment of whoever runs the tests is not part of them.
    for (name, _) in std::env::vars_os().filter(|(n, _)| n.to_string_lossy().starts_with("WEIR_")) {
        command.env_remove(name);
    }
    command.args(arguments).stdin(Stdio::null());
    command
}

fn run(arguments: &[&str]) -> Output {
    weir(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// The one line of an error.
fn error(output: &Output, code: i32) -> String {
    let line = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{line}");
    assert!(line.starts_with("weir: ") && line.lines().count() == 1, "{line}");
    assert!(output.stdout.is_empty(), "{}", text(&output.stdout));
    line
}

/// The one line with which a run ends that cannot begin; of a build that cannot watch a host, always that.
fn run_error(arguments: &[&str], expected: &[&str]) {
    let line = error(&run(&[&["run"], arguments].concat()), 1);
    let expected = if is_embedded() { expected } else { NO_KERNEL_SIDE };
    assert!(expected.iter().all(|part| line.contains(part)), "{line}");
}

/// What a build without the kernel side says: how to get it, and what works without.
const NO_KERNEL_SIDE: &[&str] = &["no kernel side", "cargo xtask build --release", "weir pcap"];

fn config_file(content: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(content.as_bytes()).unwrap();
    file
}

#[test]
fn help_lists_the_commands_and_succeeds() {
    let output = run(&["--help"]);
    assert!(output.status.success());
    let help = text(&output.stdout);
    for command in ["run", "record", "flows", "config", "check", "pcap", "version"] {
        assert!(help.lines().any(|l| l.trim_start().starts_with(command)), "{command} in {help}");
    }
    assert_eq!(text(&run(&["help"]).stdout), help);
    let run_help = text(&run(&["run", "--help"]).stdout);
    assert!(run_help.contains("--web.listen-address <ADDRESS,…>") && run_help.contains("[default: 131072]"));
}

#[test]
fn version_is_that_of_the_package() {
    let version = text(&run(&["version"]).stdout);
    let kinds = "json, csv, parquet, ipfix, otlp, clickhouse, kafka, nats";
    assert!(version.starts_with(&format!("weir {}\n", env!("CARGO_PKG_VERSION"))), "{version}");
    assert!(version.ends_with(&format!("\noutputs: {kinds}\n")), "{version}");
}

#[test]
fn wrong_usage_is_one_line_and_code_2() {
    assert!(error(&run(&["runn"]), 2).contains("'run'"));
    assert!(error(&run(&["run", "--max-flow=3"]), 2).contains("--max-flows"));
    assert!(error(&run(&[]), 2).contains("weir --help"));
    let line = error(&run(&["pcap"]), 2);
    assert!(line.contains("not provided: <FILE>...;"), "{line}");
}

#[test]
fn config_tells_the_source_of_each_value() {
    let file = config_file("[timeout]\ntcp = \"1h\"\n");
    let path = file.path().display().to_string();
    let output = weir(&["config", "--config.file", &path, "--max-flows=1k"])
        .env("WEIR_DRAIN_INTERVAL", "250ms")
        .output()
        .unwrap();
    let printed = text(&output.stdout);
    for (line, source) in [
        ("timeout.tcp = \"1h\"", format!("# {path}:2")),
        ("max-flows = 1000", "# flag --max-flows".to_owned()),
        ("drain-interval = \"250ms\"", "# environment WEIR_DRAIN_INTERVAL".to_owned()),
        ("ingress = \"tc\"", "# default".to_owned()),
    ] {
        assert!(printed.lines().any(|l| l.starts_with(line) && l.ends_with(&source)), "{line} in {printed}");
    }
    let again = config_file(&printed);
    let again = run(&["config", "--config.file", &again.path().display().to_string(), "--json"]);
    let json: serde_json::Value = serde_json::from_slice(&again.stdout).unwrap();
    assert_eq!(json["max-flows"]["value"], 1000);
    assert_eq!(json["timeout.tcp"]["value"], "1h");
}

#[test]
fn config_warns_of_variables_that_no_setting_has() {
    let output = weir(&["config"]).env("WEIR_MAX_FLOW", "1000").output().unwrap();
    assert!(output.status.success());
    let warning = text(&output.stderr);
    assert_eq!(warning, "weir: environment WEIR_MAX_FLOW: no setting has this variable\n");
}

#[test]
fn an_unknown_key_names_its_line_and_the_nearest() {
    let file = config_file("max-flows = 1000\n[web]\nlisten-adress = \"127.0.0.1:1\"\n");
    let path = file.path().display().to_string();
    for command in ["config", "run"] {
        let line = error(&run(&[command, "--config.file", &path]), 1);
        assert!(line.contains(&format!("{path}:3: unknown key \"web.listen-adress\"")), "{line}");
        assert!(line.contains("did you mean \"web.listen-address\"?"), "{line}");
    }
}

#[test]
fn fields_can_be_listed_wherever_they_can_be_chosen() {
    let of = |arguments: &[&str]| {
        let output = run(arguments);
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stdout)
    };
    let list = of(&["pcap", "--fields", "help"]);
    assert!(list.contains("sent.bytes"), "{list}");
    assert_eq!(of(&["run", "--fields", "help"]), list);
    let directory = tempfile::tempdir().unwrap();
    let output = directory.path().join("new").display().to_string();
    assert_eq!(of(&["record", "-o", &output, "--fields", "help"]), list);
    assert!(!directory.path().join("new").exists());
}

#[test]
fn the_default_that_help_shows_can_be_given() {
    let help = run(&["record", "--help"]);
    let form = text(&help.stdout).split("--form <").nth(1).unwrap().to_owned();
    let default = form.split("[default: ").nth(1).unwrap().split(']').next().unwrap();
    let output = run(&["record", "-o", "unused", "--form", default, "--fields", "help"]);
    assert!(output.status.success(), "{default}: {}", text(&output.stderr));
}

#[test]
fn a_bad_value_names_where_it_stands() {
    let line = error(&run(&["run", "--ingress=xpd"]), 1);
    assert!(line.contains("flag --ingress") && line.contains("tc, xdp, xdp-generic"), "{line}");
    let output = weir(&["config"]).env("WEIR_MAX_FLOWS", "many").output().unwrap();
    assert!(error(&output, 1).contains("environment WEIR_MAX_FLOWS"));
    assert!(error(&run(&["config", "--config.file=/nonexistent.toml"]), 1).contains("cannot be read"));
}

#[test]
fn a_port_in_use_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    run_error(&["--interface=lo", "--web.listen-address", &address], &[&address, "--web.listen-address"]);
}

#[test]
fn an_unknown_interface_is_named_with_those_there_are() {
    run_error(
        &["--interface=nosuch0", "--web.listen-address=127.0.0.1:0"],
        &["nosuch0: no such interface", "lo"],
    );
}

#[test]
fn a_broken_web_config_is_refused_before_anything_is_attached() {
    let file = config_file("basic_auth_users: { ann: plain }\n");
    let flag = format!("--web.config.file={}", file.path().display());
    run_error(&["--interface=lo", "--web.listen-address=127.0.0.1:0", &flag], &["bcrypt"]);
    let file = config_file("basic_auth_usrs:\n  ann: x\n");
    let flag = format!("--web.config.file={}", file.path().display());
    run_error(
        &["--interface=lo", "--web.listen-address=127.0.0.1:0", &flag],
        &["line 1, column 1: unknown key; expected one of", "basic_auth_users"],
    );
}

/// Needs no root, no interface and no free port: what stable Rust alone builds says so at once.
#[test]
fn a_build_that_cannot_watch_a_host_says_first_how_to_get_one_that_can() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("--web.listen-address={}", taken.local_addr().unwrap());
    for arguments in
        [&[address.as_str()][..], &["--interface=nosuch0", &address], &["--json", "--interface=nosuch0"]]
    {
        run_error(arguments, &[]);
    }
    let mut input = vec![0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0];
    input.extend([0; 12]);
    input.extend([1, 0, 0, 0]);
    let mut capture = tempfile::NamedTempFile::new().unwrap();
    capture.write_all(&input).unwrap();
    let output = run(&["pcap", "--json", capture.path().to_str().unwrap()]);
    assert!(output.status.success(), "{}", text(&output.stderr));
}

#[test]
fn flows_says_when_nobody_answers() {
    let unused = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", unused.local_addr().unwrap());
    drop(unused);
    assert!(error(&run(&["flows", "--url", &url]), 1).contains("--url"));
    assert!(error(&run(&["flows", "--url", "nonsense"]), 1).contains("not an address of an instance"));
    let line = error(&run(&["flows", "port", ">>"]), 1);
    assert!(line.starts_with("weir: filter, column 7: ") && line.contains("weir flows --help"), "{line}");
}

#[test]
fn top_reads_no_configuration_where_an_instance_is_named() {
    let unused = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", unused.local_addr().unwrap());
    drop(unused);
    let wrong = config_file("no = \"setting\"\n");
    let once = |arguments: &[&str]| {
        let mut command = weir(&[&["top", "--once"], arguments].concat());
        error(&command.env("WEIR_CONFIG_FILE", wrong.path()).output().unwrap(), 1)
    };
    assert!(once(&[]).contains("unknown key"), "a run of its own would have this configuration");
    assert!(once(&["--url", &url]).contains(&url));
}

#[test]
fn top_counts_itself_where_it_is_told_to_whatever_the_variable_names() {
    let wrong = config_file("no = \"setting\"\n");
    let mut command = weir(&["top", "--once", "--own"]);
    command.env("WEIR_URL", "http://127.0.0.1:9").env("WEIR_CONFIG_FILE", wrong.path());
    assert!(error(&command.output().unwrap(), 1).contains("unknown key"));
}

#[test]
fn check_is_a_table_or_json() {
    let table = run(&["check"]);
    assert!(text(&table.stdout).contains("kernel"), "{}", text(&table.stderr));
    let json: serde_json::Value = serde_json::from_slice(&run(&["check", "--json"]).stdout).unwrap();
    assert!(json["checks"].as_array().is_some_and(|c| !c.is_empty()), "{json}");
}

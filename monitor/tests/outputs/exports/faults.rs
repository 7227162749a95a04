//! What goes wrong: peers that are away, that never answer, that are not whom they should be, and a kill in between.

use std::net::TcpStream;

use super::{brokers::NatsServer, brokers::check, *};

/// Accepts connections, reads what comes, and never says a word.
fn silent() -> (u16, Arc<std::sync::atomic::AtomicU64>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let accepted = Arc::new(std::sync::atomic::AtomicU64::new(0));
    let count = Arc::clone(&accepted);
    std::thread::spawn(move || {
        let mut kept: Vec<TcpStream> = Vec::new();
        for stream in listener.incoming().map_while(Result::ok) {
            count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            kept.push(stream);
        }
    });
    (port, accepted)
}

#[test]
fn a_peer_that_never_answers_delays_no_other_output_and_loses_nothing() {
    let Some(server) = NatsServer::start() else { return };
    server.make_stream();
    let (port, accepted) = silent();
    let directory = tempfile::tempdir().unwrap();
    let spool = directory.path().join("spool");
    let stuck =
        format!("kind=clickhouse,to=127.0.0.1:{port},spool={},timeout=300ms,batch=10", spool.display());
    let file = directory.path().join("records.json");
    let lines = format!("kind=json,path={}", file.display());
    let records = records();
    let run = Run::start(&[stuck, server.output(""), lines]);
    let mut sent = 0;
    while run.faults("clickhouse", "timeout") < 2 {
        run.send(&records);
        sent += records.len() as u64;
        run.wait("nats", sent);
    }
    assert!(accepted.load(std::sync::atomic::Ordering::Relaxed) >= 2);
    assert_eq!((run.acknowledged("clickhouse"), run.lost()), (0, 0));
    let waits = run.state.own.output_spool_records.with_label_values(&["clickhouse", "clickhouse"]);
    testing::wait::wait_for("the gauge", || (waits.get() as u64 == sent).then_some(()));
    testing::wait::wait_for("the file", || {
        let text = fs::read_to_string(&file).unwrap_or_default();
        (text.lines().count() as u64 == sent).then_some(())
    });
    // It ends although the peer says nothing.
    run.end();
}

/// Says that all is well, again and again, and never answers.
#[test]
fn a_peer_that_never_comes_to_its_answer_is_given_up() {
    use std::io::Write as _;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let info = b"INFO {\"headers\":true,\"max_payload\":1048576}\r\n";
            let mut told = stream.write_all(info);
            while told.is_ok() {
                told = stream.write_all(b"+OK\r\n");
            }
        }
    });
    let directory = tempfile::tempdir().unwrap();
    let spool = directory.path().join("spool");
    let run = Run::start(&[format!("kind=nats,to=127.0.0.1:{port},spool={},timeout=300ms", spool.display())]);
    run.send(&records());
    testing::wait::wait_for("faults", || (run.faults("nats", "timeout") >= 2).then_some(()));
    assert_eq!((run.acknowledged("nats"), run.lost()), (0, 0));
    run.end();
}

#[test]
fn a_server_of_another_name_gets_no_record_and_the_one_that_was_meant_does() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let port = free_port();
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            "2",
        ])
        .args(["-subj", "/CN=collector", "-addext", "subjectAltName=DNS:collector.example"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .args(["-keyout", &path("key"), "-out", &path("certificate")])
        .stderr(Stdio::null())
        .status();
    assert!(made.unwrap().success());
    let mut server = Command::new("openssl");
    server.args(["s_server", "-quiet", "-accept", &format!("127.0.0.1:{port}")]);
    server.args(["-key", &path("key"), "-cert", &path("certificate")]);
    let received = directory.path().join("received");
    let file = fs::File::create(&received).unwrap();
    let _peer = Peer(server.stdin(Stdio::piped()).stdout(file).stderr(Stdio::null()).spawn().unwrap());
    wait_for_port(port);
    let records = records();
    let flows = records.iter().filter(|record| record.kind() == "flow").count() as u64;
    let output = |name: &str| {
        format!(
            "kind=ipfix,transport=tcp,to=127.0.0.1:{port},spool={},tls-ca={},tls-name={name}",
            path("spool"),
            path("certificate")
        )
    };
    let run = Run::start(&[output("another.example")]);
    run.send(&records);
    testing::wait::wait_for("a fault", || (run.faults("ipfix", "tls") != 0).then_some(()));
    assert_eq!((run.acknowledged("ipfix"), run.lost()), (0, 0));
    run.end();
    assert_eq!(fs::read(&received).unwrap(), b"");
    // What waited goes to the right one.
    let run = Run::start(&[output("collector.example")]);
    run.wait("ipfix", flows);
    run.end();
    testing::wait::wait_for("the messages", || {
        let messages = fs::read(&received).unwrap();
        (collectors::records_of(&messages) == flows).then_some(())
    });
}

/// What the child of [`a_kill_loses_at_most_what_was_not_spooled_and_the_checker_says_what`] is told.
const CHILD: &str = "WEIR_TEST_EXPORT_CHILD";

/// Sends until it is killed.
#[test]
fn child_of_the_test_of_kills() {
    let Ok(text) = std::env::var(CHILD) else { return };
    let (run, records) = (Run::start(&[text]), records());
    loop {
        run.send(&records);
        std::thread::park_timeout(std::time::Duration::from_millis(5));
    }
}

#[test]
fn a_kill_loses_at_most_what_was_not_spooled_and_the_checker_says_what() {
    let Some(server) = NatsServer::start() else { return };
    server.make_stream();
    let output = server.output(",batch=50");
    for round in 1..=3 {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "exports::faults::child_of_the_test_of_kills"]).env(CHILD, &output);
        let log = server.directory.path().join("child");
        let mut child = Peer::logged(&mut command, &log);
        testing::wait::wait_for("records", || (server.last() > 300 * round).then_some(()));
        child.kill();
    }
    // The next run sends what was left, and tells how far the last one had come.
    let run = Run::start(&[output]);
    testing::wait::wait_for("the spool to be empty", || {
        let waits = run.state.own.output_spool_records.with_label_values(&["nats", "nats"]).get();
        // A mark of the run before is the last that comes of it.
        let told = server.stored().iter().filter(|line| line["record"] == "mark").count();
        (waits == 0 && told != 0).then_some(())
    });
    run.end();
    let stored = server.stored();
    let (said, _) = check(&stored);
    // Three runs, each with marks; nothing twice, since the stream knows ids; a gap could only be the tail.
    assert!(said.lines().filter(|line| line.contains(" flow: ")).count() >= 3, "{said}");
    let streams = said.lines().filter(|line| line.contains(" there, "));
    for line in streams {
        assert!(line.contains(" 0 twice") && !line.contains(" 0 marks"), "{said}");
    }
    for line in said.lines().filter(|line| line.contains("  missing ")) {
        let (first, last) = line.trim().trim_start_matches("missing ").split_once('-').unwrap();
        // One batch of this test's child, which was in its queue.
        assert!(last.parse::<u64>().unwrap() - first.parse::<u64>().unwrap() < 200, "{said}");
    }
}

//! OTLP: an OpenTelemetry collector built of its own modules, and OpenTelemetry's Python classes behind a web server.

use super::*;

#[test]
fn an_opentelemetry_collector_takes_each_record_with_its_attributes() {
    let Some(collector) = kept("collector-0.165.0/collector") else {
        testing::skip::skip("collector", "it was not built; `cargo xtask setup` does where Go is");
        return;
    };
    let (directory, port) = (tempfile::tempdir().unwrap(), free_port());
    let settings = format!(
        "receivers:\n  otlp:\n    protocols:\n      http:\n        endpoint: 127.0.0.1:{port}\n\
         exporters:\n  debug:\n    verbosity: detailed\n\
         service:\n  telemetry:\n    metrics:\n      level: none\n  pipelines:\n    logs:\n      \
         receivers: [otlp]\n      exporters: [debug]\n"
    );
    let file = directory.path().join("c.yaml");
    fs::write(&file, settings).unwrap();
    let log = directory.path().join("log");
    let mut command = Command::new(collector);
    command.arg("--config").arg(format!("file:{}", file.display()));
    let mut peer = Peer::logged(&mut command, &log);
    wait_for_port(port);
    let records = records();
    let spool = directory.path().join("spool");
    let run = Run::start(&[format!("kind=otlp,to=127.0.0.1:{port},spool={}", spool.display())]);
    run.send(&records);
    run.wait("otlp", records.len() as u64);
    assert_eq!(run.lost(), 0);
    run.end();
    peer.end();
    let text = fs::read_to_string(&log).unwrap();
    assert_eq!(text.matches("-> weir.seq: Int(").count(), records.len());
    for (record, attribute) in json(&records)
        .iter()
        .filter(|record| record["record"] == "flow")
        .map(|flow| (flow, format!("-> source.address: Str({})", flow["client_ip"].as_str().unwrap())))
    {
        assert!(text.contains(&attribute), "{record}");
        assert!(text.contains(&format!("-> weir.sent.bytes: Int({})", record["sent"]["bytes"])), "{record}");
    }
    assert!(text.contains("EventName: weir.flow") && text.contains("-> server.address: Str("));
}

#[test]
fn opentelemetrys_python_classes_read_what_is_sent() {
    let Ok(python) = std::env::var(super::super::PYTHON_VARIABLE) else { return };
    let (directory, port) = (tempfile::tempdir().unwrap(), free_port());
    let mut command = Command::new(python);
    command.arg(super::super::script("exports/otlp.py")).arg(port.to_string()).arg(directory.path());
    let log = directory.path().join("log");
    let _peer = Peer::logged(&mut command, &log);
    testing::wait::wait_for("the server", || {
        let said = fs::read_to_string(&log).unwrap_or_default();
        assert!(!said.contains("Error"), "{said}");
        std::net::TcpStream::connect(("127.0.0.1", port)).ok()
    });
    let records = records();
    let spool = directory.path().join("spool");
    let run = Run::start(&[format!("kind=otlp,to=127.0.0.1:{port},spool={}", spool.display())]);
    run.send(&records);
    // It takes all but the first record of the first request.
    run.wait("otlp", records.len() as u64 - 1);
    assert_eq!(run.lost(), 1);
    run.end();
    let lines = fs::read_to_string(directory.path().join("records")).unwrap();
    let theirs: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let theirs: Vec<&Value> = theirs.iter().filter(|line| line["event"] != "weir.mark").collect();
    assert_eq!(theirs.len(), records.len());
    for (ours, theirs) in json(&records).iter().zip(theirs) {
        assert_eq!(theirs["source.port"], ours["client_port"], "{theirs}");
        assert_eq!(theirs["event"].as_str().unwrap(), format!("weir.{}", ours["record"].as_str().unwrap()));
    }
}

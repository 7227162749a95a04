//! Brokers of messages: nats-server with JetStream, and Kafka's own broker, read back by other clients.

use std::collections::BTreeSet;

use super::*;

/// Streams and numbers of records in lines of JSON.
fn numbers(lines: &[Value]) -> BTreeSet<(String, u64)> {
    let numbered = lines.iter().filter(|line| line["record"] != "mark");
    numbered
        .map(|line| (line["stream"].as_str().unwrap().to_owned(), line["seq"].as_u64().unwrap()))
        .collect()
}

/// What `weir records check` says of lines, and whether all is there.
pub(super) fn check(lines: &[Value]) -> (String, bool) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("records.json");
    let text: Vec<String> = lines.iter().map(Value::to_string).collect();
    fs::write(&path, text.join("\n")).unwrap();
    let output = super::super::weir(&["records", "check", path.to_str().unwrap()]);
    (super::super::text(&output.stdout), output.status.success())
}

/// Asks NATS in its own protocol.
struct Nats(std::io::BufReader<std::net::TcpStream>);

impl Nats {
    fn connect(port: u16) -> Self {
        use std::io::Write as _;
        let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.write_all(b"CONNECT {\"verbose\":false,\"headers\":true}\r\nSUB inbox 1\r\n").unwrap();
        stream.set_read_timeout(Some(std::time::Duration::from_secs(20))).unwrap();
        Self(std::io::BufReader::new(stream))
    }

    fn ask(&mut self, subject: &str, body: &str) -> Value {
        use std::io::{BufRead as _, Read as _, Write as _};
        let request = format!("PUB {subject} inbox {}\r\n{body}\r\n", body.len());
        self.0.get_mut().write_all(request.as_bytes()).unwrap();
        loop {
            let mut line = String::new();
            self.0.read_line(&mut line).unwrap();
            if line.starts_with("MSG") {
                let length: usize = line.trim().rsplit(' ').next().unwrap().parse().unwrap();
                let mut body = vec![0; length + 2];
                self.0.read_exact(&mut body).unwrap();
                return serde_json::from_slice(&body[..length]).unwrap();
            }
            assert!(!line.is_empty(), "the connection ended");
        }
    }
}

pub(super) struct NatsServer {
    port: u16,
    _peer: Peer,
    pub(super) directory: tempfile::TempDir,
}

impl NatsServer {
    pub(super) fn start() -> Option<Self> {
        if !has("nats-server") {
            return None;
        }
        let (directory, port) = (tempfile::tempdir().unwrap(), free_port());
        let store = directory.path().join("store");
        let mut command = Command::new("nats-server");
        command.args(["-js", "-a", "127.0.0.1", "-p", &port.to_string(), "-sd", store.to_str().unwrap()]);
        let peer = Peer::logged(&mut command, &directory.path().join("log"));
        wait_for_port(port);
        Some(Self { port, _peer: peer, directory })
    }

    pub(super) fn output(&self, more: &str) -> String {
        let spool = self.directory.path().join("spool");
        format!("kind=nats,to=127.0.0.1:{},spool={}{more}", self.port, spool.display())
    }

    pub(super) fn make_stream(&self) {
        let made = Nats::connect(self.port).ask(
            "$JS.API.STREAM.CREATE.WEIR",
            r#"{"name":"WEIR","subjects":["weir.>"],"storage":"file","duplicate_window":120000000000}"#,
        );
        assert!(made.get("error").is_none(), "{made}");
    }

    /// How many messages its stream has had.
    pub(super) fn last(&self) -> u64 {
        let info = Nats::connect(self.port).ask("$JS.API.STREAM.INFO.WEIR", "");
        info["state"]["last_seq"].as_u64().unwrap()
    }

    /// All that its stream has.
    pub(super) fn stored(&self) -> Vec<Value> {
        use base64::Engine as _;
        let mut nats = Nats::connect(self.port);
        let info = nats.ask("$JS.API.STREAM.INFO.WEIR", "");
        let last = info["state"]["last_seq"].as_u64().unwrap();
        let message = |seq: u64| {
            let found = nats.ask("$JS.API.STREAM.MSG.GET.WEIR", &format!("{{\"seq\":{seq}}}"));
            let data = found["message"]["data"].as_str().unwrap();
            serde_json::from_slice(&base64::prelude::BASE64_STANDARD.decode(data).unwrap()).unwrap()
        };
        (1..=last).map(message).collect()
    }
}

#[test]
fn jetstream_has_each_record_and_the_checker_proves_it() {
    let Some(server) = NatsServer::start() else { return };
    let records = records();
    let run = Run::start(&[server.output("")]);
    run.send(&records);
    // No stream takes the subjects yet: nothing is lost by it.
    testing::wait::wait_for("a fault", || (run.faults("nats", "unready") != 0).then_some(()));
    assert_eq!(run.acknowledged("nats"), 0);
    server.make_stream();
    run.wait("nats", records.len() as u64);
    assert_eq!(run.lost(), 0);
    run.end();
    let stored = server.stored();
    let ours: Vec<Value> = json(&records);
    let theirs: Vec<&Value> = stored.iter().filter(|line| line["record"] != "mark").collect();
    assert_eq!(theirs.len(), ours.len());
    for (ours, theirs) in ours.iter().zip(&theirs) {
        let same = ours.as_object().unwrap().iter().all(|(name, value)| {
            // The host of a request is not the one that tells of it.
            theirs[if name == "host" { "http_host" } else { name }] == *value
        });
        assert!(same && theirs["host"].is_string() && theirs["schema"] == 1, "{ours}\n{theirs}");
    }
    let (said, whole) = check(&stored);
    assert!(whole && said.contains(" 0 missing, 0 twice"), "{said}");
    let cut: Vec<Value> = stored.iter().filter(|line| line["seq"] != 2).cloned().collect();
    let (said, whole) = check(&cut);
    assert!(!whole && said.contains("  missing 2-2"), "{said}");
}

/// Kafka's own broker, if it is among the peers that are kept.
struct Kafka {
    port: u16,
    peer: Option<Peer>,
    directory: tempfile::TempDir,
    library: std::path::PathBuf,
}

impl Kafka {
    fn start() -> Option<Self> {
        let Some(library) = kept("kafka-4.0.0/lib").filter(|_| has("java") && has("kcat")) else {
            testing::skip::skip("kafka", "its broker is not here; `cargo xtask setup` brings it");
            return None;
        };
        let (directory, port, controller) = (tempfile::tempdir().unwrap(), free_port(), free_port());
        let logs = directory.path().join("logs");
        let settings = format!(
            "process.roles=broker,controller\nnode.id=1\ncontroller.quorum.voters=1@127.0.0.1:{controller}\n\
             listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}\n\
             advertised.listeners=PLAINTEXT://127.0.0.1:{port}\ncontroller.listener.names=CONTROLLER\n\
             inter.broker.listener.name=PLAINTEXT\nlog.dirs={}\noffsets.topic.replication.factor=1\n\
             transaction.state.log.replication.factor=1\ntransaction.state.log.min.isr=1\nnum.partitions=3\n\
             listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT\n",
            logs.display()
        );
        fs::write(directory.path().join("broker.properties"), settings).unwrap();
        let mut kafka = Self { port, peer: None, directory, library };
        let format = ["kafka.tools.StorageTool", "format", "-t", "AAAAAAAAAAAAAAAAAAAAAQ", "-c"];
        assert!(kafka.java(&format).status().unwrap().success());
        kafka.up();
        Some(kafka)
    }

    fn java(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("java");
        command.args(["-Xmx384m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp"]);
        command.arg(format!("{}/*", self.library.display())).args(arguments);
        command.arg(self.directory.path().join("broker.properties"));
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    fn up(&mut self) {
        let log = self.directory.path().join("log");
        let peer = Peer::logged(&mut self.java(&["kafka.Kafka"]), &log);
        wait_for_port(self.port);
        self.peer = Some(peer);
    }

    fn output(&self, more: &str) -> String {
        let spool = self.directory.path().join("spool");
        format!("kind=kafka,to=127.0.0.1:{},spool={}{more}", self.port, spool.display())
    }

    /// All that its topic has: keys and values.
    fn stored(&self) -> Vec<(String, Value)> {
        let broker = format!("127.0.0.1:{}", self.port);
        let output = Command::new("kcat")
            .args(["-C", "-b", &broker, "-t", "weir", "-e", "-q", "-o", "beginning", "-f", "%k\t%s\n"])
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let line = |line: &str| {
            let (key, value) = line.split_once('\t').unwrap();
            (key.to_owned(), serde_json::from_str(value).unwrap())
        };
        text.lines().map(line).collect()
    }
}

#[test]
fn kafka_has_each_record_once_also_when_the_broker_is_killed_in_between() {
    let Some(mut kafka) = Kafka::start() else { return };
    let records = records();
    let run = Run::start(&[kafka.output(",batch=20,timeout=3s")]);
    run.send(&records);
    run.wait("kafka", records.len() as u64);
    let mut sent = records.len() as u64;
    for _ in 0..20 {
        run.send(&records);
        sent += records.len() as u64;
    }
    kafka.peer.as_mut().unwrap().kill();
    for _ in 0..20 {
        run.send(&records);
        sent += records.len() as u64;
    }
    testing::wait::wait_for("a fault", || (run.faults("kafka", "connect") != 0).then_some(()));
    kafka.up();
    run.wait("kafka", sent);
    assert_eq!(run.lost(), 0);
    run.end();
    let stored = kafka.stored();
    let values: Vec<Value> = stored.iter().map(|(_, value)| value.clone()).collect();
    assert_eq!(numbers(&values).len() as u64, sent);
    let (said, whole) = check(&values);
    assert!(whole && said.contains(" 0 missing, 0 twice"), "{said}");
    for (key, value) in stored.iter().filter(|(_, value)| value["record"] != "mark") {
        let id = value.get("flow_id").or_else(|| value.get("id")).and_then(Value::as_str).unwrap_or("-");
        assert_eq!(key, id);
    }
}

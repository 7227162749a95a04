//! What those who watch are told of real traffic: snapshot, stream, and the life of a flow.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
};

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::{
    agent::{ADDRESS, Agent, THERE, cable},
    names::http_server,
    netns::{DEADLINE, Namespace, uninterrupted, wait_for},
};

fn json(agent: &Agent<'_>, path: &str) -> Value {
    let answer = agent.get(path, "");
    assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    serde_json::from_str(&answer.body).expect("JSON")
}

/// The snapshot of a window.
fn snapshot(agent: &Agent<'_>, window: u64) -> Value {
    json(agent, &format!("/api/v1/live?window={window}"))["snapshot"].take()
}

/// Bytes of both directions.
fn bytes(row: &Value) -> u64 {
    row["received_bytes"].as_u64().expect("bytes") + row["transmitted_bytes"].as_u64().expect("bytes")
}

fn domain<'a>(snapshot: &'a Value, name: &str) -> Option<&'a Value> {
    snapshot["domains"].as_array().expect("domains").iter().find(|row| row["domain"] == name)
}

fn fetch(here: &Namespace, name: &str, times: u32) {
    let url = format!("'http://{name}:8080/page?[1-{times}]'");
    here.sh(&format!("curl -sf -o /dev/null --resolve '*:8080:{THERE}' {url}"));
}

#[test]
fn live_rows_have_the_bytes_that_were_sent() {
    const PAGE: u64 = 100_000;
    let (here, there) = cable();
    let directory = tempfile::tempdir().expect("a directory");
    let _server = http_server(&there, &directory, PAGE as usize);
    let agent = Agent::start(&here, &["--interface=eth0"]);
    // Each page is a connection of its own.
    for (name, times) in [("www.example.org", 3), ("api.example.org", 1), ("cdn.example.net", 2)] {
        fetch(&here, name, times);
    }
    wait_for("all names", || {
        let live = snapshot(&agent, 60);
        let of = |name: &str| domain(&live, name).map_or(0, |row| row["connections"].as_u64().unwrap_or(0));
        (of("example.org") == 4 && of("example.net") == 2).then_some(())
    });
    let page = agent.wait_for("sums that are whole", |page| {
        let live = snapshot(&agent, 60);
        // A drain may have come between a connection and the last of its bytes.
        [("example.org", 4), ("example.net", 2)].iter().all(|(name, pages)| {
            let counted = page.sum("weir_domain_io_bytes_total", &[("domain", name)]);
            let row = domain(&live, name);
            row.is_some_and(|row| bytes(row) as f64 == counted && bytes(row) >= pages * PAGE)
        })
    });
    for window in [60, 300, 3600] {
        let live = snapshot(&agent, window);
        for (name, pages) in [("example.org", 4), ("example.net", 2)] {
            let row = domain(&live, name).expect("a row");
            let counted = page.sum("weir_domain_io_bytes_total", &[("domain", name)]);
            assert_eq!(bytes(row) as f64, counted, "{name}");
            // The pages, and what it takes to carry them.
            let body = pages * PAGE;
            assert!((body..body + body / 10 + 4000 * pages).contains(&bytes(row)), "{row}");
            assert!(row["received_bytes"].as_u64() > row["transmitted_bytes"].as_u64());
        }
        let rows = live["domains"].as_array().expect("domains");
        assert_eq!(rows[0]["domain"], "example.org");
        assert_eq!(rows[0]["names"], serde_json::json!(["www.example.org", "api.example.org"]));
        let share: f64 = rows.iter().map(|row| row["share"].as_f64().expect("a share")).sum();
        assert!((share - 1.0).abs() < 1e-9, "{share}");
        let all: u64 = rows.iter().map(bytes).sum();
        let map = live["map"].as_array().expect("map");
        assert_eq!(map.iter().map(|row| row["bytes"].as_u64().expect("bytes")).sum::<u64>(), all);
        assert_eq!(live["services"].as_array().expect("services").iter().map(bytes).sum::<u64>(), all);
        let host = live["host"].as_str().expect("a name");
        assert_eq!((&map[0]["client"], &map[0]["domain"]), (&host.into(), &"example.org".into()));
        assert_eq!(live["tcp"]["attempts"]["established"], 6);
        assert!(live["tcp"]["handshake_seconds"]["p50"].as_f64() > Some(0.0));
    }
    let totals = snapshot(&agent, 60);
    let received = page.sum("weir_network_io_bytes_total", &[("direction", "receive")]);
    assert!(totals["received"]["bytes"].as_f64() >= Some(received), "{totals}");
    agent.stop(Signal::SIGTERM);
}

/// The stream of an agent, event by event.
struct Events {
    stream: TcpStream,
    text: String,
}

impl Events {
    fn open(ns: &Namespace, query: &str) -> Self {
        let address: SocketAddr = ADDRESS.parse().expect("an address");
        let mut stream = ns.enter(|| TcpStream::connect_timeout(&address, DEADLINE)).expect("a connection");
        stream.set_read_timeout(Some(DEADLINE)).expect("a timeout");
        let request = format!("GET /api/v1/live/stream?{query} HTTP/1.1\r\nHost: {ADDRESS}\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("a request");
        Self { stream, text: String::new() }
    }

    /// Id and data of the next event of a name; `None`: the stream has ended.
    fn next(&mut self, name: &str) -> Option<(u64, Value)> {
        loop {
            while let Some(at) = self.text.find("id: ")
                && let Some(end) = self.text[at..].find("\n\n")
            {
                let event: String = self.text.drain(..at + end).skip(at).collect();
                let line = |name: &str| event.lines().find_map(|l| l.strip_prefix(name)).expect("a line");
                if line("event: ") == name {
                    let data = serde_json::from_str(line("data: ")).expect("JSON");
                    return Some((line("id: ").parse().expect("a number"), data));
                }
            }
            let mut buffer = vec![0; 65_536];
            let n = uninterrupted(|| self.stream.read(&mut buffer)).expect("more of the stream");
            if n == 0 {
                return None;
            }
            self.text.push_str(std::str::from_utf8(&buffer[..n]).expect("UTF-8"));
        }
    }
}

#[test]
fn live_stream_tells_each_drain_filtered_and_sorted_and_goes_on_after_a_restart() {
    let (here, there) = cable();
    let directory = tempfile::tempdir().expect("a directory");
    let _server = http_server(&there, &directory, 50_000);
    let agent = Agent::start(&here, &["--interface=eth0"]);
    let mut events = Events::open(&here, "window=60&sort=bytes&limit=2&filter=server%20port%208080");
    fetch(&here, "www.example.org", 3);
    fetch(&here, "www.example.net", 1);
    let mut last = 0;
    wait_for("the flows in the stream", || {
        let (id, data) = events.next("live").expect("an event");
        assert!(id > last, "{id} after {last}");
        last = id;
        let flows = data["flows"].as_array().expect("flows");
        let of = |flow: &Value| {
            flow["sent"]["bytes"].as_u64().expect("bytes")
                + flow["received"]["bytes"].as_u64().expect("bytes")
        };
        assert!(flows.len() <= 2 && flows.iter().all(|flow| flow["server_port"] == 8080));
        assert!(flows.is_sorted_by(|a, b| of(a) >= of(b)));
        (data["matched"] == 4 && domain(&data["snapshot"], "example.net").is_some()).then_some(())
    });
    agent.stop(Signal::SIGTERM);
    assert!(events.next("never").is_none(), "it ends with the agent");
    let agent = Agent::start(&here, &["--interface=eth0"]);
    let mut events = Events::open(&here, "window=60&limit=0");
    let (id, history) = events.next("history").expect("an event");
    assert!(id > last, "{id} after a restart, {last} before");
    assert_eq!(history["step_seconds"], 1.0);
    let (_, data) = events.next("live").expect("an event");
    assert_eq!(data["flows"], serde_json::json!([]));
    agent.stop(Signal::SIGTERM);
}

#[test]
fn live_flow_has_a_timeline_and_events_until_it_ends() {
    let (here, there) = cable();
    let agent = Agent::start(&here, &["--interface=eth0"]);
    let address = SocketAddr::new(THERE.parse().expect("an address"), 7000);
    let listener = there.enter(|| TcpListener::bind(address)).expect("listen");
    let mut client = here.enter(|| TcpStream::connect(address)).expect("connect");
    let (mut server, _) = listener.accept().expect("accept");
    let flow = wait_for("the flow", || {
        client.write_all(&[b'x'; 1000]).expect("write");
        let flows = json(&agent, "/api/v1/flows?filter=port%207000");
        flows["flows"].as_array().expect("flows").first().cloned()
    });
    let id = flow["id"].as_str().expect("an id");
    let path = format!("/api/v1/flows/{id}");
    let life = wait_for("its timeline", || {
        server.write_all(&[b'y'; 5000]).expect("write");
        let life = json(&agent, &path);
        let sum = |column: &str| -> f64 {
            let column = life["timeline"][column].as_array().expect("a column");
            column.iter().map(|v| v.as_f64().expect("a number")).sum()
        };
        (sum("sent_bytes_per_second") > 1000.0 && sum("received_bytes_per_second") > 5000.0).then_some(life)
    });
    assert_eq!((&life["flow"]["id"], &life["flow"]["server_port"]), (&id.into(), &7000.into()));
    let kinds: Vec<&str> =
        life["events"].as_array().expect("events").iter().filter_map(|e| e["kind"].as_str()).collect();
    assert!(kinds.contains(&"start") && kinds.contains(&"handshake"), "{kinds:?}");
    drop((client, server));
    // It is told for a while after its end, and how it came.
    let ended = wait_for("its end", || {
        let life = json(&agent, &path);
        life["flow"]["end_reason"].as_str().map(str::to_owned)
    });
    assert!(["fin", "rst"].contains(&ended.as_str()), "{ended}");
    agent.stop(Signal::SIGTERM);
}

#[test]
fn live_flow_tells_the_risks_that_it_shows() {
    let (here, there) = cable();
    let agent = Agent::start(&here, &["--interface=eth0"]);
    let address = SocketAddr::new(THERE.parse().expect("an address"), 80);
    let listener = there.enter(|| TcpListener::bind(address)).expect("listen");
    let mut ends = Vec::new();
    // The password of one of two connections is in clear text.
    for header in ["Authorization: Basic YW5uOnNlc2FtZQ==\r\n", ""] {
        let mut client = here.enter(|| TcpStream::connect(address)).expect("connect");
        let request = format!("GET / HTTP/1.1\r\nHost: www.example.org\r\n{header}\r\n");
        client.write_all(request.as_bytes()).expect("write");
        ends.push((client, listener.accept().expect("accept")));
    }
    let risks = |port: u16| -> Option<Vec<String>> {
        let flows = json(&agent, &format!("/api/v1/flows?filter=client%20port%20{port}%20and%20name%20*"));
        let id = flows["flows"].as_array()?.first()?["id"].as_str()?.to_owned();
        let life = json(&agent, &format!("/api/v1/flows/{id}"));
        let events = life["events"].as_array()?.iter().filter(|event| event["kind"] == "risk");
        Some(events.filter_map(|event| event["text"].as_str().map(str::to_owned)).collect())
    };
    let [risky, other] = [0, 1].map(|n: usize| ends[n].0.local_addr().expect("an address").port());
    let told = wait_for("the risk", || risks(risky).filter(|risks| !risks.is_empty()));
    assert!(told.len() == 1 && told[0].starts_with("cleartext_credentials: "), "{told:?}");
    assert_eq!(wait_for("the other flow", || risks(other)), Vec::<String>::new());
    agent.stop(Signal::SIGTERM);
}

#[test]
fn live_events_tell_scans_and_refusals() {
    let (here, _there) = cable();
    let agent = Agent::start(&here, &["--interface=eth0", "--fanout.ports=20"]);
    // Nobody listens there: each is refused.
    here.enter(|| {
        for port in 2000..=2200 {
            let address = SocketAddr::new(THERE.parse().expect("an address"), port);
            assert!(TcpStream::connect_timeout(&address, DEADLINE).is_err());
        }
    });
    let events = wait_for("both events", || {
        let live = snapshot(&agent, 60);
        let events = live["events"].as_array().expect("events").clone();
        let has = |kind: &str| events.iter().any(|e| e["kind"] == kind && e["severity"] == "warning");
        (has("fanout") && has("surge") && live["tcp"]["attempts"]["refused"] == 201).then_some(events)
    });
    assert!(events.iter().any(|e| e["kind"] == "attached" && e["text"] == "eth0 is counted"), "{events:?}");
    let ids: Vec<u64> = events.iter().map(|e| e["id"].as_u64().expect("an id")).collect();
    assert!(ids.is_sorted_by(|a, b| a > b), "newest first: {ids:?}");
    agent.stop(Signal::SIGTERM);
}

//! The same traffic read live and from a capture of the same interface gives the same records.

use std::{collections::BTreeMap, path::Path};

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::{
    agent::{Agent, HERE, THERE, cable, weir},
    capture::{self, Capture},
    names::{dns_server, http_server, tls_server},
    netns::{Namespace, wait_for},
};

/// How far times may lie apart, seconds: the hook and the tap of a packet are two places, and between them the
/// kernel may do other work, or a virtual machine none for a while; when a packet was seen last is known to a tick of
/// the scheduler (10 ms at most).
const TOLERANCE: f64 = 0.25;

/// Sums of what a flow's records tell, and what the last of them knows.
type Flows = BTreeMap<String, BTreeMap<String, Value>>;

/// The records without the numbers of their flows, which each run gives as flows come: a router's advertisement that
/// only one of the two saw moves all that follow. Of a message of DNS `id` is its own.
fn records(text: &str) -> Vec<Value> {
    let mut records: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    for record in &mut records {
        let of_flow = if record["record"] == "dns" { "flow_id" } else { "id" };
        let number = record.as_object_mut().expect("a record").remove(of_flow);
        assert!(
            number.is_some_and(|number| number.is_string()),
            "a record without its flow's number: {record}"
        );
    }
    records
}

/// Who speaks with whom.
fn identity(record: &Value) -> String {
    let fields = ["transport", "client_ip", "client_port", "server_ip", "server_port"];
    fields.map(|field| record[field].to_string()).join(" ")
}

/// Whether a record is of no traffic of the test: the mark at the end of the capture, the stack's multicast.
fn is_foreign(record: &Value) -> bool {
    let server = record["server_ip"].as_str().and_then(|ip| ip.parse().ok());
    record["server_port"] == capture::MARK || server.is_some_and(capture::is_the_stacks_own)
}

/// All values of a record by their path, as `sent.packets`.
fn flatten(prefix: &str, value: &Value, out: &mut BTreeMap<String, Value>) {
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                let path = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
                flatten(&path, value, out);
            }
        }
        Value::Null => {}
        other => drop(out.insert(prefix.to_owned(), other.clone())),
    }
}

/// Whether the records of a flow tell increments of a value.
fn is_sum(path: &str) -> bool {
    path.starts_with("sent.") || path.starts_with("received.") || path.rsplit('.').next() == Some("samples")
}

/// Whether it is a mean, which its samples weigh.
fn is_mean(path: &str) -> bool {
    path.rsplit('.').next() == Some("mean")
}

fn flows(records: &[Value]) -> Flows {
    let mut flows = Flows::new();
    for record in records.iter().filter(|r| r["record"] == "flow" && !is_foreign(r)) {
        let mut values = BTreeMap::new();
        flatten("", record, &mut values);
        let known = flows.entry(identity(record)).or_default();
        let samples = |values: &BTreeMap<String, Value>, path: &str| {
            let path = path.replace(".mean", ".samples");
            values.get(&path).and_then(Value::as_f64).unwrap_or_default()
        };
        // Means first: what they weigh is summed, too.
        for (path, value) in values.iter().filter(|(path, _)| is_mean(path)) {
            let (before, now) = (samples(known, path), samples(&values, path));
            let mean = known.get(path).and_then(Value::as_f64).unwrap_or_default();
            let both = (mean * before + value.as_f64().expect("a number") * now) / (before + now);
            known.insert(path.clone(), both.into());
        }
        for (path, value) in values {
            if is_sum(&path) {
                let sum = known.get(&path).and_then(Value::as_u64).unwrap_or_default();
                known.insert(path, (sum + value.as_u64().expect("a count")).into());
            } else if path == "start" {
                known.entry(path).or_insert(value);
            } else if !is_mean(&path) {
                known.insert(path, value);
            }
        }
    }
    flows
}

/// What only one of both ways can know, or what is compared as a duration.
const ONE_WAY: [&str; 12] = [
    "id",
    // A capture knows no sockets.
    "owner",
    "start",
    "end",
    "interface",
    "end_reason",
    "first_frame",
    "last_frame",
    "first_file",
    "last_file",
    "time",
    "unit",
];

/// Round trips are measured one after the other. Both directions of a flow that moves data pass a hook and a tap in
/// another order, so that other segments are measured: of a flow with more packets than this their number is
/// not the same, and of a smaller one it may be one more or less.
const BULK: u64 = 30;

/// What both ways know and is not the same.
fn differences(what: &str, live: &BTreeMap<String, Value>, read: &BTreeMap<String, Value>) -> Vec<String> {
    let paths = live.keys().chain(read.keys()).collect::<std::collections::BTreeSet<_>>();
    let told = paths.into_iter().filter(|path| !ONE_WAY.contains(&path.as_str()));
    let equal = |path: &str| match (live.get(path), read.get(path)) {
        (Some(Value::Number(a)), Some(Value::Number(b))) if a.is_f64() || b.is_f64() => {
            let (a, b) = (a.as_f64().expect("a number"), b.as_f64().expect("a number"));
            (a - b).abs() <= TOLERANCE
        }
        (a, b) => a == b,
    };
    let packets = |path: &str| live.get(path).and_then(Value::as_u64).unwrap_or_default();
    let is_bulk = packets("sent.packets") + packets("received.packets") > BULK;
    let is_another_order = |path: &str| {
        let [one, other] =
            [live, read].map(|values| values.get(path).and_then(Value::as_u64).unwrap_or_default());
        path.rsplit('.').next() == Some("samples")
            && (is_bulk || path.starts_with("rtt_seconds.") && one.abs_diff(other) <= 1)
    };
    told.filter(|path| !equal(path) && !is_another_order(path))
        .map(|path| format!("{what}: {path}: live {:?}, capture {:?}", live.get(path), read.get(path)))
        .collect()
}

/// The records of one kind, in an order that does not depend on when they were written.
fn messages(records: &[Value], kind: &str) -> Vec<(String, BTreeMap<String, Value>)> {
    let mut messages: Vec<_> = records
        .iter()
        .filter(|record| record["record"] == kind && !is_foreign(record))
        .map(|record| {
            let mut values = BTreeMap::new();
            flatten("", record, &mut values);
            let order = ["query_id", "id", "name", "request_index", "status", "server_name"];
            let order = order.map(|field| record[field].to_string()).join(" ");
            (format!("{kind} {} {order}", identity(record)), values)
        })
        .collect();
    messages.sort_by(|a, b| a.0.cmp(&b.0));
    messages
}

fn compare(live: &[Value], read: &[Value]) {
    let mut wrong = Vec::new();
    let (of_live, of_capture) = (flows(live), flows(read));
    let keys = |flows: &Flows| flows.keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&of_live), keys(&of_capture), "the flows");
    for (key, values) in &of_live {
        wrong.extend(differences(key, values, &of_capture[key]));
    }
    for kind in ["tls", "dns", "http"] {
        let (of_live, of_capture) = (messages(live, kind), messages(read, kind));
        let keys = |messages: &[(String, _)]| messages.iter().map(|m| m.0.clone()).collect::<Vec<_>>();
        assert!(!of_live.is_empty(), "records of {kind}");
        assert_eq!(keys(&of_live), keys(&of_capture), "records of {kind}");
        for ((key, one), (_, other)) in of_live.iter().zip(&of_capture) {
            wrong.extend(differences(key, one, other));
        }
    }
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
}

/// Web, names, bulk, echo, and somebody who is not there.
fn traffic(here: &Namespace, there: &Namespace) {
    for n in 0..3 {
        here.sh(&format!("curl -sf -o /dev/null -H 'Host: www{n}.example.org' http://{THERE}:8080/page"));
        here.sh(&format!(
            "curl -sfk -o /dev/null --resolve s{n}.example.net:8443:{THERE} https://s{n}.example.net:8443/"
        ));
    }
    for kind in ["A", "AAAA"] {
        here.sh(&format!("dig +short @{THERE} api.example.co.uk {kind}"));
    }
    here.sh(&format!("dig +tcp +short @{THERE} api.example.co.uk A"));
    here.sh(&format!("ping -q -c 3 -i 0.2 {THERE}"));
    here.sh(&format!("! curl -s -o /dev/null http://{THERE}:81/"));
    let _server = there.spawn("iperf3", &["-s", "-1", "-B", THERE]);
    wait_for("iperf3", || (!there.sh("ss -Hlnt 'sport = :5201'").is_empty()).then_some(()));
    here.sh(&format!("iperf3 -c {THERE} -n 4M"));
}

fn read_capture(here: &Namespace, file: &Path) -> Vec<Value> {
    let output = weir(here, &["pcap", "--json", file.to_str().expect("a path")]).output().expect("weir pcap");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    records(&String::from_utf8_lossy(&output.stdout))
}

#[test]
fn traffic_read_live_and_from_a_capture_of_the_interface_gives_the_same_records() {
    let (here, there) = cable();
    let directory = tempfile::tempdir().expect("a directory");
    let _http = http_server(&there, &directory, 30_000);
    let _tls = tls_server(&there, &directory);
    let _dns = dns_server(&there, "api.example.co.uk", THERE);
    // Nobody is told that the mark went nowhere.
    let _sink = there.enter(|| std::net::UdpSocket::bind((THERE, capture::MARK))).expect("a socket");
    let path = directory.path().join("records.json");
    let json = format!("--json={}", path.display());
    let capture = Capture::start_cut(&here, "eth0", "0");
    let agent =
        Agent::start(&here, &["--interface=eth0", "--timeout.active=1s", "--owners.enabled=false", &json]);
    traffic(&here, &there);
    agent.wait_for_drains();
    let captured = capture.end(|| capture::mark(&here, THERE));
    agent.stop(Signal::SIGTERM);
    let live = records(&std::fs::read_to_string(&path).expect("records"));
    let read = read_capture(&here, &captured.file);
    assert!(live.iter().any(|r| r["client_ip"] == HERE));
    compare(&live, &read);
}

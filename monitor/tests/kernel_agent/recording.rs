//! `weir record`: what a person runs for a minute to take away.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::Path,
    process::Command,
};

use nix::sys::signal::Signal;

use crate::{
    agent::{Agent, HERE, Running, THERE, cable, weir},
    capture::{Capture, mark},
    frames::{Raw, ethernet, ipv4, tag, udp},
    netns::{Namespace, run, wait_for},
    outputs::{Disk, connections, lines, names, text},
    traffic::{self, Ending},
};

/// Starts a recording and waits until it counts.
fn record(here: &Namespace, output: &Path, more: &[&str]) -> Running {
    let mut arguments = vec!["record", "--interface=eth0", "--drain-interval=100ms", "-o", text(output)];
    arguments.extend(more);
    let recording = Running::start(weir(here, &arguments));
    wait_for("it to count", || recording.stderr().contains("counting").then_some(()));
    recording
}

/// The IPv4 packets of a capture as tshark reads them, in an order that does not depend on the capture.
fn packets(file: &Path) -> Vec<String> {
    let fields = "frame.len frame.cap_len vlan.id ieee8021ad.id ip.src ip.dst ip.id ip.proto tcp.seq_raw tcp.ack_raw tcp.flags \
                  udp.srcport udp.length";
    let mut arguments = vec!["-n", "-r", text(file), "-Y", "ip", "-T", "fields"];
    arguments.extend(fields.split_whitespace().flat_map(|field| ["-e", field]));
    let output = run("tshark", &arguments);
    let mut packets: Vec<String> =
        String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect();
    packets.sort();
    packets
}

/// What flow records say of packets, without what depends on when a packet was looked at.
fn flows(records: &[serde_json::Value]) -> Vec<String> {
    let part = |r: &serde_json::Value| {
        [
            "transport",
            "client_ip",
            "client_port",
            "server_ip",
            "server_port",
            "vlans",
            "sent",
            "received",
            "state",
        ]
        .map(|field| r[field].to_string())
        .join(" ")
    };
    let is_ipv4 = |r: &&serde_json::Value| r["record"] == "flow" && !r["client_ip"].to_string().contains(':');
    let mut flows: Vec<String> = records.iter().filter(is_ipv4).map(part).collect();
    flows.sort();
    flows
}

/// What `weir pcap` says of a capture.
fn of_capture(file: &Path) -> Vec<serde_json::Value> {
    let output =
        Command::new(env!("CARGO_BIN_EXE_weir")).args(["pcap", "--json", text(file)]).output().expect("weir");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().map(|line| serde_json::from_str(line).expect("a record")).collect()
}

/// Sends a request to a server that reads it and goes.
fn request(here: &Namespace, there: &Namespace, text: &str) {
    let listener = there.enter(|| TcpListener::bind((THERE, 80)).expect("listen"));
    let mut client = here.enter(|| TcpStream::connect((THERE, 80)).expect("connect"));
    let (mut server, _) = listener.accept().expect("accept");
    client.write_all(text.as_bytes()).expect("write");
    let mut read = vec![0; text.len()];
    server.read_exact(&mut read).expect("read");
}

#[test]
fn packets_of_a_recording_are_those_that_tcpdump_sees_and_give_its_flows() {
    let (here, there) = cable();
    let directory = tempfile::tempdir().expect("a directory");
    let output = directory.path().join("taken");
    let capture = Capture::start_cut(&here, "eth0", "0");
    let mut recording = record(&here, &output, &["--packets"]);
    traffic::tcp(&here, &there, THERE, 1_000, 200_000, Ending::Client);
    traffic::tcp(&there, &here, HERE, 10, 20, Ending::Reset);
    // The stack takes the outer tag off before anybody sees the packet.
    let datagram = ipv4([10, 9, 0, 1], [10, 9, 0, 2], 17, &udp(50_000, 50_001, b"in two VLANs"));
    let tagged = ethernet(0x88a8, &tag(5, 0x8100, &tag(6, 0x0800, &datagram)));
    Raw::open(&there, "eth1").send(&tagged);
    traffic::udp(&here, &there, THERE, 50, 700);
    let tcpdump = capture.end(|| mark(&here, THERE));
    recording.signal(Signal::SIGTERM);
    let status = recording.end();
    assert!(status.success(), "{}", recording.stderr());

    let file = output.join("packets.pcapng");
    let (ours, theirs) = (packets(&file), packets(&tcpdump.file));
    assert!(ours.len() > 50, "{ours:?}");
    assert!(ours.iter().any(|p| p.contains("\t6\t5\t")), "no packet in both VLANs");
    let only = |of: &[String], not: &[String]| -> Vec<String> {
        of.iter().filter(|p| !not.contains(p)).cloned().collect()
    };
    assert_eq!((only(&ours, &theirs), only(&theirs, &ours)), (Vec::new(), Vec::new()));
    assert_eq!(ours.len(), theirs.len());

    let live = flows(&lines(&output.join("records.json")));
    assert!(live.len() >= 4, "{live:?}");
    assert_eq!(flows(&of_capture(&file)), live);

    // The file says of what interface it is, and has its statistics.
    // What was written is said at the end.
    assert!(recording.stderr().contains("recording complete"), "{}", recording.stderr());
    let said = run("capinfos", &["-A", text(&file)]);
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    for part in ["Name = eth0", "Time precision = nanoseconds (9)", "Number of stat entries = 1"] {
        assert!(said.contains(part), "{said}");
    }
    assert_eq!(names(&output).iter().filter(|n| n.contains(".part")).count(), 0);
}

#[test]
fn a_table_of_packets_with_names_is_one_command() {
    let (here, there) = cable();
    let directory = tempfile::tempdir().expect("a directory");
    let table = directory.path().join("packets.csv");
    let fields = "--fields=time,source,destination,protocol,name,domain,length";
    let arguments = ["record", "--interface=eth0", "--seconds", "600", "--csv", text(&table), fields];
    let mut recording = Running::start(weir(&here, &arguments));
    wait_for("it to count", || recording.stderr().contains("counting").then_some(()));
    request(&here, &there, "GET / HTTP/1.1\r\nHost: www.taken.example\r\n\r\n");
    recording.signal(Signal::SIGINT);
    assert!(recording.end().success(), "{}", recording.stderr());

    let rows = fs::read_to_string(&table).expect("a table");
    let mut rows = rows.lines();
    assert_eq!(rows.next(), Some("time,length,transport,source_ip,destination_ip,name,domain"));
    // Also the SYN, which came before the name was known.
    let named: Vec<&str> = rows.filter(|row| row.ends_with(",www.taken.example,taken.example")).collect();
    assert!(named.len() > 4, "{named:?}");
    assert!(named.iter().all(|row| row.contains(",tcp,") && row.contains(THERE)), "{named:?}");
    assert!(recording.stderr().contains("packets.csv: "), "{}", recording.stderr());
    // Nothing else stays.
    assert_eq!(names(directory.path()).into_iter().collect::<Vec<_>>(), ["packets.csv"]);

    // One that is there is not replaced, which is known before anything is recorded.
    let mut again = Running::start(weir(&here, &arguments));
    assert!(!again.end().success());
    assert!(again.stderr().contains("--force"), "{}", again.stderr());
}

#[test]
fn packets_are_cut_and_files_rotated_as_asked() {
    let (here, there) = cable();
    let directory = tempfile::tempdir().expect("a directory");
    let output = directory.path().join("taken");
    let mut recording =
        record(&here, &output, &["--packets", "--snaplen=60", "--rotate-size=1", "--keep=2", "--form=json"]);
    let captures = || -> Vec<String> {
        names(&output).into_iter().filter(|n| n.starts_with("packets-") && n.ends_with(".pcapng")).collect()
    };
    let mut seen = std::collections::BTreeSet::new();
    wait_for("old files to go", || {
        traffic::udp(&here, &there, THERE, 2, 500);
        seen.extend(captures());
        (seen.len() > 3).then_some(())
    });
    recording.signal(Signal::SIGTERM);
    assert!(recording.end().success(), "{}", recording.stderr());
    let left = captures();
    assert_eq!(left.len(), 2, "{left:?}");
    for name in left {
        for packet in packets(&output.join(name)) {
            let mut fields = packet.split('\t');
            let mut next = || fields.next().and_then(|f| f.parse::<u32>().ok()).expect("a number");
            assert!(matches!((next(), next()), (542, 60) | (43, 43)), "{packet}");
        }
    }
}

#[test]
fn a_recording_whose_disk_is_full_says_so_and_fails() {
    let (here, there) = cable();
    let directory = tempfile::tempdir().expect("a directory");
    let disk = Disk::new(directory.path().join("disk"), "256k");
    let mut recording = record(&here, &disk.path().join("taken"), &["--packets", "--form=json"]);
    drop(fs::write(disk.path().join("filler"), vec![0; 1 << 20]));
    wait_for("packets to fail", || {
        traffic::udp(&here, &there, THERE, 50, 1_000);
        recording.stderr().contains("output_failed").then_some(())
    });
    recording.signal(Signal::SIGTERM);
    assert!(!recording.end().success());
    let said = recording.stderr();
    let last = said.lines().last().unwrap_or_default();
    assert!(last.starts_with("weir: ") && last.contains("No space left"), "{said}");
    // What is there is whole.
    let file = disk.path().join("taken/packets.pcapng");
    if file.exists() {
        run("tshark", &["-n", "-r", text(&file)]);
    }
}

#[test]
fn a_recording_has_names_whatever_the_config_file_says_of_samples() {
    let (here, there) = cable();
    let directory = tempfile::tempdir().expect("a directory");
    let config = directory.path().join("weir.toml");
    fs::write(&config, "[samples]\nenabled = false\n").expect("a file");
    let output = directory.path().join("taken");
    let mut recording = record(&here, &output, &["--form=json", "--config.file", text(&config)]);
    request(&here, &there, "GET / HTTP/1.1\r\nHost: taken.example\r\n\r\n");
    recording.signal(Signal::SIGTERM);
    assert!(recording.end().success(), "{}", recording.stderr());
    let flows = connections(&output.join("records.json"));
    assert_eq!(flows.len(), 1, "{flows:?}");
    assert_eq!(flows[0]["name"], "taken.example");
}

#[test]
fn a_forced_recording_leaves_nothing_of_the_one_before_and_what_is_not_its_own() {
    let (here, there) = cable();
    let directory = tempfile::tempdir().expect("a directory");
    let output = directory.path().join("taken");
    let mut first = record(&here, &output, &["--packets", "--form=csv,parquet,json"]);
    traffic::tcp(&here, &there, THERE, 1_000, 1_000, Ending::Client);
    first.signal(Signal::SIGTERM);
    assert!(first.end().success(), "{}", first.stderr());
    let of_first = names(&output);
    for name in ["flow.csv", "flow.parquet", "records.json", "packets.pcapng"] {
        assert!(of_first.contains(name), "{of_first:?}");
    }
    fs::write(output.join("flow.csv.part"), "of an instance that was killed").expect("a file");
    fs::write(output.join("notes.csv"), "mine").expect("a file");

    // In any form, without being asked to: no, and nothing is touched.
    let mut refused =
        Running::start(weir(&here, &["record", "--interface=eth0", "--form=json", "-o", text(&output)]));
    assert!(!refused.end().success());
    assert!(refused.stderr().contains("--force"), "{}", refused.stderr());
    assert_eq!(names(&output).len(), of_first.len() + 2);

    let mut second = record(&here, &output, &["--form=json", "--force"]);
    second.signal(Signal::SIGTERM);
    assert!(second.end().success(), "{}", second.stderr());
    assert_eq!(names(&output).into_iter().collect::<Vec<_>>(), ["notes.csv", "records.json"]);
    assert!(connections(&output.join("records.json")).is_empty());
}

#[test]
fn a_recording_that_cannot_start_leaves_everything_as_it_was() {
    let (here, there) = cable();
    let directory = tempfile::tempdir().expect("a directory");
    let earlier = directory.path().join("earlier");
    let mut first = record(&here, &earlier, &["--packets"]);
    traffic::tcp(&here, &there, THERE, 10, 10, Ending::Client);
    first.signal(Signal::SIGTERM);
    assert!(first.end().success(), "{}", first.stderr());
    let contents = || -> Vec<(String, Vec<u8>)> {
        names(&earlier).into_iter().map(|n| (n.clone(), fs::read(earlier.join(n)).expect("a file"))).collect()
    };
    let before = contents();
    for form in ["records.json", "flow.csv", "packets.pcapng"] {
        assert!(before.iter().any(|(name, _)| name == form), "{form}");
    }

    let agent = Agent::start(&here, &["--interface=eth0"]);
    for interface in ["eth0", "none0", "lo,eth0"] {
        let new = directory.path().join("new/one");
        for (output, more) in [(&new, &[][..]), (&earlier, &["--force"])] {
            let interface = format!("--interface={interface}");
            let arguments = ["record", &interface, "--packets", "--form=csv,json", "-o", text(output)];
            let arguments = [&arguments[..], more].concat();
            let mut recording = Running::start(weir(&here, &arguments));
            assert_eq!(recording.end().code(), Some(1), "{}", recording.stderr());
        }
        assert_eq!(names(directory.path()).into_iter().collect::<Vec<_>>(), ["earlier"], "{interface}");
        assert!(contents() == before, "{interface}: {:?}", names(&earlier));
    }
    agent.stop(Signal::SIGTERM);
    let mut again = record(&here, &directory.path().join("new/one"), &[]);
    again.signal(Signal::SIGTERM);
    assert!(again.end().success(), "{}", again.stderr());
}

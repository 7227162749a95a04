//! What the live page costs a browser while ten thousand flows are active: the tasks of its main thread, traced.
#![expect(clippy::expect_used, clippy::panic, reason = "a bench that cannot go on says why")]

#[path = "common/results.rs"]
#[expect(dead_code, reason = "shared with the other benches, which use all of it")]
mod results;

use std::{
    collections::HashMap,
    net::{Ipv4Addr, TcpStream, UdpSocket},
    process::Stdio,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use results::Found;
use serde_json::Value;
use testing::{
    netns::{self, Namespace, Process},
    webdriver::{self, Browser},
};

/// Flows that are active, a packet each a second.
const FLOWS: u16 = 10_000;
const SECONDS: u64 = 30;
/// Sites that they go to, each a domain.
const SITES: u16 = 60;
/// The longest that a task may take: longer ones delay what a person does
/// (<https://www.w3.org/TR/longtasks-1/>).
const LONG: f64 = 50.0;
/// The first port of the other side.
const PORTS: u16 = 20_000;
/// What the browser traces: every task, and the names of its threads.
const TRACED: &str = "toplevel,__metadata";

fn main() {
    if webdriver::missing() {
        return;
    }
    let quick = std::env::args().any(|argument| argument == "--quick");
    let seconds = if quick { 3 } else { SECONDS };
    let (here, there) = (Namespace::new(), Namespace::new());
    here.join("eth0", &there, "eth1", 7);
    // Many sites, of which nobody answers or says so.
    here.ip("route add 10.7.1.0/24 via 10.7.0.2");
    there.sh("sysctl -qw net.ipv4.ip_forward=0; nft 'add table inet quiet; \
         add chain inet quiet in { type filter hook input priority 0; policy drop; }; \
         add rule inet quiet in udp dport 53 accept'");
    let mut weir = here.command(env!("CARGO_BIN_EXE_weir"), &["run", "--interface=eth0"]);
    let _weir = Process::start({
        weir.stdout(Stdio::null()).stderr(Stdio::null());
        weir
    });
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        // Also when something fails: the scope ends with its threads.
        let _stopped = Stop(&stop);
        let asked = there.enter(|| UdpSocket::bind("10.7.0.2:53")).expect("a socket");
        let port = netns::wait_for("weir", || here.enter(|| TcpStream::connect("127.0.0.1:10058")).ok());
        drop(port);
        here.enter(|| (0..SITES).for_each(|site| ask(&asked, site)));
        scope.spawn(|| here.enter(|| send(&stop)));
        let connect = Box::new(|port| here.enter(|| TcpStream::connect(("127.0.0.1", port))));
        let browser = Browser::start_by(here.command("chromedriver", &[]), connect, Some(TRACED));
        browser.open("http://127.0.0.1:10058/");
        let active =
            "return Number((document.querySelector('.tile .big')?.innerText ?? '').replaceAll(',', ''));";
        netns::wait_for("all flows on the page", || {
            (browser.script(active).as_f64() >= Some(f64::from(FLOWS))).then_some(())
        });
        thread::sleep(Duration::from_secs(seconds));
        // The driver hands out what it traced once: what was before is in it.
        let tasks = tasks(&browser.log("performance"), seconds);
        let active = browser.script(active);
        println!("{active} active flows, {seconds} s, a message a second");
        report("wall", seconds, tasks.iter().map(|task| task.0).collect());
        report("on the processor", seconds, tasks.iter().map(|task| task.1).collect());
    });
}

/// Says so when it is dropped.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Asks DNS for the address of a site, and has the answer sent: so its flows have a name.
fn ask(server: &UdpSocket, site: u16) {
    let label = format!("site-{site}");
    let mut query = [&site.to_be_bytes()[..], &[1, 0, 0, 1, 0, 0, 0, 0, 0, 0]].concat();
    for label in ["www", &label, "example"] {
        query.push(label.len() as u8);
        query.extend(label.as_bytes());
    }
    query.extend([0, 0, 1, 0, 1]);
    let client = UdpSocket::bind("10.7.0.1:0").expect("a socket");
    client.send_to(&query, "10.7.0.2:53").expect("a query");
    let mut answer = [0; 512];
    let (length, from) = server.recv_from(&mut answer).expect("the query");
    let mut answer = answer[..length].to_vec();
    // A response without an error, with one answer: an address of the name above, for an hour.
    answer[2..8].copy_from_slice(&[0x81, 0x80, 0, 1, 0, 1]);
    answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0x0e, 0x10, 0, 4]);
    answer.extend(address(site).octets());
    server.send_to(&answer, from).expect("an answer");
}

fn address(site: u16) -> Ipv4Addr {
    Ipv4Addr::new(10, 7, 1, site as u8)
}

/// The `n`th site of the flows: of the first most, of each next a little less.
fn site(n: u16) -> u16 {
    let n = u32::from(n % 1000);
    (n * n * u32::from(SITES) / 1_000_000) as u16
}

/// One packet to each port, spread over each second.
fn send(stop: &AtomicBool) {
    let socket = UdpSocket::bind("10.7.0.1:0").expect("a socket");
    while !stop.load(Ordering::Relaxed) {
        for port in PORTS..PORTS + FLOWS {
            // A full queue is a packet less.
            drop(socket.send_to(b"weir", (address(site(port)), port)));
            if port.is_multiple_of(100) {
                thread::sleep(Duration::from_millis(8));
            }
        }
    }
}

/// Milliseconds of each task of the page's main thread in the last seconds: from begin to end, and of the processor.
fn tasks(log: &Value, seconds: u64) -> Vec<(f64, f64)> {
    let messages: Vec<Value> = log
        .as_array()
        .expect("a log")
        .iter()
        .filter_map(|entry| serde_json::from_str(entry["message"].as_str()?).ok())
        .collect();
    let events: Vec<&Value> = messages
        .iter()
        .map(|message| &message["message"])
        .filter(|message| message["method"] == "Tracing.dataCollected")
        .map(|message| &message["params"])
        .collect();
    let thread = |event: &Value| (event["pid"].as_i64(), event["tid"].as_i64());
    let is_main =
        |event: &&&Value| event["name"] == "thread_name" && event["args"]["name"] == "CrRendererMain";
    let mut tasks: HashMap<_, Vec<(f64, f64)>> =
        events.iter().filter(is_main).map(|e| (thread(e), Vec::new())).collect();
    // Microseconds.
    let begin = |event: &Value| event["ts"].as_f64().unwrap_or_default();
    let newest = events.iter().map(|event| begin(event)).fold(0.0, f64::max);
    for event in &events {
        let part = |key: &str| event[key].as_f64().unwrap_or_default() / 1000.0;
        if let Some(tasks) = tasks.get_mut(&thread(event))
            && event["ph"] == "X"
            && begin(event) >= newest - seconds as f64 * 1e6
        {
            tasks.push((part("dur"), part("tdur")));
        }
    }
    // The page's process is the one with most to do; the browser keeps a spare one.
    let busy = |tasks: &[(f64, f64)]| tasks.iter().map(|task| task.0).sum::<f64>();
    tasks
        .into_values()
        .max_by(|a, b| busy(a).total_cmp(&busy(b)))
        .unwrap_or_else(|| panic!("nothing was traced"))
}

fn report(what: &str, seconds: u64, mut times: Vec<f64>) {
    times.sort_by(f64::total_cmp);
    let at = |part: f64| times.get(((times.len() - 1) as f64 * part) as usize).copied().unwrap_or_default();
    let long = times.iter().filter(|time| **time > LONG).count();
    let busy = times.iter().sum::<f64>() / (seconds as f64 * 10.0);
    for (quantity, unit, value) in [
        ("99.9 % of tasks take at most", "ms", at(0.999)),
        ("the longest task", "ms", at(1.0)),
        ("tasks over 50 ms", "tasks", long as f64),
        ("busy", "% of the time", busy),
    ] {
        let what = format!("{what}: {quantity}");
        let mut found = Found::median("page", &what, unit, &mut [value]);
        found.goal = (quantity == "the longest task").then(|| (format!("≤ {LONG}"), value <= LONG));
        found.tell();
    }
}

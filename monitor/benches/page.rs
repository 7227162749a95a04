//! What the live page costs a browser while ten thousand flows are active: the tasks of its main thread, traced.
#![expect(clippy::expect_used, clippy::panic, reason = "a bench that cannot go on says why")]
#![expect(dead_code, reason = "shared with the tests, which use all of it")]

#[path = "../tests/kernel/netns.rs"]
mod netns;
#[path = "common/results.rs"]
mod results;
#[path = "../tests/outputs/webdriver.rs"]
mod webdriver;

use std::{
    collections::HashMap,
    net::{TcpStream, UdpSocket},
    process::Stdio,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use netns::{Namespace, Process};
use results::Found;
use serde_json::Value;
use webdriver::Browser;

/// Flows that are active, a packet each a second.
const FLOWS: u16 = 10_000;
const SECONDS: u64 = 30;
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
    // Nobody answers, and nobody says so.
    there.sh("nft 'add table inet quiet; add chain inet quiet in { type filter hook input priority 0; policy drop; }'");
    let mut weir = here.command(env!("CARGO_BIN_EXE_weir"), &["run", "--interface=eth0"]);
    let _weir = Process::start({
        weir.stdout(Stdio::null()).stderr(Stdio::null());
        weir
    });
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        // Also when something fails: the scope ends with its threads.
        let _stopped = Stop(&stop);
        scope.spawn(|| here.enter(|| send(&stop)));
        let connect = Box::new(|port| here.enter(|| TcpStream::connect(("127.0.0.1", port))));
        let browser = Browser::start_by(here.command("chromedriver", &[]), connect, Some(TRACED));
        let port = netns::wait_for("weir", || here.enter(|| TcpStream::connect("127.0.0.1:10058")).ok());
        drop(port);
        browser.open("http://127.0.0.1:10058/");
        let active =
            "return Number((document.querySelector('.tile .big')?.innerText ?? '').replaceAll(',', ''));";
        netns::wait_for("all flows on the page", || {
            (browser.script(active).as_f64() >= Some(f64::from(FLOWS))).then_some(())
        });
        // What was traced until now is of no interest.
        browser.log("performance");
        thread::sleep(Duration::from_secs(seconds));
        let tasks = tasks(&browser.log("performance"));
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

/// One packet to each port, spread over each second.
fn send(stop: &AtomicBool) {
    let socket = UdpSocket::bind("10.7.0.1:0").expect("a socket");
    while !stop.load(Ordering::Relaxed) {
        for port in PORTS..PORTS + FLOWS {
            // A full queue is a packet less.
            drop(socket.send_to(b"weir", ("10.7.0.2", port)));
            if port.is_multiple_of(100) {
                thread::sleep(Duration::from_millis(8));
            }
        }
    }
}

/// Milliseconds of each task of the page's main thread: from begin to end, and of the processor.
fn tasks(log: &Value) -> Vec<(f64, f64)> {
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
    for event in &events {
        let part = |key: &str| event[key].as_f64().unwrap_or_default() / 1000.0;
        if let Some(tasks) = tasks.get_mut(&thread(event))
            && event["ph"] == "X"
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
    let long = times.iter().filter(|time| **time > 50.0).count();
    let busy = times.iter().sum::<f64>() / (seconds as f64 * 10.0);
    for (quantity, unit, value) in [
        ("99.9 % of tasks take at most", "ms", at(0.999)),
        ("the longest task", "ms", at(1.0)),
        ("tasks over 50 ms", "tasks", long as f64),
        ("busy", "% of the time", busy),
    ] {
        Found::median("page", &format!("{what}: {quantity}"), unit, &mut [value]).tell();
    }
}

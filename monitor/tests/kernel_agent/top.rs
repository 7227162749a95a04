//! `weir top` on a terminal: keys and mouse typed, the screen read and compared with what was sent.

use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    process::Output,
};

use monitor::view::units;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;

use crate::{
    agent::{Agent, THERE, cable, weir},
    netns::{Namespace, wait_for},
    tmux::Tmux,
    traffic,
};

/// A connection that stays: HTTP for a name, answered with so many bytes.
fn talk(here: &Namespace, there: &Namespace, port: u16, name: &str, bytes: usize) -> (TcpStream, TcpStream) {
    let listener = there.enter(|| TcpListener::bind((THERE, port)).expect("listen"));
    let mut client = here.enter(|| TcpStream::connect((THERE, port)).expect("connect"));
    let (mut server, _) = listener.accept().expect("accept");
    let request = format!("GET / HTTP/1.1\r\nHost: {name}\r\n\r\n");
    client.write_all(request.as_bytes()).expect("write");
    server.read_exact(&mut vec![0; request.len()]).expect("read");
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {bytes}\r\n\r\n");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            server.write_all(answer.as_bytes()).expect("write");
            server.write_all(&vec![b'.'; bytes]).expect("write");
        });
        client.read_exact(&mut vec![0; answer.len() + bytes]).expect("read");
    });
    (client, server)
}

/// `weir top` in a namespace as a command of a shell.
fn top(ns: &Namespace, arguments: &str) -> String {
    format!("ip netns exec {} {} top {arguments}", ns.name(), env!("CARGO_BIN_EXE_weir"))
}

/// Waits until the screen is as it should be.
fn wait_screen(tmux: &Tmux, what: &str, done: impl Fn(&[String]) -> bool) -> Vec<String> {
    wait_for(what, || Some(tmux.screen()).filter(|screen| done(screen)))
}

fn wait_text(tmux: &Tmux, text: &str) -> Vec<String> {
    wait_screen(tmux, text, |screen| has(screen, text))
}

fn has(screen: &[String], text: &str) -> bool {
    screen.iter().any(|line| line.contains(text))
}

/// The line with a text.
fn row(screen: &[String], text: &str) -> usize {
    screen.iter().position(|line| line.contains(text)).unwrap_or_else(|| panic!("{text} in {screen:#?}"))
}

/// The column where a text begins, from 1.
fn column(line: &str, text: &str) -> usize {
    line[..line.find(text).unwrap_or_else(|| panic!("{text} in {line}"))].chars().count() + 1
}

/// The terminal as it was before: the first screen is back, and lines are edited and echoed.
fn given_back(tmux: &Tmux, how: &str) {
    let screen =
        wait_screen(tmux, "the end", |screen| has(screen, &format!("ended {how}")) && has(screen, "echo"));
    assert!(has(&screen, "before"), "{screen:#?}");
    let modes = screen.join(" ");
    for mode in [" icanon", " echo ", " isig"] {
        assert!(modes.contains(mode), "{mode} in {screen:#?}");
    }
}

/// Bytes of both directions of the flow with a name, as the API has them.
fn received(agent: &Agent<'_>, name: &str) -> u64 {
    let answer: Value = serde_json::from_str(&agent.get("/api/v1/flows", "").body).expect("JSON");
    let flows = answer["flows"].as_array().expect("flows");
    let flow = flows.iter().find(|flow| flow["name"] == name).unwrap_or_else(|| panic!("{name} in {answer}"));
    flow["received"]["bytes"].as_u64().expect("bytes")
}

#[test]
fn keys_show_what_was_sent_by_domain_flow_and_filter() {
    let (here, there) = cable();
    let agent = Agent::start(&here, &["--interface=eth0"]);
    let _big = talk(&here, &there, 80, "www.big.example", 2_000_000);
    let _small = talk(&here, &there, 8080, "small.example", 30_000);
    agent.wait_for_drains();
    let bytes = received(&agent, "www.big.example");
    assert!((2_000_000..2_200_000).contains(&bytes), "{bytes}");
    let shown = units::bytes(bytes as f64);

    let tmux = Tmux::start(120, 40, "xterm-16color", &top(&here, ""));
    let screen = wait_text(&tmux, "www.big.example");
    assert!(screen[0].contains("eth0") && screen[0].contains("attached to 127.0.0.1:10058"), "{screen:#?}");
    let big = &screen[row(&screen, "www.big.example")];
    for cell in ["10.7.0.2:80", "established", &shown] {
        assert!(big.contains(cell), "{cell} in {big}");
    }
    let colours = tmux.coloured();
    assert!(
        colours.contains('\x1b') && !colours.contains("38;5") && !colours.contains("38;2"),
        "{colours:?}"
    );

    tmux.keys(&["Left"; 12]);
    tmux.keys(&["Right", "Right"]);
    let screen = wait_text(&tmux, "NAME▲");
    assert!(row(&screen, "small.example") < row(&screen, "www.big.example"), "{screen:#?}");
    tmux.types("r");
    let screen = wait_text(&tmux, "NAME▼");
    assert!(row(&screen, "www.big.example") < row(&screen, "small.example"), "{screen:#?}");

    tmux.types("/prot 80");
    let screen = wait_text(&tmux, "column 1");
    assert!(screen[row(&screen, "filter: prot 80") + 1].starts_with("         ^^^^"), "{screen:#?}");
    tmux.keys(&["C-u"]);
    tmux.types("port 80 and bytes > 1M");
    tmux.keys(&["Enter"]);
    let screen = wait_screen(&tmux, "the filter", |s| has(s, "1 flow ") && !has(s, "small.example"));
    assert!(has(&screen, "www.big.example"), "{screen:#?}");
    tmux.keys(&["j", "Enter"]);
    let screen = wait_text(&tmux, "Sent, from client to server");
    assert!(has(&screen, "www.big.example, by http") && has(&screen, &shown), "{screen:#?}");
    tmux.keys(&["Escape"]);
    wait_text(&tmux, "CLIENT");

    tmux.types("2");
    let screen = wait_text(&tmux, "small.example");
    let domain = &screen[row(&screen, "big.example")];
    assert!(
        domain.contains(&shown) && row(&screen, "big.example") < row(&screen, "small.example"),
        "{screen:#?}"
    );
    tmux.keys(&["j", "Enter"]);
    wait_screen(&tmux, "its flows", |s| has(s, "domain big.example") && has(s, "www.big.example"));
    for (tab, text) in [("3", "SERVICE"), ("4", "Connections now"), ("5", "Responses"), ("6", "SEVERITY")] {
        tmux.types(tab);
        wait_text(&tmux, text);
    }
    tmux.types("q");
    given_back(&tmux, "0");
}

#[test]
fn sizes_units_pause_and_mouse_do_what_they_should() {
    let (here, there) = cable();
    let tmux =
        Tmux::start(120, 40, "xterm-16color", &top(&here, "--own --interface eth0 --drain-interval 100ms"));
    wait_text(&tmux, "own run");
    let _first = talk(&here, &there, 80, "first.example", 100_000);
    let screen = wait_text(&tmux, "first.example");
    // The bytes on the wire: the answer, and less than a tenth more of headers.
    let first = &screen[row(&screen, "first.example")];
    assert!((100..=110).any(|kilobytes| first.contains(&format!(" {kilobytes} kB "))), "{first}");
    let colours = tmux.coloured();
    assert!(
        colours.contains('\x1b') && !colours.contains("38;5") && !colours.contains("38;2"),
        "{colours:?}"
    );
    tmux.types("b");
    wait_text(&tmux, "bit/s");
    tmux.types(" ");
    wait_text(&tmux, "PAUSED");
    let _second = talk(&here, &there, 81, "second.example", 200_000);
    // A key that comes after the pause is answered by a picture from before it.
    tmux.types("b");
    assert!(!has(&wait_text(&tmux, "B/s"), "second.example"));
    tmux.types(" ");
    wait_text(&tmux, "second.example");

    for (columns, rows) in [(44, 8), (80, 24), (200, 60)] {
        tmux.resize(columns, rows);
        let screen =
            wait_screen(&tmux, "that size", |s| s.len() == usize::from(rows) && has(s, "first.example"));
        assert!(screen.iter().all(|line| line.chars().count() <= usize::from(columns)), "{screen:#?}");
    }
    tmux.resize(30, 5);
    wait_text(&tmux, "too small");
    tmux.resize(120, 40);
    let screen = wait_text(&tmux, "first.example");

    let titles = row(&screen, "CLIENT");
    tmux.mouse(0, column(&screen[titles], "RECEIVED"), titles + 1);
    let screen = wait_text(&tmux, "RECEIVED▼");
    assert!(row(&screen, "second.example") < row(&screen, "first.example"), "{screen:#?}");
    tmux.mouse(0, column(&screen[titles], "RECEIVED"), titles + 1);
    let screen = wait_text(&tmux, "RECEIVED▲");
    // The first click chooses, the second opens.
    let at = row(&screen, "second.example");
    tmux.mouse(0, 5, at + 1);
    tmux.mouse(0, 5, at + 1);
    let screen = wait_text(&tmux, "second.example, by http");
    let tabs = row(&screen, "4 TCP");
    tmux.mouse(0, column(&screen[tabs], "4 TCP"), tabs + 1);
    wait_text(&tmux, "Connections now");

    // A signal ends it like a key does.
    let process = wait_for("the process", || tmux.child());
    kill(Pid::from_raw(process), Signal::SIGTERM).expect("a signal");
    given_back(&tmux, "0");
}

#[test]
fn it_attaches_again_when_the_instance_comes_back() {
    let (here, there) = cable();
    let agent = Agent::start(&here, &["--interface=eth0"]);
    let _first = talk(&here, &there, 80, "first.example", 100_000);
    agent.wait_for_drains();
    let tmux = Tmux::start(100, 30, "xterm", &top(&here, ""));
    wait_text(&tmux, "first.example");
    agent.stop(Signal::SIGTERM);
    wait_text(&tmux, "nobody answers at http://127.0.0.1:10058");
    let agent = Agent::start(&here, &["--interface=eth0"]);
    wait_text(&tmux, "attached again");
    let _second = talk(&here, &there, 81, "second.example", 100_000);
    wait_text(&tmux, "second.example");
    tmux.keys(&["C-c"]);
    given_back(&tmux, "0");
    agent.stop(Signal::SIGTERM);
}

#[test]
fn where_nobody_answers_it_counts_itself_and_opens_no_port() {
    let (here, there) = cable();
    let tmux = Tmux::start(120, 30, "xterm", &top(&here, "--interface eth0 --drain-interval 100ms"));
    wait_screen(&tmux, "its interface", |s| s[0].contains("own run") && s[0].contains("eth0"));
    assert_eq!(here.sh("ss -Hlnt"), "");
    let _talk = talk(&here, &there, 80, "own.example", 500_000);
    let screen = wait_text(&tmux, "own.example");
    assert!(screen[row(&screen, "own.example")].contains("10.7.0.2:80"), "{screen:#?}");
    traffic::refused(&here, THERE);
    tmux.types("4");
    wait_text(&tmux, "refused");
    tmux.types("q");
    given_back(&tmux, "0");
    // Its programs have gone with it.
    assert!(
        !here
            .sh("tc filter show dev eth0 ingress; bpftool net show dev eth0 2>/dev/null || true")
            .contains("weir")
    );
}

fn said(ns: &Namespace, arguments: &[&str]) -> Output {
    weir(ns, &[&["top"], arguments].concat()).output().expect("weir")
}

#[test]
fn one_picture_is_printed_without_a_terminal() {
    let (here, there) = cable();
    let none = said(&here, &[]);
    let text = String::from_utf8_lossy(&none.stderr);
    assert!(!none.status.success() && text.lines().count() == 1 && text.contains("--once"), "{text}");

    let _talk = talk(&here, &there, 80, "before.example", 10_000);
    let own = said(&here, &["--once", "--own", "--interface=eth0", "--drain-interval=100ms"]);
    assert!(own.status.success(), "{}", String::from_utf8_lossy(&own.stderr));
    assert!(String::from_utf8_lossy(&own.stdout).contains("own run"));

    let agent = Agent::start(&here, &["--interface=eth0"]);
    let _talk = talk(&here, &there, 81, "once.example", 1_000_000);
    agent.wait_for_drains();
    let once = said(&here, &["--once", "--tab", "flows", "port 81"]);
    let text = String::from_utf8_lossy(&once.stdout).into_owned();
    assert!(once.status.success() && !text.contains('\x1b'), "{text}");
    let bytes = units::bytes(received(&agent, "once.example") as f64);
    let lines: Vec<&str> = text.lines().filter(|line| line.contains("10.7.0.2:")).collect();
    assert!(lines.len() == 1 && lines[0].contains("once.example") && lines[0].contains(&bytes), "{text}");
    let json = said(&here, &["--once", "--json"]);
    let snapshot: Value = serde_json::from_slice(&json.stdout).expect("JSON");
    let domains = snapshot["domains"].as_array().expect("domains");
    assert!(domains.iter().any(|domain| domain["domain"] == "once.example"), "{snapshot}");
    let wrong = said(&here, &["--once", "prot 80"]);
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("did you mean `port`?"));
}

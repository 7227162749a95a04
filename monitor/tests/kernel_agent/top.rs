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
    agent::{ADDRESS, Agent, Running, THERE, cable, guarded, weir},
    hooks::programs,
    netns::{Namespace, wait_for},
    rights::assert_confined,
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

/// Bytes that the server of the flow with a name has sent, as the API has them.
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
    let screen = tmux.wait_text("www.big.example");
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
    let screen = tmux.wait_text("NAME▲");
    assert!(row(&screen, "small.example") < row(&screen, "www.big.example"), "{screen:#?}");
    tmux.types("r");
    let screen = tmux.wait_text("NAME▼");
    assert!(row(&screen, "www.big.example") < row(&screen, "small.example"), "{screen:#?}");

    tmux.types("/prot 80");
    let screen = tmux.wait_text("column 1");
    assert!(screen[row(&screen, "filter: prot 80") + 1].starts_with("         ^^^^"), "{screen:#?}");
    tmux.keys(&["C-u"]);
    tmux.types("port 80 and bytes > 1M");
    tmux.keys(&["Enter"]);
    let screen = tmux.wait_screen("the filter", |s| has(s, "1 flow ") && !has(s, "small.example"));
    assert!(has(&screen, "www.big.example"), "{screen:#?}");
    tmux.keys(&["j", "Enter"]);
    let screen = tmux.wait_text("Sent, from client to server");
    assert!(has(&screen, "www.big.example (http)") && has(&screen, &shown), "{screen:#?}");
    tmux.keys(&["Escape"]);
    tmux.wait_text("CLIENT");

    tmux.types("2");
    let screen = tmux.wait_text("small.example");
    let domain = &screen[row(&screen, "big.example")];
    assert!(
        domain.contains(&shown) && row(&screen, "big.example") < row(&screen, "small.example"),
        "{screen:#?}"
    );
    tmux.keys(&["j", "Enter"]);
    tmux.wait_screen("its flows", |s| has(s, "domain big.example") && has(s, "www.big.example"));
    for (tab, text) in
        [("3", "SERVICE"), ("4", "Connections by state"), ("5", "Responses"), ("6", "SEVERITY")]
    {
        tmux.types(tab);
        tmux.wait_text(text);
    }
    tmux.types("q");
    tmux.given_back(0);
}

#[test]
fn sizes_units_pause_and_mouse_do_what_they_should() {
    let (here, there) = cable();
    let tmux =
        Tmux::start(120, 40, "xterm-16color", &top(&here, "--own --interface eth0 --drain-interval 100ms"));
    tmux.wait_text("standalone");
    let _first = talk(&here, &there, 80, "first.example", 100_000);
    // The bytes on the wire: the answer, and less than a tenth more of headers. A drain may come in the middle.
    tmux.wait_screen("its bytes", |screen| {
        let first = screen.iter().find(|line| line.contains("first.example"));
        first.is_some_and(|first| (100..=110).any(|kilobytes| first.contains(&format!(" {kilobytes} kB "))))
    });
    let colours = tmux.coloured();
    assert!(
        colours.contains('\x1b') && !colours.contains("38;5") && !colours.contains("38;2"),
        "{colours:?}"
    );
    tmux.types("b");
    tmux.wait_text("B/s");
    tmux.types(" ");
    tmux.wait_text("PAUSED");
    let _second = talk(&here, &there, 81, "second.example", 200_000);
    // A key that comes after the pause is answered by a picture from before it.
    tmux.types("b");
    assert!(!has(&tmux.wait_text("bit/s"), "second.example"));
    tmux.types(" ");
    tmux.wait_text("second.example");

    for (columns, rows) in [(44, 8), (80, 24), (200, 60)] {
        tmux.resize(columns, rows);
        let screen = tmux.wait_screen("that size", |s| s.len() == usize::from(rows) && has(s, "first.exa"));
        assert!(screen.iter().all(|line| line.chars().count() <= usize::from(columns)), "{screen:#?}");
    }
    tmux.resize(30, 5);
    tmux.wait_text("too small");
    tmux.resize(120, 40);
    let screen = tmux.wait_text("first.example");

    let titles = row(&screen, "CLIENT");
    tmux.mouse(0, column(&screen[titles], "IN"), titles + 1);
    let screen = tmux.wait_text("IN▼");
    assert!(row(&screen, "second.example") < row(&screen, "first.example"), "{screen:#?}");
    tmux.mouse(0, column(&screen[titles], "IN"), titles + 1);
    let screen = tmux.wait_text("IN▲");
    // The first click chooses, the second opens.
    let at = row(&screen, "second.example");
    tmux.mouse(0, 5, at + 1);
    tmux.mouse(0, 5, at + 1);
    let screen = tmux.wait_text("second.example (http)");
    let tabs = row(&screen, "4 TCP");
    tmux.mouse(0, column(&screen[tabs], "4 TCP"), tabs + 1);
    tmux.wait_text("Connections by state");

    // A signal ends it like a key does.
    let process = wait_for("the process", || tmux.child());
    kill(Pid::from_raw(process), Signal::SIGTERM).expect("a signal");
    tmux.given_back(0);
}

#[test]
fn it_attaches_again_when_the_instance_comes_back() {
    let (here, there) = cable();
    let agent = Agent::start(&here, &["--interface=eth0"]);
    let _first = talk(&here, &there, 80, "first.example", 100_000);
    agent.wait_for_drains();
    let tmux = Tmux::start(100, 30, "xterm", &top(&here, ""));
    tmux.wait_text("first.example");
    agent.stop(Signal::SIGTERM);
    tmux.wait_text("nobody answers at http://127.0.0.1:10058");
    let agent = Agent::start(&here, &["--interface=eth0"]);
    tmux.wait_text("attached again");
    let _second = talk(&here, &there, 81, "second.example", 100_000);
    tmux.wait_text("second.example");
    tmux.keys(&["C-c"]);
    tmux.given_back(0);
    agent.stop(Signal::SIGTERM);
}

#[test]
fn where_nobody_answers_it_counts_itself_and_opens_no_port() {
    let (here, there) = cable();
    let tmux = Tmux::start(120, 30, "xterm", &top(&here, "--interface eth0 --drain-interval 100ms"));
    tmux.wait_screen("its interface", |s| s[0].contains("standalone") && s[0].contains("eth0"));
    assert_eq!(here.sh("ss -Hlnt"), "");
    let _talk = talk(&here, &there, 80, "own.example", 500_000);
    let screen = tmux.wait_text("own.example");
    assert!(screen[row(&screen, "own.example")].contains("10.7.0.2:80"), "{screen:#?}");
    traffic::refused(&here, THERE);
    tmux.types("4");
    tmux.wait_text("refused");
    assert_eq!(programs(&here, "eth0").len(), 2);
    tmux.types("q");
    tmux.given_back(0);
    // Its programs have gone with it.
    assert_eq!(programs(&here, "eth0"), Vec::<String>::new());
}

#[test]
fn a_run_of_its_own_keeps_no_more_rights_than_an_agent() {
    let (here, there) = cable();
    // Keys come from the terminal also where standard input is something else.
    let command = top(&here, "--own --interface 'eth*' --drain-interval 100ms");
    let tmux = Tmux::start(100, 30, "xterm", &format!("{command} </dev/null"));
    tmux.wait_text("standalone");
    let _talk = talk(&here, &there, 80, "own.example", 100_000);
    tmux.wait_text("own.example");
    tmux.assert_taken();
    let process = wait_for("the process", || tmux.child());
    assert_confined(process as u32, &["weir", "counter", "feed", "keys", "signals", "stops"]);
    // An interface that comes is counted with what the counter has kept.
    here.join("eth7", &there, "eth8", 17);
    wait_for("programs on it", || (programs(&here, "eth7").len() == 2).then_some(()));
    kill(Pid::from_raw(process), Signal::SIGINT).expect("a signal");
    tmux.given_back(0);
    assert_eq!(programs(&here, "eth0"), Vec::<String>::new());
}

#[test]
fn it_stops_like_any_job_and_goes_on_with_the_terminal_taken_again() {
    let (here, there) = cable();
    let agent = Agent::start(&here, &["--interface=eth0"]);
    let _talk = talk(&here, &there, 80, "job.example", 100_000);
    agent.wait_for_drains();
    let tmux = Tmux::shell(100, 30);
    let settings = |name: &str| {
        tmux.types(&format!("stty -g >{}; echo {name} done", tmux.path(name)));
        tmux.keys(&["Enter"]);
        tmux.wait_screen("settings", |s| s.iter().any(|line| line == &format!("{name} done")));
    };
    settings("before");
    tmux.types(&format!("TERM=xterm {}", top(&here, "")));
    tmux.keys(&["Enter"]);
    let key = || tmux.keys(&["C-z"]);
    let signal = || {
        let process = wait_for("the process", || tmux.child());
        kill(Pid::from_raw(process), Signal::SIGTSTP).expect("a signal");
    };
    for stop in [&key as &dyn Fn(), &signal] {
        tmux.wait_text("job.example");
        tmux.assert_taken();
        stop();
        tmux.wait_text("Stopped");
        assert_eq!(tmux.modes(), Vec::<&str>::new());
        settings("after");
        tmux.same_settings();
        tmux.types("clear; fg");
        tmux.keys(&["Enter"]);
    }
    tmux.wait_text("job.example");
    tmux.assert_taken();
    tmux.types("q");
    // What is typed before the shell has the terminal again is typed to who ends.
    tmux.wait_screen("the prompt", |s| s.iter().any(|line| line.trim_end() == "here:"));
    settings("after");
    tmux.same_settings();
    agent.stop(Signal::SIGTERM);
}

#[test]
fn a_run_of_its_own_gives_the_terminal_back_whichever_thread_a_stop_could_go_to() {
    let (here, _there) = cable();
    let tmux = Tmux::shell(100, 30);
    tmux.types(&format!("TERM=xterm {}", top(&here, "--own --interface eth0 --drain-interval 100ms")));
    tmux.keys(&["Enter"]);
    for _ in 0..3 {
        tmux.wait_text("standalone");
        tmux.assert_taken();
        let process = wait_for("the process", || tmux.child());
        kill(Pid::from_raw(process), Signal::SIGTSTP).expect("a signal");
        tmux.wait_text("Stopped");
        assert_eq!(tmux.modes(), Vec::<&str>::new());
        tmux.types("clear; fg");
        tmux.keys(&["Enter"]);
    }
    tmux.wait_text("standalone");
    tmux.types("q");
    tmux.wait_screen("the prompt", |s| s.iter().any(|line| line.trim_end() == "here:"));
    assert_eq!(programs(&here, "eth0"), Vec::<String>::new());
}

#[test]
fn it_attaches_over_tls_with_a_password_and_says_in_a_line_why_not() {
    let (here, there) = cable();
    let directory = tempfile::tempdir().expect("a directory");
    let (flag, certificate) = guarded(&directory, "sesame");
    let agent = Running::start(weir(&here, &["run", "--interface=eth0", "--drain-interval=100ms", &flag]));
    wait_for("its pages", || agent.stdout().contains("Metrics: https://").then_some(()));
    let _talk = talk(&here, &there, 80, "tls.example", 100_000);
    let ca = format!("--ca-file={}", certificate.display());
    let url = |user: &str| format!("--url=https://{user}{ADDRESS}");
    let tmux = Tmux::start(120, 30, "xterm", &top(&here, &format!("{} {ca}", url("ann:sesame@"))));
    let screen = tmux.wait_text("tls.example");
    assert!(screen[0].contains(&format!("attached to https://{ADDRESS}")), "{screen:#?}");
    assert!(!screen.concat().contains("sesame"), "{screen:#?}");
    // One flow is asked for by a connection of its own.
    tmux.keys(&["j", "Enter"]);
    tmux.wait_text("tls.example (http)");
    tmux.types("q");
    tmux.given_back(0);

    let hint = format!("--url https://USER:PASSWORD@{ADDRESS}");
    for (arguments, says) in [
        (&[&*url("ann:wrong@"), &ca][..], ["401", &hint]),
        (&[&url(""), &ca], ["401", &hint]),
        // The configuration says where it listens, and that it does so over TLS.
        (&[&flag, &ca], ["401", &hint]),
        (&[&url("ann:sesame@")], ["TLS", "--ca-file"]),
        (&["--url=http://ann:sesame@127.0.0.1:10058"], ["https://", "instance"]),
        (&["--url=https://127.0.0.1:9", &ca], ["refused", "weir run"]),
    ] {
        let refused = said(&here, &[&["--once"], arguments].concat());
        let text = String::from_utf8_lossy(&refused.stderr);
        assert_eq!((refused.status.code(), text.lines().count()), (Some(1), 1), "{arguments:?}: {text}");
        assert!(says.iter().all(|says| text.contains(says)), "{says:?} in {text}");
        assert!(!text.contains("sesame"), "{text}");
    }
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
    assert!(String::from_utf8_lossy(&own.stdout).contains("standalone"));

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

//! A capture on the screens of `weir pcap --tui`, in a real terminal.

use std::fs;

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::{
    Place, capture, text,
    tmux::{Tmux, is_there},
    weir,
};

#[test]
fn a_capture_is_browsed_by_domain_flow_and_filter() {
    if !is_there() {
        return;
    }
    let place = Place::new();
    let (named, names) =
        (place.path("named.pcap"), ["a.one.com", "a.two.com", "b.two.com", "\x1b[2Jevil.com"]);
    fs::write(&named, capture::named(&names)).expect("a capture");
    let command = format!("{} pcap --tui {named}", env!("CARGO_BIN_EXE_weir"));
    let tmux = Tmux::start(120, 30, "xterm-16color", &command);
    let screen = tmux.wait_text("b.two.com");
    assert!(screen[0].contains("capture named.pcap"), "{screen:#?}");
    let row = |screen: &[String], text: &str| {
        screen.iter().position(|line| line.contains(text)).unwrap_or_else(|| panic!("{text} in {screen:#?}"))
    };
    assert!(row(&screen, "b.two.com") < row(&screen, "a.one.com"), "most bytes first");
    assert!(screen.iter().any(|line| line.contains("\\x1b[2jevil.com")), "{screen:#?}");
    // What the JSON of the same capture says is what a row says.
    let output = weir(&["pcap", "--json", "--filter", "name a.one.com and port 443", &named]);
    let flow: serde_json::Value = text(&output.stdout)
        .lines()
        .find(|l| l.contains("\"flow\""))
        .map(|l| serde_json::from_str(l).expect("JSON"))
        .expect("a flow");
    let bytes = |way: &str| flow[way]["bytes"].as_u64().expect("bytes");
    let sum = monitor::view::units::bytes((bytes("sent") + bytes("received")) as f64);
    tmux.types("/name a.one.com and port 443");
    tmux.keys(&["Enter"]);
    let screen = tmux.wait_text("1 flow");
    assert!(screen[row(&screen, "a.one.com  ")].contains(&sum), "{sum} in {screen:#?}");
    tmux.keys(&["j", "Enter"]);
    tmux.wait_text("a.one.com (sni)");
    tmux.types("2");
    let screen = tmux.wait_text("two.com");
    assert!(row(&screen, "two.com") < row(&screen, "one.com"), "{screen:#?}");
    for (tab, text) in [("3", "SERVICE"), ("4", "Connection attempts"), ("5", "Responses"), ("6", "WHAT")] {
        tmux.types(tab);
        tmux.wait_text(text);
    }
    tmux.types("q");
    tmux.given_back(0);
}

#[test]
fn a_capture_from_standard_input_leaves_the_keys_to_the_terminal() {
    if !is_there() {
        return;
    }
    let place = Place::new();
    let named = place.path("named.pcap");
    fs::write(&named, capture::named(&["a.one.com", "a.two.com"])).expect("a capture");
    let command = format!("sh -c 'cat {named} | {} pcap --tui -'", env!("CARGO_BIN_EXE_weir"));
    let tmux = Tmux::start(100, 24, "xterm", &command);
    let screen = tmux.wait_text("a.two.com");
    assert!(screen[0].contains("capture standard input"), "{screen:#?}");
    tmux.assert_taken();
    tmux.types("/domain one.com");
    tmux.keys(&["Enter"]);
    tmux.wait_screen("the filter", |s| {
        s.iter().all(|l| !l.contains("a.two.com")) && s.iter().any(|l| l.contains("a.one.com"))
    });
    tmux.types("q");
    tmux.given_back(0);
}

#[test]
fn whatever_ends_the_screens_gives_the_terminal_back() {
    if !is_there() {
        return;
    }
    let place = Place::new();
    let command = format!("{} pcap --tui {}", env!("CARGO_BIN_EXE_weir"), place.capture);
    let screens = || {
        let tmux = Tmux::start(100, 24, "xterm", &command);
        tmux.wait_text("CLIENT");
        tmux.assert_taken();
        tmux
    };
    for key in ["q", "C-c"] {
        let tmux = screens();
        tmux.keys(&[key]);
        tmux.given_back(0);
    }
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGQUIT] {
        let tmux = screens();
        kill(Pid::from_raw(tmux.child().expect("the process")), signal).expect("a signal");
        tmux.given_back(0);
    }
    // One who has no shell to go on with does not stop; one who is stopped takes the terminal again.
    let tmux = screens();
    tmux.keys(&["C-z"]);
    tmux.types("2");
    tmux.wait_text("SHARE");
    tmux.assert_taken();
    let process = Pid::from_raw(tmux.child().expect("the process"));
    kill(process, Signal::SIGTSTP).expect("a signal");
    tmux.types("3");
    tmux.wait_text("SERVICE");
    tmux.types("2");
    tmux.wait_text("SHARE");
    tmux.assert_taken();
    kill(process, Signal::SIGSTOP).expect("a signal");
    tmux.leave();
    assert!(tmux.modes().is_empty());
    kill(process, Signal::SIGCONT).expect("a signal");
    tmux.wait_text("SHARE");
    tmux.assert_taken();
    tmux.types("q");
    tmux.given_back(0);
}

#[test]
fn without_a_terminal_there_are_no_screens() {
    let place = Place::new();
    let output = weir(&["pcap", "--tui", &place.capture]);
    let said = text(&output.stderr);
    assert!(!output.status.success() && said.lines().count() == 1 && said.contains("no terminal"), "{said}");
}

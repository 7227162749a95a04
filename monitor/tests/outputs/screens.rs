//! A capture on the screens of `weir pcap --tui`, in a real terminal.

use std::{
    fs,
    time::{Duration, Instant},
};

use crate::{Place, capture, program, text, tmux::Tmux, weir};

/// How long something may take on a busy machine.
const DEADLINE: Duration = Duration::from_mins(1);

#[expect(clippy::disallowed_methods, reason = "the deadline of a test")]
fn wait_text(tmux: &Tmux, text: &str) -> Vec<String> {
    let begin = Instant::now();
    loop {
        let screen = tmux.screen();
        if screen.iter().any(|line| line.contains(text)) {
            return screen;
        }
        assert!(begin.elapsed() < DEADLINE, "{text} in {screen:#?}");
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

#[test]
fn a_capture_is_browsed_by_domain_flow_and_filter() {
    if !program("tmux") {
        eprintln!("not run: tmux is not installed; `cargo xtask test` brings it");
        return;
    }
    let place = Place::new();
    let (named, names) =
        (place.path("named.pcap"), ["a.one.com", "a.two.com", "b.two.com", "\x1b[2Jevil.com"]);
    fs::write(&named, capture::named(&names)).expect("a capture");
    let command = format!("{} pcap --tui {named}", env!("CARGO_BIN_EXE_weir"));
    let tmux = Tmux::start(120, 30, "xterm-16color", &command);
    let screen = wait_text(&tmux, "b.two.com");
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
    let screen = wait_text(&tmux, "1 flow");
    assert!(screen[row(&screen, "a.one.com  ")].contains(&sum), "{sum} in {screen:#?}");
    tmux.keys(&["j", "Enter"]);
    wait_text(&tmux, "a.one.com, by sni");
    tmux.types("2");
    let screen = wait_text(&tmux, "two.com");
    assert!(row(&screen, "two.com") < row(&screen, "one.com"), "{screen:#?}");
    for (tab, text) in [("3", "SERVICE"), ("4", "Attempts"), ("5", "Responses"), ("6", "WHAT")] {
        tmux.types(tab);
        wait_text(&tmux, text);
    }
    tmux.types("q");
    wait_text(&tmux, "ended 0");
}

#[test]
fn without_a_terminal_there_are_no_screens() {
    let place = Place::new();
    let output = weir(&["pcap", "--tui", &place.capture]);
    let said = text(&output.stderr);
    assert!(!output.status.success() && said.lines().count() == 1 && said.contains("no terminal"), "{said}");
}

//! The terminal after a panic. The screens of these tests run in tmux: this program, started again with the test that
//! panics alone.

use super::*;
use crate::view::top::{Tab, Viewed};
use monitor_core::live::Window;
use testing::tmux::{Tmux, is_there};

/// Set in the terminal, where the test that is started again is to do what it is there for.
const VARIABLE: &str = "WEIR_TEST_PANICS";

fn in_a_terminal(test: &str) -> Tmux {
    let program = std::env::current_exe().expect("this program");
    let test = format!("command::top::screen::tests::{test}");
    let options = "--ignored --exact --nocapture --test-threads=1";
    // A backtrace would push what stood there before off the screen.
    let variables = format!("{VARIABLE}=1 RUST_BACKTRACE=0");
    Tmux::start(120, 30, "xterm", &format!("{variables} {} {options} {test}", program.display()))
}

/// Whether this is the program that was started again.
fn is_in_a_terminal() -> bool {
    std::env::var_os(VARIABLE).is_some()
}

#[test]
#[ignore = "panics on purpose; started by the test below in a terminal"]
fn feed() {
    if !is_in_a_terminal() {
        return;
    }
    let top = Top::new(Viewed::Own, Tab::Flows, String::new(), Window::default());
    let feed = |mut questions: watch::Receiver<Question>, _: Sender<Input>| {
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        drop(runtime.block_on(questions.changed()));
        panic!("the feed has panicked")
    };
    eprintln!("{}", run(top, false, feed).expect_err("an error"));
}

#[test]
#[ignore = "panics on purpose; started by the test below in a terminal"]
fn screen() {
    if is_in_a_terminal() {
        let _taken = Taken::new().expect("a terminal");
        event::read().expect("a key");
        panic!("the screen has panicked");
    }
}

#[test]
fn a_panic_of_any_thread_gives_the_terminal_back_and_is_read_there() {
    if !is_there() {
        return;
    }
    for (test, code, said) in [
        ("feed", 0, &["the feed has panicked", "ended unexpectedly; please report this"][..]),
        ("screen", 101, &["the screen has panicked"]),
    ] {
        let tmux = in_a_terminal(test);
        tmux.assert_taken();
        // Another window is another question.
        tmux.types("w");
        let screen = tmux.given_back(code).join("\n");
        assert!(said.iter().all(|said| screen.contains(said)), "{screen}");
    }
}

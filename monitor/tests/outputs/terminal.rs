//! What stands on a terminal, and only there: width, colours, the progress bar.

use std::{
    fs::File,
    io::{Read as _, Write as _},
    os::fd::OwnedFd,
    process::{Child, Command, Stdio},
    time::Duration,
};

use nix::pty::{OpenptyResult, Winsize, openpty};
use testing::wait::{is_readable, wait_for};

use crate::{Place, capture};

/// A terminal of this many columns: our end, and the end for a program.
fn terminal(columns: u16) -> (File, OwnedFd) {
    let size = Winsize { ws_row: 24, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    let OpenptyResult { master, slave } = openpty(&size, None).unwrap();
    (File::from(master), slave)
}

fn weir(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
    command.args(arguments).env_remove("NO_COLOR").env_remove("COLUMNS").env("TERM", "xterm");
    command
}

/// What a program says on the terminal until it ends. Its end of the terminal must be closed here.
fn said(mut ours: &File, child: &mut Child) -> String {
    let mut bytes = Vec::new();
    // The last holder of the other end is gone: the kernel says EIO.
    drop(ours.read_to_end(&mut bytes));
    assert!(child.wait().unwrap().success(), "{}", String::from_utf8_lossy(&bytes));
    String::from_utf8(bytes).unwrap()
}

/// The text of a line, without what gives it colours.
fn plain(line: &str) -> String {
    let mut parts = line.split("\x1b[");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + part.split_once('m').map_or("", |(_, rest)| rest))
}

fn report(columns: u16, colour: bool) -> String {
    let place = Place::new();
    let (ours, theirs) = terminal(columns);
    let mut command = weir(&["pcap", &place.capture]);
    if !colour {
        command.env("NO_COLOR", "1");
    }
    let mut child = command.stdin(Stdio::null()).stdout(theirs).spawn().unwrap();
    // The command holds the program's end too.
    drop(command);
    said(&ours, &mut child)
}

#[test]
fn the_report_is_as_wide_as_the_terminal_and_coloured_unless_told() {
    let mut widest = Vec::new();
    for columns in [50, 70, 110] {
        let text = report(columns, true);
        assert!(text.contains("\x1b["), "{text}");
        let widths = text.lines().map(|line| plain(line).chars().count());
        let most = widths.max().unwrap();
        assert!(most <= usize::from(columns), "{most} of {columns}: {text}");
        widest.push(most);
    }
    assert!(widest[0] < widest[1] && widest[1] < widest[2], "{widest:?}");
    assert!(!report(100, false).contains('\x1b'));
}

/// What stands on the terminal of a program that reads a small file.
fn bar_over_little() -> String {
    let place = Place::new();
    let (ours, theirs) = terminal(80);
    let mut command = weir(&["pcap", "--json", &place.capture]);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(theirs).spawn().unwrap();
    drop(command);
    said(&ours, &mut child)
}

#[test]
fn a_bar_shows_how_far_it_is_when_it_takes_long_and_not_when_it_does_not() {
    let capture = capture::capture();
    let (header, packets) = capture.split_at(24);
    // A busy machine may take its time.
    wait_for("what is done at once to need no bar", || bar_over_little().is_empty().then_some(()));

    let (ours, theirs) = terminal(80);
    let mut command = weir(&["pcap", "--json", "-"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(theirs).spawn().unwrap();
    drop(command);
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(header).unwrap();
    let chunk = packets.repeat((1 << 20) / packets.len() + 1);
    wait_for("a bar", || {
        stdin.write_all(&chunk).unwrap();
        is_readable(&ours, Duration::from_millis(20)).then_some(())
    });
    drop(stdin);
    let bar = said(&ours, &mut child);
    assert!(bar.contains(" MB, ") && bar.contains("/s"), "{bar:?}");
}

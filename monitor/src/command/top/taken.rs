//! The terminal: taken, and given back whatever ends this process or stops it.

use std::{
    io::{self, Stdout, Write as _, stdout},
    panic,
    sync::{
        Once,
        atomic::{AtomicBool, Ordering},
    },
};

use ratatui::{
    Frame, Terminal,
    crossterm::{
        cursor::{Hide, Show},
        event::{DisableBracketedPaste, EnableBracketedPaste},
        execute,
        style::Print,
        terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode},
    },
};
use rustix::process::{Signal, kill_current_process_group};

use super::{backend::Sgr, signals};

/// Buttons and wheel as SGR sequences, without the motion that nobody needs.
const MOUSE_ON: &str = "\x1b[?1000h\x1b[?1006h";
const MOUSE_OFF: &str = "\x1b[?1006l\x1b[?1000l";

/// A process has one terminal. To leave a screen that was left would take the cursor back over what was said since.
static TAKEN: AtomicBool = AtomicBool::new(false);
static HOOK: Once = Once::new();

/// The terminal as screens need it; as it was before when dropped.
pub(super) struct Taken(Terminal<Sgr<Stdout>>);

impl Taken {
    pub(super) fn new() -> io::Result<Self> {
        HOOK.call_once(|| {
            let before = panic::take_hook();
            panic::set_hook(Box::new(move |info| {
                // What a panic says is for the terminal that was there before.
                give_back();
                before(info);
            }));
        });
        let terminal = Terminal::new(Sgr::new(stdout()))?;
        // From here on a drop gives it back, whatever fails.
        let taken = Self(terminal);
        take()?;
        Ok(taken)
    }

    /// Draws, unless a panic elsewhere has given the terminal back.
    pub(super) fn draw(&mut self, draw: impl FnOnce(&mut Frame<'_>)) -> io::Result<()> {
        if TAKEN.load(Ordering::SeqCst) {
            self.0.draw(draw)?;
        }
        Ok(())
    }

    /// Writes the whole screen anew with the next picture.
    pub(super) fn clear(&mut self) -> io::Result<()> {
        self.0.clear()
    }

    /// Tells this job to stop as Ctrl-Z does elsewhere: this process too is told by a signal.
    pub(super) fn suspend() -> io::Result<()> {
        give_back();
        Ok(kill_current_process_group(Signal::TSTP)?)
    }

    /// Stops; goes on when the shell says so.
    pub(super) fn stop(&mut self) -> io::Result<()> {
        give_back();
        signals::stop()?;
        self.again()
    }

    /// Takes it once more: while this process stood still, others have had it.
    pub(super) fn again(&mut self) -> io::Result<()> {
        give_back();
        take()?;
        self.0.clear()
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        give_back();
    }
}

fn take() -> io::Result<()> {
    enable_raw_mode()?;
    TAKEN.store(true, Ordering::SeqCst);
    execute!(stdout(), EnterAlternateScreen, EnableBracketedPaste, Print(MOUSE_ON), Hide)
}

/// Once, from whatever thread.
fn give_back() {
    if TAKEN.swap(false, Ordering::SeqCst) {
        // Where the terminal is gone there is nothing to give back.
        drop(execute!(stdout(), Print(MOUSE_OFF), DisableBracketedPaste, LeaveAlternateScreen, Show));
        drop(disable_raw_mode());
        drop(stdout().flush());
    }
}

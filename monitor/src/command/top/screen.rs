//! The terminal: taken, drawn on, given back.

use std::{
    io::{self, Stdout, Write as _, stdout},
    panic,
    sync::mpsc::{Receiver, Sender, channel},
    thread,
};

use ratatui::{
    Terminal,
    crossterm::{
        cursor::{Hide, Show},
        event::{self, DisableBracketedPaste, EnableBracketedPaste, Event},
        execute,
        style::Print,
        terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode},
    },
};
use tokio::sync::watch;

use super::backend::Sgr;
use crate::{
    command::CommandError,
    terminal,
    view::top::{News, Outcome, Question, Theme, Top, draw},
};

/// Buttons and wheel as SGR sequences, without the motion that nobody needs.
const MOUSE_ON: &str = "\x1b[?1000h\x1b[?1006h";
const MOUSE_OFF: &str = "\x1b[?1006l\x1b[?1000l";

/// What comes to the screen.
pub(in super::super) enum Input {
    /// Keys, mouse, another size.
    Terminal(Event),
    /// Another picture.
    News(News),
    /// It is to end.
    End,
}

/// Ends the screens when it is dropped, also by a panic.
struct End(Sender<Input>);

impl Drop for End {
    fn drop(&mut self) {
        // An error means that they have ended already.
        drop(self.0.send(Input::End));
    }
}

/// The terminal as screens need it; as it was before when dropped.
struct Taken(Terminal<Sgr<Stdout>>);

impl Taken {
    fn new() -> io::Result<Self> {
        enable_raw_mode()?;
        // From here on a drop gives it back, whatever fails.
        let taken = Self(Terminal::new(Sgr::new(stdout()))?);
        execute!(stdout(), EnterAlternateScreen, EnableBracketedPaste, Print(MOUSE_ON), Hide)?;
        Ok(taken)
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        give_back();
    }
}

fn give_back() {
    // Where the terminal is gone there is nothing to give back.
    drop(execute!(stdout(), Print(MOUSE_OFF), DisableBracketedPaste, LeaveAlternateScreen, Show));
    drop(disable_raw_mode());
    drop(stdout().flush());
}

/// Shows the screens until they end. `feed` runs on a thread of its own: it is told what is wanted and sends what
/// it has; it ends when nobody asks or takes any more.
pub(in super::super) fn run(
    top: Top,
    plain: bool,
    feed: impl FnOnce(watch::Receiver<Question>, Sender<Input>) + Send + 'static,
) -> Result<(), CommandError> {
    let theme = if terminal::shows_colours(plain) { Theme::Colours } else { Theme::Plain };
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        // What a panic says is for the terminal that was there before.
        give_back();
        before(info);
    }));
    let (to, inputs) = channel();
    let (ask, questions) = watch::channel(top.question());
    let taken = Taken::new().map_err(CommandError::Terminal)?;
    let news = to.clone();
    let end = End(to.clone());
    let feeding = thread::Builder::new().name("feed".to_owned()).spawn(move || {
        let _end = end;
        feed(questions, news);
    })?;
    // It waits for keys when all else has ended, and goes with the process.
    thread::Builder::new().name("keys".to_owned()).spawn(move || keys(&to))?;
    let shown = show(taken, top, theme, &inputs, &ask);
    // Nobody asks and nobody takes any more.
    drop((ask, inputs));
    drop(feeding.join());
    shown.map_err(CommandError::Terminal)
}

fn keys(to: &Sender<Input>) {
    while let Ok(event) = event::read() {
        if to.send(Input::Terminal(event)).is_err() {
            return;
        }
    }
    drop(to.send(Input::End));
}

fn show(
    mut taken: Taken,
    mut top: Top,
    theme: Theme,
    inputs: &Receiver<Input>,
    ask: &watch::Sender<Question>,
) -> io::Result<()> {
    loop {
        taken.0.draw(|frame| {
            if let Some(cursor) = draw(&mut top, frame.buffer_mut(), theme) {
                frame.set_cursor_position(cursor);
            }
        })?;
        ask.send_if_modified(|question| {
            let next = top.question();
            let other = *question != next;
            *question = next;
            other
        });
        // Nobody is left to say anything: so it ends.
        let Ok(first) = inputs.recv() else { return Ok(()) };
        for input in std::iter::once(first).chain(inputs.try_iter()) {
            let outcome = match input {
                Input::End => Outcome::Quit,
                Input::News(news) => {
                    top.news(news);
                    Outcome::Stay
                }
                Input::Terminal(Event::Key(key)) => top.key(key),
                Input::Terminal(Event::Paste(text)) => {
                    top.paste(&text);
                    Outcome::Stay
                }
                Input::Terminal(Event::Mouse(event)) => {
                    top.mouse(event);
                    Outcome::Stay
                }
                Input::Terminal(_) => Outcome::Stay,
            };
            match outcome {
                Outcome::Quit => return Ok(()),
                Outcome::Redraw => taken.0.clear()?,
                Outcome::Stay => {}
            }
        }
    }
}

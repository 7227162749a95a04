//! What comes to the screens, and how they end.

use std::{
    io,
    sync::mpsc::{Receiver, Sender, channel},
    thread,
};

use ratatui::crossterm::event::{self, Event};
use tokio::sync::watch;

use super::{signals, taken::Taken};
use crate::{
    command::CommandError,
    terminal,
    view::top::{News, Outcome, Question, Theme, Top, draw},
};

/// What comes to the screen.
pub(in super::super) enum Input {
    /// Keys, mouse, another size.
    Terminal(Event),
    /// Another picture.
    News(News),
    /// It is to stand still.
    Stop,
    /// The process stood still, and goes on.
    Continued,
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

/// Shows the screens until they end. `feed` runs on a thread of its own: it is told what is wanted and sends what
/// it has; it ends when nobody asks or takes any more, or says why it cannot go on.
pub(in super::super) fn run(
    top: Top,
    plain: bool,
    feed: impl FnOnce(watch::Receiver<Question>, Sender<Input>) -> Result<(), CommandError> + Send + 'static,
) -> Result<(), CommandError> {
    let theme = if terminal::shows_colours(plain) { Theme::Colours } else { Theme::Plain };
    let (to, inputs) = channel();
    let (ask, questions) = watch::channel(top.question());
    signals::listen(to.clone())?;
    let taken = Taken::new().map_err(CommandError::Terminal)?;
    let news = to.clone();
    let end = End(to.clone());
    let feeding = thread::Builder::new().name("feed".to_owned()).spawn(move || {
        let _end = end;
        feed(questions, news)
    })?;
    // It waits for keys when all else has ended, and goes with the process.
    thread::Builder::new().name("keys".to_owned()).spawn(move || keys(&to))?;
    let shown = show(taken, top, theme, &inputs, &ask);
    // Nobody asks and nobody takes any more.
    drop((ask, inputs));
    let fed = feeding.join().unwrap_or(Err(CommandError::FeedEnded));
    shown.map_err(CommandError::Terminal).and(fed)
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
        taken.draw(|frame| {
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
                Input::Stop => {
                    taken.stop()?;
                    Outcome::Stay
                }
                Input::Continued => {
                    taken.again()?;
                    Outcome::Stay
                }
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
                Outcome::Redraw => taken.clear()?,
                Outcome::Suspend => Taken::suspend()?,
                Outcome::Stay => {}
            }
        }
    }
}

#[cfg(test)]
mod tests;

//! `weir top` and `weir pcap --tui`: what is on the screen, and what keys and mouse do to it.
//!
//! No input and no output: what is known comes in as [`News`], keys and mouse as events, and out goes a screen as
//! cells, and a [`Question`] of what is wanted next. Times come with what is told, so that all of it can be
//! tested without waiting.

mod asked;
mod capture;
mod draw;
mod grid;
mod keys;
mod model;
mod mouse;
mod open;
mod paint;
mod plain;
mod prompt;
mod tab;
#[cfg(test)]
mod tests;
mod trend;

pub use asked::{Details, Live, News, Question, Viewed};
pub use capture::Browsed;
pub use draw::draw;
pub use keys::Outcome;
pub use model::Top;
pub use paint::Theme;
pub use plain::plain;
pub use tab::Tab;

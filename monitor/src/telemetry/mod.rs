//! What Weir says of itself: one event is one line of the log and one count.

mod event;
mod feed;
mod log;
mod pace;
mod peer;

pub use event::{Event, Events};
pub use feed::{Feed, Happening, Severity};
pub use log::{Log, LogError};
pub use peer::Peer;

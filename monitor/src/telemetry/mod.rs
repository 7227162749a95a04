//! What Weir says of itself: one event is one line of the log and one count; and what it measures of itself.

mod event;
mod feed;
mod kernel;
mod log;
mod own;
mod pace;
mod peer;

pub use event::{Event, Events};
pub use feed::{Feed, Happening, Severity};
pub use kernel::{KernelStatus, MapUse, ProgramRuns};
pub use log::{Log, LogError};
pub use own::Own;
pub use peer::Peer;

//! Over how long sums go back.

use serde::{Deserialize, Serialize};

/// How far the sums of a snapshot go back. Written as its seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub enum Window {
    /// A minute.
    Minute,
    /// Five minutes.
    #[default]
    FiveMinutes,
    /// An hour.
    Hour,
}

impl Window {
    /// All, the shortest first.
    pub const ALL: [Self; 3] = [Self::Minute, Self::FiveMinutes, Self::Hour];

    /// Its length, seconds.
    pub const fn seconds(self) -> u64 {
        match self {
            Self::Minute => 60,
            Self::FiveMinutes => 300,
            Self::Hour => 3600,
        }
    }
}

/// A number of seconds that is no [`Window`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoWindow(pub u64);

impl std::fmt::Display for NoWindow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "no window of {} seconds; give 60, 300 or 3600", self.0)
    }
}

impl std::error::Error for NoWindow {}

impl TryFrom<u64> for Window {
    type Error = NoWindow;

    fn try_from(seconds: u64) -> Result<Self, NoWindow> {
        Self::ALL.into_iter().find(|window| window.seconds() == seconds).ok_or(NoWindow(seconds))
    }
}

impl From<Window> for u64 {
    fn from(window: Window) -> Self {
        window.seconds()
    }
}

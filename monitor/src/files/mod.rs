//! Files in directories that nobody else can turn against this process.
//!
//! A directory is opened once, link by link, and refused if others may change what its names mean. From then on
//! files are made, found, renamed and removed relative to it: what becomes of the path above it no longer matters.
//! A new file is new (`O_EXCL`), no link is followed at its name, and only its owner may read it.

mod directory;
mod order;
mod walk;

pub use directory::{Directory, Made, device};
pub use order::Status;

/// Why a file or directory is not used, although the system would allow it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A link at a name that is to be a file.
    #[error("it is a symbolic link, which is not followed")]
    Link,
    /// A file with several names: the others may be anybody's.
    #[error("it has other names (hard links)")]
    Names,
    /// A file of another user, where others may make files.
    #[error("it belongs to another user (uid {0})")]
    Owner(u32),
    /// Another process writes it.
    #[error("another process writes it")]
    Busy,
    /// A directory, or whatever else takes no records.
    #[error("it is neither a file nor a device")]
    Kind,
    /// A directory whose owner can exchange what lies in it.
    #[error("this directory belongs to another user (uid {0})")]
    DirectoryOwner(u32),
    /// A directory in which others can exchange what lies in it.
    #[error("other users may write to this directory (mode {0:04o})")]
    DirectoryMode(u32),
    /// A link on the way to a directory that others may have made.
    #[error("a symbolic link on the way to it can be changed by other users")]
    Way,
    /// More links than the kernel follows.
    #[error("too many symbolic links on the way to it")]
    Links,
}

impl From<Refusal> for std::io::Error {
    fn from(refusal: Refusal) -> Self {
        Self::new(std::io::ErrorKind::PermissionDenied, refusal)
    }
}

impl Refusal {
    /// What refused, if it was not the system.
    pub fn of(error: &std::io::Error) -> Option<Self> {
        error.get_ref().and_then(|inner| inner.downcast_ref::<Self>()).copied()
    }

    /// What to do about it.
    pub const fn remedy(self) -> &'static str {
        match self {
            Self::Link | Self::Names | Self::Owner(_) => {
                "remove it if it is not wanted, or choose another place"
            }
            Self::Busy => "stop that process, or choose another place",
            Self::Kind => "choose another name",
            Self::DirectoryOwner(_) | Self::Way | Self::Links => "choose a directory of your own",
            Self::DirectoryMode(_) => {
                "choose a directory of your own, or take the right from others (chmod go-w)"
            }
        }
    }
}

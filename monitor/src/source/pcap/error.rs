//! How a capture can be unreadable.

use std::io;

/// What is wrong at one place of a file.
#[derive(Debug, thiserror::Error)]
pub enum Damage {
    /// The system could not read on, or decompression failed.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// Not one byte.
    #[error("it is empty")]
    Empty,
    /// Unknown first bytes.
    #[error("the file is neither pcap nor pcapng")]
    NoCapture,
    /// A major version other than 2.
    #[error("pcap version {0}.{1} is not known")]
    Version(u16, u16),
    /// Sections of pcapng of a version other than 1.0.
    #[error("sections of pcapng that are skipped: {0}, of version {1}.{2}; only 1.0 is known")]
    Sections(u64, u16, u16),
    /// More interfaces than are remembered.
    #[error("the file describes more than {0} interfaces")]
    Interfaces(usize),
    /// The end comes too early.
    #[error("the file ends within a record")]
    Cut,
    /// Longer than any packet.
    #[error("a record claims {0} bytes")]
    Length(u64),
    /// pcapng repeats the length of a block at its end.
    #[error("a block's two lengths differ: {0} and {1}")]
    Lengths(u32, u32),
    /// pcapng begins a section with a number that shows the order of bytes.
    #[error("a section without byte order")]
    ByteOrder,
    /// pcapng describes interfaces before their packets.
    #[error("a packet of interface {0}, which the file does not describe")]
    Interface(u32),
    /// Fields that reach beyond their block.
    #[error("a block is shorter than its own fields")]
    Short,
}

/// Why a capture gives no packets, or no more.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// The file cannot be opened.
    #[error("open {name}: {source}")]
    Open {
        /// The file.
        name: String,
        /// What the system said.
        source: io::Error,
    },
    /// It is no capture, or of a version that is not known.
    #[error("{name}: {reason}; give a file that tcpdump or Wireshark wrote")]
    Refused {
        /// The file.
        name: String,
        /// What is wrong with it.
        #[source]
        reason: Damage,
    },
    /// Parts of it are of a version that is not known; all else was given.
    #[error("{name}: {reason}")]
    Skipped {
        /// The file.
        name: String,
        /// What was left out.
        #[source]
        reason: Damage,
    },
    /// It is damaged: what stands before was given.
    #[error("{name}: {reason} at offset {offset}, after packet {packets}; what stands before is counted")]
    Damaged {
        /// The file.
        name: String,
        /// Offset in the (decompressed) file of the record that is damaged.
        offset: u64,
        /// Packets before it.
        packets: u64,
        /// What is wrong there.
        #[source]
        reason: Damage,
    },
}

impl CaptureError {
    pub(super) fn refused(name: String, reason: Damage) -> Self {
        Self::Refused { name, reason }
    }

    pub(super) fn damaged(name: String, offset: u64, packets: u64, reason: Damage) -> Self {
        match reason {
            Damage::Sections(..) => Self::Skipped { name, reason },
            _ => Self::Damaged { name, offset, packets, reason },
        }
    }

    /// Whether there is no such file.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Open { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }

    /// Whether a file ended before its end: it is cut or damaged.
    pub const fn is_truncation(&self) -> bool {
        matches!(self, Self::Damaged { .. })
    }
}

//! QUIC: the hello in its Initial packets, which anyone on the way can read (RFC 9001, 5.2).
//!
//! [`Initials`] takes the datagrams of both sides and puts CRYPTO frames together, in whatever order,
//! packets and datagrams they come. Versions 1 and 2 (RFC 9369), drafts 22 to 34, and what Google and
//! Facebook ran before them; of Google's own handshake (Q043 to Q050) the name.
//!
//! The cryptography is `RustCrypto`'s: Rust alone, so that this crate stays without C and assembly, and
//! with the instructions of the processor it is no slower here than ring (measured for one Initial of
//! 1,200 bytes, keys included: 2.1 µs against 2.4 µs).

mod frames;
mod google;
mod header;
mod initials;
mod keys;
mod version;

pub use google::server_name as google_server_name;
pub use header::{Long, LongKind, is_long};
pub use initials::{ConnectionId, Failure, Initials, Read, begins};
#[cfg(any(test, feature = "fuzzing"))]
pub use keys::seal;
pub use keys::{Keys, Sealed};
pub use version::{Suite, suite, version_name};

#[cfg(test)]
pub(crate) mod tests;

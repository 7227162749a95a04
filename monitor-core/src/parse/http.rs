//! Requests and responses of HTTP/1.x (RFC 9112) in a TCP stream.
//!
//! Header fields are read line by line as they come, so that at most one line of a stream is held; bodies
//! are skipped by their length, over holes too. A stream that is no HTTP, or that lost its way, is looked
//! at again only where a segment begins. What a body holds is never looked at.
//!
//! Nothing is believed of who is the client: whoever sends a request is the one who asks.
//!
//! Why not a library: httparse reads a header that is whole in one buffer, which means to hold it, to read
//! it again from its first byte with each segment, and to choose a number of fields beyond which nothing
//! is known. Bodies, pairs of messages and holes would be ours all the same.

mod connection;
mod half;
mod line;
mod start;
#[cfg(test)]
mod tests;
mod value;

pub use connection::{Connection, Handover, Message, Tunnel};
pub use start::{Begin, Dialect, begins, known_method};
pub use value::{http_scheme, without_port};

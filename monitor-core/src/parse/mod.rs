//! What other people's bytes say: one parser a protocol, each pure and alone.
//!
//! All that is read here was written by somebody else, perhaps to do harm: every parser works within
//! bounds of memory and time that do not depend on what it reads, and says by a typed error why it
//! could not.

pub mod dns;
pub mod http;
pub mod http2;
pub mod proxy;
pub mod quic;
pub mod tls;

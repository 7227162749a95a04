//! One module a kind of bytes.

pub(crate) mod continued;
pub(crate) mod detection;
pub(crate) mod dns;
pub(crate) mod host;
pub(crate) mod http;
pub(crate) mod pcap;
pub(crate) mod peers;
pub(crate) mod quic;
pub(crate) mod reassembly;
pub(crate) mod request;
pub(crate) mod session;
pub(crate) mod stream;
pub(crate) mod text;
pub(crate) mod tls;
pub(crate) mod wire;

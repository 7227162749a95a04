//! Who asks: what is bounded is shared among clients, so that one with a thousand connections gets no more of it
//! than one with a single connection.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use super::places::Work;

/// Somebody with a share of their own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Client {
    /// A user who showed the right password, wherever from.
    User(String),
    /// All who come from an address; of IPv6 from a network of 64 bits, since each of its hosts may have all of it.
    Address(IpAddr),
    /// A user of this host, at a unix socket.
    Local(u32),
}

impl Client {
    /// Whoever comes from an address.
    pub(super) fn at(address: IpAddr) -> Self {
        Self::Address(match address.to_canonical() {
            IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64).into(),
            ip @ IpAddr::V4(_) => ip,
        })
    }
}

/// Who asks, and what.
#[derive(Clone, Debug)]
pub(super) struct Asker {
    pub(super) client: Client,
    pub(super) work: Arc<Work>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_of_ipv6_is_one_client_and_a_mapped_address_is_that_of_ipv4() {
        let at = |text: &str| Client::at(text.parse().unwrap());
        assert_eq!(at("2001:db8::1"), at("2001:db8::ffff:ffff:0:1"));
        assert_ne!(at("2001:db8::1"), at("2001:db8:0:1::1"));
        assert_eq!(at("::ffff:192.0.2.1"), at("192.0.2.1"));
        assert_ne!(at("192.0.2.1"), at("192.0.2.2"));
    }
}

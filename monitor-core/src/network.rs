//! Networks: addresses with a common prefix.

use std::fmt;
use std::net::IpAddr;

/// Addresses with a common prefix; one address is a network too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    /// The network that an address lies in; bits after the prefix are dropped. `None`: the prefix is
    /// longer than the address.
    pub fn new(address: IpAddr, prefix: u8) -> Option<Self> {
        (prefix <= bits(address)).then(|| Self { address: masked(address, prefix), prefix })
    }

    /// Reads an address with or without `/prefix`.
    pub fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address.parse().ok()?, Some(prefix)),
            None => (text.parse::<IpAddr>().ok()?, None),
        };
        match prefix {
            None => {
                let address = address.to_canonical();
                Self::new(address, bits(address))
            }
            Some(prefix) if prefix.len() <= 3 && prefix.bytes().all(|b| b.is_ascii_digit()) => {
                Self::new(address, prefix.parse().ok()?)
            }
            Some(_) => None,
        }
    }

    /// Whether an address lies in it.
    pub fn contains(&self, address: IpAddr) -> bool {
        address.is_ipv4() == self.address.is_ipv4() && masked(address, self.prefix) == self.address
    }
}

/// As a test: `host ADDRESS` or `net ADDRESS/PREFIX`.
impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.prefix == bits(self.address) {
            // An IPv4-mapped address with its full prefix would be read back as IPv4 without it.
            match self.address {
                IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some() => write!(f, "net {v6}/128"),
                address => write!(f, "host {address}"),
            }
        } else {
            write!(f, "net {}/{}", self.address, self.prefix)
        }
    }
}

const fn bits(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn masked(address: IpAddr, prefix: u8) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
            IpAddr::V4((u32::from(v4) & mask).into())
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
            IpAddr::V6((u128::from(v6) & mask).into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_contain_what_shares_their_prefix() {
        let net = |text| Network::parse(text).unwrap();
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        assert!(net("10.0.0.0/8").contains(ip("10.255.1.2")) && !net("10.0.0.0/8").contains(ip("11.0.0.0")));
        assert_eq!(net("10.1.2.3/8"), net("10.0.0.0/8"));
        assert!(net("0.0.0.0/0").contains(ip("255.255.255.255")) && !net("0.0.0.0/0").contains(ip("::")));
        assert!(net("::/0").contains(ip("2001:db8::1")) && !net("::/0").contains(ip("1.2.3.4")));
        assert!(net("fe80::/10").contains(ip("febf::1")) && !net("fe80::/10").contains(ip("fec0::1")));
        assert!(net("::ffff:1.2.3.4").contains(ip("1.2.3.4")));
        for text in
            ["", "10", "10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0.0/+8", "10.0.0.0/8/8", "/8", "host"]
        {
            assert_eq!(Network::parse(text), None, "{text}");
        }
    }
}

//! Addresses that this host translates: the kernel's table of connections by netlink, and what changes in it
//! (`include/uapi/linux/netfilter/nfnetlink_conntrack.h`, `net/netfilter/nf_conntrack_netlink.c`).
//!
//! The kernel tells of a connection before its first packet goes on, so what is heard after flows were read has all
//! whose translated packets were seen.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::time::Duration;

use monitor_core::host::{Translating, Translation};
use rustix::io::Errno;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::sockopt::{Timeout, set_socket_recv_buffer_size_force, set_socket_timeout};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, bind, netlink, recv, send, socket_with,
};

use super::HostError;
use super::netlink::{attributes, next_message, u16_at, u32_at};
use crate::clock::Stopwatch;

/// `NFNL_SUBSYS_CTNETLINK` and its messages.
const CT_NEW: u16 = 0x100;
const CT_GET: u16 = 0x101;
const CT_DELETE: u16 = 0x102;
/// `NFNLGRP_CONNTRACK_NEW` and `NFNLGRP_CONNTRACK_DESTROY`, as bits.
const GROUPS: u32 = 0x1 | 0x4;
const NLM_F_REQUEST_DUMP: u16 = 0x301;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
/// `IPS_SRC_NAT` and `IPS_DST_NAT`.
const TRANSLATED: u32 = 0x10 | 0x20;
/// Attributes: `CTA_TUPLE_ORIG`, `CTA_TUPLE_REPLY`, `CTA_STATUS`.
const ORIGINAL: u16 = 1;
const REPLY: u16 = 2;
const STATUS: u16 = 3;
/// Protocols whose packets have ports, so that two connections are not taken for one.
const WITH_PORTS: [u8; 3] = [6, 17, 132];

/// Room for news between two drains.
const ROOM: usize = 8 * 1024 * 1024;
const BUFFER: usize = 64 * 1024;
/// Messages that are heard at once at most: a flood of connections is not to hold the drain up.
const AT_ONCE: usize = 65_536;
/// After news were lost the table is read again, at most this often.
const AGAIN: Duration = Duration::from_secs(30);
/// For an answer of the kernel, which gives it at once.
const PATIENCE: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Debug)]
pub struct Conntrack {
    news: OwnedFd,
    table: OwnedFd,
    read: Option<Stopwatch>,
    /// News were lost, and the table is to be read again.
    lost: bool,
    buffer: Vec<u8>,
}

impl Conntrack {
    /// Subscribes to connections of this network namespace.
    ///
    /// # Errors
    /// The kernel has no table of connections, or does not show it: `CAP_NET_ADMIN` is missing.
    pub fn open() -> Result<Self, HostError> {
        let error = |source: Errno| HostError {
            operation: "following translated connections",
            source: source.into(),
        };
        let opened = || {
            let news = opened(GROUPS, SocketFlags::NONBLOCK)?;
            // Whoever may follow connections may have this room, whatever the limit is.
            let _ = set_socket_recv_buffer_size_force(&news, ROOM);
            let table = opened(0, SocketFlags::empty())?;
            set_socket_timeout(&table, Timeout::Recv, Some(PATIENCE))?;
            Ok(Self { news, table, read: None, lost: true, buffer: vec![0; BUFFER] })
        };
        opened().map_err(error)
    }

    /// What changed since the last call.
    pub fn hear(&mut self, mut take: impl FnMut(&Translating)) {
        let mut buffer = std::mem::take(&mut self.buffer);
        for _ in 0..AT_ONCE {
            match recv(&self.news, buffer.as_mut_slice(), RecvFlags::empty()) {
                Ok((received, _)) => each(buffer.get(..received).unwrap_or_default(), &mut take),
                Err(Errno::NOBUFS) => self.lost = true,
                Err(Errno::INTR) => {}
                Err(_) => break,
            }
        }
        if self.lost && self.read.as_ref().is_none_or(|read| read.elapsed() >= AGAIN) {
            if self.read.is_some() {
                take(&Translating::Anew);
            }
            self.read = Some(Stopwatch::start());
            // What cannot be had is not joined.
            self.lost = self.dump(&mut buffer, &mut take).is_err();
        }
        self.buffer = buffer;
    }

    /// Reads the whole table.
    fn dump(&self, buffer: &mut [u8], take: &mut impl FnMut(&Translating)) -> Result<(), Errno> {
        // struct nfgenmsg of zeros: any family.
        let mut message = [0_u8; 20];
        message[0..4].copy_from_slice(&20_u32.to_ne_bytes());
        message[4..6].copy_from_slice(&CT_GET.to_ne_bytes());
        message[6..8].copy_from_slice(&NLM_F_REQUEST_DUMP.to_ne_bytes());
        send(&self.table, &message, SendFlags::empty())?;
        loop {
            let received = match recv(&self.table, &mut *buffer, RecvFlags::empty()) {
                Ok((received, _)) => received,
                Err(Errno::INTR) => continue,
                Err(error) => return Err(error),
            };
            let bytes = buffer.get(..received).unwrap_or_default();
            each(bytes, take);
            let mut rest = bytes;
            while let Some((kind, _, _, next)) = next_message(rest) {
                match kind {
                    NLMSG_DONE => return Ok(()),
                    NLMSG_ERROR => return Err(Errno::IO),
                    _ => rest = next,
                }
            }
        }
    }
}

fn opened(groups: u32, flags: SocketFlags) -> Result<OwnedFd, Errno> {
    let flags = flags | SocketFlags::CLOEXEC;
    let fd = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, Some(netlink::NETFILTER))?;
    bind(&fd, &SocketAddrNetlink::new(0, groups))?;
    Ok(fd)
}

/// Reads bytes as answers of the kernel.
pub(super) fn read_any(bytes: &[u8]) -> Vec<Translating> {
    let mut all = Vec::new();
    each(bytes, &mut |news| all.push(*news));
    all
}

/// Hands over the translations of some messages.
fn each(mut bytes: &[u8], take: &mut impl FnMut(&Translating)) {
    while let Some((kind, _, body, next)) = next_message(bytes) {
        bytes = next;
        let found = match kind {
            CT_NEW => connection(body).map(Translating::Began),
            CT_DELETE => connection(body).map(Translating::Ended),
            _ => None,
        };
        if let Some(found) = &found {
            take(found);
        }
    }
}

/// A connection whose addresses are translated; none: it is not.
fn connection(message: &[u8]) -> Option<Translation> {
    let (mut original, mut reply, mut status) = (None, None, 0);
    // Behind struct nfgenmsg.
    for (kind, value) in attributes(message.get(4..)?) {
        match kind {
            ORIGINAL => original = tuple(value),
            REPLY => reply = tuple(value),
            STATUS => status = u32::from_be(u32_at(value, 0)?),
            _ => {}
        }
    }
    if status & TRANSLATED == 0 {
        return None;
    }
    let ((protocol, from, to), (_, answers, answered)) = (original?, reply?);
    // What is answered is what was sent, the other way round.
    let translation = Translation { protocol, before: [from, to], behind: [answered, answers] };
    (translation.before != translation.behind).then_some(translation)
}

/// Protocol, source and destination: `CTA_TUPLE_IP` and `CTA_TUPLE_PROTO`.
fn tuple(bytes: &[u8]) -> Option<(u8, SocketAddr, SocketAddr)> {
    let (mut ends, mut ports, mut protocol) = ([None, None], [0, 0], 0);
    for (kind, value) in attributes(bytes) {
        for (part, value) in attributes(value) {
            match (kind, part) {
                (1, 1..=4) => ends[usize::from(part - 1) % 2] = address(value),
                (2, 1) => protocol = *value.first()?,
                (2, 2 | 3) => ports[usize::from(part - 2)] = u16::from_be(u16_at(value, 0)?),
                _ => {}
            }
        }
    }
    let [from, to] = [SocketAddr::new(ends[0]?, ports[0]), SocketAddr::new(ends[1]?, ports[1])];
    WITH_PORTS.contains(&protocol).then_some((protocol, from, to))
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => bytes.first_chunk::<4>().map(|octets| Ipv4Addr::from(*octets).into()),
        _ => bytes.first_chunk::<16>().map(|octets| Ipv6Addr::from(*octets).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
        let mut out = ((value.len() + 4) as u16).to_ne_bytes().to_vec();
        out.extend(kind.to_ne_bytes());
        out.extend(value);
        out.resize(out.len().next_multiple_of(4), 0);
        out
    }

    fn tuple_of(kind: u16, protocol: u8, from: &str, to: &str) -> Vec<u8> {
        let [from, to]: [SocketAddr; 2] = [from, to].map(|end| end.parse().unwrap());
        let octets = |ip: IpAddr| match ip {
            IpAddr::V4(ip) => ip.octets().to_vec(),
            IpAddr::V6(ip) => ip.octets().to_vec(),
        };
        let first = if from.is_ipv4() { 1 } else { 3 };
        let ip = [attribute(first, &octets(from.ip())), attribute(first + 1, &octets(to.ip()))].concat();
        let ports = [
            attribute(1, &[protocol]),
            attribute(2, &from.port().to_be_bytes()),
            attribute(3, &to.port().to_be_bytes()),
        ]
        .concat();
        // Nested attributes are marked as such.
        attribute(0x8000 | kind, &[attribute(0x8001, &ip), attribute(0x8002, &ports)].concat())
    }

    fn message(kind: u16, status: u32, protocol: u8, ends: [&str; 4]) -> Vec<u8> {
        let body = [
            vec![2, 0, 0, 0],
            tuple_of(ORIGINAL, protocol, ends[0], ends[1]),
            tuple_of(REPLY, protocol, ends[2], ends[3]),
            attribute(STATUS, &status.to_be_bytes()),
        ]
        .concat();
        let mut out = ((body.len() + 16) as u32).to_ne_bytes().to_vec();
        out.extend(kind.to_ne_bytes());
        out.extend([0; 10]);
        out.extend(body);
        out
    }

    #[test]
    fn what_is_translated_is_heard_with_what_it_is_behind() {
        let out = message(
            CT_NEW,
            0x19e,
            6,
            ["172.17.0.2:4000", "192.0.2.9:443", "192.0.2.9:443", "198.51.100.1:61000"],
        );
        let published = message(
            CT_DELETE,
            0x1a8,
            17,
            ["[2001:db8::9]:5000", "[2001:db8::1]:53", "[fd00::2]:5353", "[2001:db8::9]:5000"],
        );
        let ends = |ends: [&str; 2]| ends.map(|end| end.parse::<SocketAddr>().unwrap());
        assert_eq!(
            read_any(&[out, published].concat()),
            [
                Translating::Began(Translation {
                    protocol: 6,
                    before: ends(["172.17.0.2:4000", "192.0.2.9:443"]),
                    behind: ends(["198.51.100.1:61000", "192.0.2.9:443"]),
                }),
                Translating::Ended(Translation {
                    protocol: 17,
                    before: ends(["[2001:db8::9]:5000", "[2001:db8::1]:53"]),
                    behind: ends(["[2001:db8::9]:5000", "[fd00::2]:5353"]),
                }),
            ]
        );
    }

    #[test]
    fn other_connections_and_messages_that_are_cut_off_say_nothing() {
        let ends = ["172.17.0.2:4000", "192.0.2.9:443", "192.0.2.9:443", "172.17.0.2:4000"];
        assert_eq!(read_any(&message(CT_NEW, 0xe, 6, ends)), []);
        assert_eq!(read_any(&message(CT_NEW, 0x19e, 1, ends)), []);
        let whole = message(
            CT_NEW,
            0x19e,
            6,
            ["172.17.0.2:4000", "192.0.2.9:443", "192.0.2.9:443", "198.51.100.1:61000"],
        );
        for length in 0..whole.len() {
            assert_eq!(read_any(&whole[..length]), []);
        }
        // Whatever the bytes within are, nothing is read beyond them.
        for at in 16..whole.len() {
            for value in [0, 1, 0x7f, 0xff] {
                let mut broken = whole.clone();
                broken[at] = value;
                let _ = read_any(&broken);
            }
        }
    }
}

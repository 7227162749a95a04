//! Route netlink (`rtnetlink(7)`, `include/uapi/linux/rtnetlink.h`): dumps, and word of changes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::OwnedFd;
use std::time::Duration;

use monitor_core::host::LocalNetwork;
use rustix::io::Errno;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, bind, recv, send, socket_with,
};

use super::{Host, HostError, Link};

const RTM_NEWLINK: u16 = 16;
const RTM_GETLINK: u16 = 18;
const RTM_NEWADDR: u16 = 20;
const RTM_GETADDR: u16 = 22;
const RTM_NEWROUTE: u16 = 24;
const RTM_GETROUTE: u16 = 26;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const NLM_F_REQUEST: u16 = 1;
const NLM_F_DUMP: u16 = 0x300;
/// The tables changed while they were dumped: what came is no one state.
const NLM_F_DUMP_INTR: u16 = 0x10;

/// Links, addresses and routes of both IP versions.
const GROUPS: u32 = 0x1 | 0x10 | 0x40 | 0x100 | 0x400;

/// A dump that keeps being interrupted is taken as it is after this many times.
const TRIES: usize = 5;
/// For an answer of the kernel, which gives it at once.
const PATIENCE: Duration = Duration::from_secs(5);

fn socket(groups: u32, flags: SocketFlags) -> Result<OwnedFd, Errno> {
    let flags = flags | SocketFlags::CLOEXEC;
    // NETLINK_ROUTE is protocol 0.
    let fd = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, None)?;
    bind(&fd, &SocketAddrNetlink::new(0, groups))?;
    Ok(fd)
}

/// Says that something changed; what, a dump says.
#[derive(Debug)]
pub(super) struct Changes(OwnedFd);

impl Changes {
    pub(super) fn new() -> Result<Self, HostError> {
        let error =
            |e: Errno| HostError { operation: "subscribing to changes of interfaces", source: e.into() };
        socket(GROUPS, SocketFlags::NONBLOCK).map(Self).map_err(error)
    }

    /// Whether anything changed since the last call. A lost message (`ENOBUFS`) is a change as well.
    pub(super) fn any(&self) -> bool {
        let mut buffer = [0; 8192];
        let mut any = false;
        loop {
            match recv(&self.0, &mut buffer, RecvFlags::empty()) {
                Ok(_) | Err(Errno::NOBUFS) => any = true,
                Err(Errno::INTR) => {}
                Err(_) => return any,
            }
        }
    }
}

/// Reads links, addresses and default routes.
pub(super) fn read() -> Result<Host, HostError> {
    let mut host = Host::default();
    dump(RTM_GETLINK, &[0; 16], "listing interfaces", RTM_NEWLINK, &mut host, |host, m| {
        host.links.extend(link(m));
    })?;
    dump(RTM_GETADDR, &[0; 8], "listing addresses", RTM_NEWADDR, &mut host, |host, m| {
        host.networks.extend(network(m));
    })?;
    let mut routes = Vec::new();
    dump(RTM_GETROUTE, &[0; 12], "listing routes", RTM_NEWROUTE, &mut routes, |routes, m| {
        default_route(m, routes);
    })?;
    for link in &mut host.links {
        link.default_route = routes.contains(&link.ifindex);
    }
    Ok(host)
}

/// Asks for all objects of a kind, and hands the body of each message over.
pub(super) fn dump<T: Clone>(
    request: u16,
    body: &[u8],
    operation: &'static str,
    wanted: u16,
    out: &mut T,
    mut take: impl FnMut(&mut T, &[u8]),
) -> Result<(), HostError> {
    let error = |e: Errno| HostError { operation, source: e.into() };
    let empty = out.clone();
    for _ in 0..TRIES {
        *out = empty.clone();
        if dump_once(request, body, wanted, |m| take(out, m)).map_err(error)? {
            break;
        }
    }
    Ok(())
}

/// Whether the dump was of one state.
fn dump_once(request: u16, body: &[u8], wanted: u16, mut take: impl FnMut(&[u8])) -> Result<bool, Errno> {
    let fd = socket(0, SocketFlags::empty())?;
    set_socket_timeout(&fd, Timeout::Recv, Some(PATIENCE))?;
    // A body of zeros: family unspecified, no filter.
    let mut message = [&[0; 16], body].concat();
    let length = message.len() as u32;
    message[0..4].copy_from_slice(&length.to_ne_bytes());
    message[4..6].copy_from_slice(&request.to_ne_bytes());
    message[6..8].copy_from_slice(&(NLM_F_REQUEST | NLM_F_DUMP).to_ne_bytes());
    send(&fd, &message, SendFlags::empty())?;
    let mut consistent = true;
    // The kernel fills at most 32 KiB of a dump's buffer (net/netlink/af_netlink.c).
    let mut buffer = vec![0; 32 * 1024];
    loop {
        let (received, _) = match recv(&fd, buffer.as_mut_slice(), RecvFlags::empty()) {
            Err(Errno::INTR) => continue,
            other => other?,
        };
        let mut rest = buffer.get(..received).unwrap_or_default();
        while let Some((kind, flags, body, next)) = next_message(rest) {
            rest = next;
            consistent &= flags & NLM_F_DUMP_INTR == 0;
            match kind {
                NLMSG_DONE => return Ok(consistent),
                NLMSG_ERROR => {
                    let code = body.first_chunk().map_or(0, |b| i32::from_ne_bytes(*b));
                    return Err(Errno::from_raw_os_error(-code));
                }
                kind if kind == wanted => take(body),
                _ => {}
            }
        }
    }
}

/// Type, flags and body of the first message, and what follows it.
fn next_message(bytes: &[u8]) -> Option<(u16, u16, &[u8], &[u8])> {
    let length = u32::from_ne_bytes(*bytes.first_chunk()?) as usize;
    let body = bytes.get(16..length)?;
    let next = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    Some((u16_at(bytes, 4)?, u16_at(bytes, 6)?, body, next))
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|b| u16::from_ne_bytes(*b))
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|b| u32::from_ne_bytes(*b))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().map(|b| u64::from_ne_bytes(*b))
}

/// Attributes (`struct rtattr`): type without its flags, and value.
pub(super) fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = u16_at(bytes, 0)? as usize;
        let kind = u16_at(bytes, 2)? & 0x3fff;
        let value = bytes.get(4..length)?;
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    })
}

/// `struct ifinfomsg` and `IFLA_IFNAME`, `IFLA_LINKINFO`, `IFLA_STATS64`, `IFLA_XDP` (`include/uapi/linux/if_link.h`).
fn link(message: &[u8]) -> Option<Link> {
    let kind = u16_at(message, 2)?;
    let ifindex = u32_at(message, 4)?;
    let flags = u32_at(message, 8)?;
    let mut link = Link {
        ifindex,
        name: String::new(),
        kind,
        up: flags & 1 != 0,
        loopback: flags & 8 != 0,
        software: flags & 8 != 0,
        default_route: false,
        device_packets: [0; 2],
        xdp: Vec::new(),
    };
    for (kind, value) in attributes(message.get(16..)?) {
        match kind {
            3 => link.name = String::from_utf8_lossy(value.strip_suffix(&[0]).unwrap_or(value)).into_owned(),
            // IFLA_INFO_KIND: only devices that are made by software have one.
            18 => link.software |= attributes(value).any(|(kind, _)| kind == 1),
            // IFLA_XDP: IFLA_XDP_DRV_PROG_ID, IFLA_XDP_SKB_PROG_ID, IFLA_XDP_HW_PROG_ID.
            43 => {
                let ids = attributes(value).filter(|(kind, _)| (5..=7).contains(kind));
                link.xdp = ids.filter_map(|(_, id)| u32_at(id, 0)).collect();
            }
            // rx_packets, tx_packets.
            23 => link.device_packets = [u64_at(value, 0)?, u64_at(value, 8)?],
            _ => {}
        }
    }
    (!link.name.is_empty()).then_some(link)
}

/// `struct ifaddrmsg`; `IFA_LOCAL` is our end of a point-to-point link, where `IFA_ADDRESS` is the peer's.
fn network(message: &[u8]) -> Option<LocalNetwork> {
    let prefix = *message.get(1)?;
    let (mut address, mut local) = (None, None);
    for (kind, value) in attributes(message.get(8..)?) {
        match kind {
            1 => address = ip(value),
            2 => local = ip(value),
            _ => {}
        }
    }
    Some(LocalNetwork { address: local.or(address)?, prefix })
}

fn ip(value: &[u8]) -> Option<IpAddr> {
    match value.len() {
        4 => value.first_chunk().map(|b: &[u8; 4]| Ipv4Addr::from(*b).into()),
        16 => value.first_chunk().map(|b: &[u8; 16]| Ipv6Addr::from(*b).into()),
        _ => None,
    }
}

/// `struct rtmsg`: unicast to everywhere, in any table that is not the kernel's own.
fn default_route(message: &[u8], interfaces: &mut Vec<u32>) {
    let (Some(&0), Some(&table), Some(&1)) = (message.get(1), message.get(4), message.get(7)) else { return };
    if table == 255 {
        return;
    }
    for (kind, value) in attributes(message.get(12..).unwrap_or_default()) {
        match kind {
            // RTA_OIF
            4 => interfaces.extend(u32_at(value, 0)),
            // RTA_MULTIPATH: struct rtnexthop, one after another.
            9 => {
                let mut rest = value;
                while let Some(length) = u16_at(rest, 0).map(usize::from).filter(|l| *l >= 8) {
                    interfaces.extend(u32_at(rest, 4));
                    rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_there_with_its_address() {
        let host = read().unwrap();
        let lo = host.links.iter().find(|l| l.loopback).unwrap();
        assert_eq!((lo.name.as_str(), lo.software), ("lo", true));
        let mut names: Vec<_> = host.links.iter().map(|l| &l.name).collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), host.links.len());
        if lo.up {
            assert!(host.networks.contains(&LocalNetwork { address: Ipv4Addr::LOCALHOST.into(), prefix: 8 }));
        }
    }

    #[test]
    fn nothing_has_changed_before_anything_happens() {
        let changes = Changes::new().unwrap();
        assert!(!changes.any());
    }

    #[test]
    fn every_prefix_of_a_message_is_read_without_harm() {
        let mut message = vec![0; 16];
        message[2] = 1;
        message[4] = 7;
        for (kind, value) in
            [(3_u16, &b"eth0\0"[..]), (23, &[1; 16][..]), (18, &[8, 0, 1, 0, 1, 2, 3, 4][..])]
        {
            message.extend((4 + value.len() as u16).to_ne_bytes());
            message.extend(kind.to_ne_bytes());
            message.extend(value);
            message.resize(message.len().next_multiple_of(4), 0);
        }
        let whole = link(&message).unwrap();
        assert_eq!((whole.name.as_str(), whole.ifindex, whole.software), ("eth0", 7, true));
        for end in 0..message.len() {
            let cut = &message[..end];
            drop((link(cut), network(cut), next_message(cut)));
            default_route(cut, &mut Vec::new());
        }
    }
}

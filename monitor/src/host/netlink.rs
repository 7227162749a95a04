//! Route netlink (`rtnetlink(7)`, `include/uapi/linux/rtnetlink.h`): dumps, questions, and what changed.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::OwnedFd;
use std::time::Duration;

use monitor_core::host::{Device, DeviceKind, LocalNetwork};
use rustix::io::Errno;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, bind, recv, send, socket_with,
};

use monitor_core::record::Text;

use super::{HostError, Link, device};

const RTM_NEWLINK: u16 = 16;
const RTM_DELLINK: u16 = 17;
const RTM_GETLINK: u16 = 18;
const RTM_NEWADDR: u16 = 20;
const RTM_DELADDR: u16 = 21;
const RTM_GETADDR: u16 = 22;
const RTM_NEWROUTE: u16 = 24;
const RTM_DELROUTE: u16 = 25;
const RTM_GETROUTE: u16 = 26;
const RTM_NEWSTATS: u16 = 92;
const RTM_GETSTATS: u16 = 94;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const NLM_F_REQUEST: u16 = 1;
const NLM_F_ACK: u16 = 4;
const NLM_F_DUMP: u16 = 0x300;
/// The tables changed while they were dumped: what came is no one state.
const NLM_F_DUMP_INTR: u16 = 0x10;

/// Links, addresses and routes of both IP versions.
const GROUPS: u32 = 0x1 | 0x10 | 0x40 | 0x100 | 0x400;

/// A dump that keeps being interrupted is taken as it is after this many times.
const TRIES: usize = 5;
/// The kernel fills at most 32 KiB of a dump's buffer (`net/netlink/af_netlink.c`).
const BUFFER: usize = 32 * 1024;
/// For an answer of the kernel, which gives it at once.
const PATIENCE: Duration = Duration::from_secs(5);

fn socket(groups: u32, flags: SocketFlags) -> Result<OwnedFd, Errno> {
    let flags = flags | SocketFlags::CLOEXEC;
    // NETLINK_ROUTE is protocol 0.
    let fd = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, None)?;
    bind(&fd, &SocketAddrNetlink::new(0, groups))?;
    Ok(fd)
}

/// What changed since the last look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Heard {
    /// Interfaces, addresses or default routes.
    pub(super) any: bool,
    /// Default routes, or what may have taken one along without a word: the kernel says nothing of IPv4 routes that
    /// go with their interface or address (`net/ipv4/fib_frontend.c`, `fib_flush`).
    pub(super) routes: bool,
    /// Messages were lost: all may have changed.
    pub(super) lost: bool,
}

impl Heard {
    /// Takes note of a message. `leaves`: interfaces that default routes leave through.
    fn note(&mut self, kind: u16, body: &[u8], leaves: &[u32]) {
        // Both heads have it at the same place.
        let is_way_out = || u32_at(body, 4).is_some_and(|ifindex| leaves.contains(&ifindex));
        match kind {
            RTM_NEWLINK | RTM_DELLINK => {
                let is_up = kind == RTM_NEWLINK && u32_at(body, 8).is_some_and(|flags| flags & 1 != 0);
                self.any = true;
                self.routes |= !is_up && is_way_out();
            }
            RTM_NEWADDR => self.any = true,
            RTM_DELADDR => {
                self.any = true;
                self.routes |= is_way_out();
            }
            // A router's table changes all the time.
            RTM_NEWROUTE | RTM_DELROUTE if is_default(body) => {
                self.any = true;
                self.routes = true;
            }
            _ => {}
        }
    }
}

/// Follows what changes.
#[derive(Debug)]
pub(super) struct Changes(OwnedFd);

impl Changes {
    pub(super) fn new() -> Result<Self, HostError> {
        let error =
            |e: Errno| HostError { operation: "subscribing to changes of interfaces", source: e.into() };
        socket(GROUPS, SocketFlags::NONBLOCK).map(Self).map_err(error)
    }

    /// What changed since the last call.
    pub(super) fn heard(&self, leaves: &[u32]) -> Heard {
        let mut buffer = vec![0; BUFFER];
        let mut heard = Heard::default();
        loop {
            let received = match recv(&self.0, buffer.as_mut_slice(), RecvFlags::empty()) {
                Ok((received, _)) => received,
                Err(Errno::NOBUFS) => {
                    heard = Heard { any: true, routes: true, lost: true };
                    continue;
                }
                Err(Errno::INTR) => continue,
                Err(_) => return heard,
            };
            let mut rest = buffer.get(..received).unwrap_or_default();
            while let Some((kind, _, body, next)) = next_message(rest) {
                rest = next;
                heard.note(kind, body, leaves);
            }
        }
    }
}

/// All interfaces; whether default routes leave through them is not in it.
pub(super) fn links() -> Result<Vec<Link>, HostError> {
    let mut links = Vec::new();
    dump(RTM_GETLINK, &[0; 16], "listing interfaces", RTM_NEWLINK, &mut links, |links, m| {
        links.extend(link(m));
    })?;
    Ok(links)
}

/// An address of an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct InterfaceAddress {
    pub(super) network: LocalNetwork,
    pub(super) ifindex: u32,
    /// It says something beyond its link.
    pub(super) routed: bool,
}

/// All addresses.
pub(super) fn networks() -> Result<Vec<InterfaceAddress>, HostError> {
    let mut networks = Vec::new();
    dump(RTM_GETADDR, &[0; 8], "listing addresses", RTM_NEWADDR, &mut networks, |networks, m| {
        networks.extend(network(m));
    })?;
    Ok(networks)
}

/// Interfaces that default routes leave through. Reads the whole table: there is no question that leaves the other
/// routes out.
pub(super) fn default_routes() -> Result<Vec<u32>, HostError> {
    let mut leaves = Vec::new();
    dump(RTM_GETROUTE, &[0; 12], "listing routes", RTM_NEWROUTE, &mut leaves, |leaves, m| {
        default_route(m, leaves);
    })?;
    leaves.sort_unstable();
    leaves.dedup();
    Ok(leaves)
}

/// Interfaces up to which each is asked about by itself.
const FEW: usize = 4;

/// Packets that the devices counted: index, received, transmitted. Of all interfaces, or of these alone if they are few.
pub(super) fn device_packets(of: &[u32]) -> Result<Vec<(u32, [u64; 2])>, HostError> {
    let mut found = Vec::new();
    let body = |ifindex: u32| {
        // struct if_stats_msg: the filter is IFLA_STATS_LINK_64.
        let mut body = [0; 12];
        body[4..8].copy_from_slice(&ifindex.to_ne_bytes());
        body[8..12].copy_from_slice(&1_u32.to_ne_bytes());
        body
    };
    let operation = "reading counters of interfaces";
    let take = |found: &mut Vec<_>, m: &[u8]| found.extend(device(m));
    if of.len() > FEW {
        dump(RTM_GETSTATS, &body(0), operation, RTM_NEWSTATS, &mut found, take)?;
        return Ok(found);
    }
    for ifindex in of {
        let asked = ask(RTM_GETSTATS, NLM_F_ACK, &body(*ifindex), RTM_NEWSTATS, |m| take(&mut found, m));
        match asked {
            Ok(_) | Err(Errno::NODEV) => {}
            Err(e) => return Err(HostError { operation, source: e.into() }),
        }
    }
    Ok(found)
}

/// `struct if_stats_msg` and `IFLA_STATS_LINK_64`: `rx_packets`, `tx_packets`.
fn device(message: &[u8]) -> Option<(u32, [u64; 2])> {
    let ifindex = u32_at(message, 4)?;
    let (_, stats) = attributes(message.get(12..)?).find(|(kind, _)| *kind == 1)?;
    Some((ifindex, [u64_at(stats, 0)?, u64_at(stats, 8)?]))
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
        if ask(request, NLM_F_DUMP, body, wanted, |m| take(out, m)).map_err(error)? {
            break;
        }
    }
    Ok(())
}

/// Asks, with [`NLM_F_DUMP`] for all, with [`NLM_F_ACK`] for one. Whether the answers are of one state.
fn ask(
    request: u16,
    flags: u16,
    body: &[u8],
    wanted: u16,
    mut take: impl FnMut(&[u8]),
) -> Result<bool, Errno> {
    let fd = socket(0, SocketFlags::empty())?;
    set_socket_timeout(&fd, Timeout::Recv, Some(PATIENCE))?;
    // A body of zeros: family unspecified, no filter.
    let mut message = [&[0; 16], body].concat();
    let length = message.len() as u32;
    message[0..4].copy_from_slice(&length.to_ne_bytes());
    message[4..6].copy_from_slice(&request.to_ne_bytes());
    message[6..8].copy_from_slice(&(NLM_F_REQUEST | flags).to_ne_bytes());
    send(&fd, &message, SendFlags::empty())?;
    let mut consistent = true;
    let mut buffer = vec![0; BUFFER];
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
                    return match body.first_chunk().map_or(0, |b| i32::from_ne_bytes(*b)) {
                        0 => Ok(consistent),
                        code => Err(Errno::from_raw_os_error(-code)),
                    };
                }
                kind if kind == wanted => take(body),
                _ => {}
            }
        }
    }
}

/// Reads bytes as answers of the kernel.
pub(super) fn read_any(bytes: &[u8]) {
    let mut heard = Heard::default();
    let mut rest = bytes;
    while let Some((kind, _, body, next)) = next_message(rest) {
        rest = next;
        heard.note(kind, body, &[]);
        drop((link(body), network(body), device(body)));
        default_route(body, &mut Vec::new());
    }
}

/// Type, flags and body of the first message, and what follows it.
pub(crate) fn next_message(bytes: &[u8]) -> Option<(u16, u16, &[u8], &[u8])> {
    let length = u32::from_ne_bytes(*bytes.first_chunk()?) as usize;
    let body = bytes.get(16..length)?;
    let next = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    Some((u16_at(bytes, 4)?, u16_at(bytes, 6)?, body, next))
}

pub(super) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|b| u16::from_ne_bytes(*b))
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|b| u32::from_ne_bytes(*b))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().map(|b| u64::from_ne_bytes(*b))
}

/// Attributes (`struct rtattr`): type without its flags, and value.
pub(crate) fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = u16_at(bytes, 0)? as usize;
        let kind = u16_at(bytes, 2)? & 0x3fff;
        let value = bytes.get(4..length)?;
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    })
}

/// `struct ifinfomsg` and `IFLA_IFNAME`, `IFLA_LINKINFO`, `IFLA_XDP` (`include/uapi/linux/if_link.h`).
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
        xdp: Vec::new(),
        device: Device { ifindex, ..Device::default() },
    };
    let mut abroad = false;
    for (kind, value) in attributes(message.get(16..)?) {
        match kind {
            // The kernel takes any bytes but spaces, slashes and colons.
            3 => link.name = Text::escaped(value.strip_suffix(&[0]).unwrap_or(value)).into_owned(),
            // IFLA_INFO_KIND: only devices that are made by software have one.
            18 => {
                link.software |= attributes(value).any(|(kind, _)| kind == 1);
                device::describe(&mut link.device, value);
            }
            // IFLA_LINK, IFLA_MASTER, IFLA_LINK_NETNSID: the index is one of another namespace.
            5 => link.device.lower = u32_at(value, 0).filter(|lower| *lower != 0 && *lower != ifindex),
            10 => link.device.master = u32_at(value, 0).filter(|master| *master != 0),
            37 => abroad = true,
            // IFLA_XDP: IFLA_XDP_DRV_PROG_ID, IFLA_XDP_SKB_PROG_ID, IFLA_XDP_HW_PROG_ID.
            43 => {
                let ids = attributes(value).filter(|(kind, _)| (5..=7).contains(kind));
                link.xdp = ids.filter_map(|(_, id)| u32_at(id, 0)).collect();
            }
            _ => {}
        }
    }
    if abroad {
        link.device.lower = None;
    }
    if link.loopback {
        link.device.kind = DeviceKind::Loopback;
    }
    (!link.name.is_empty()).then_some(link)
}

/// `struct ifaddrmsg`; `IFA_LOCAL` is our end of a point-to-point link, where `IFA_ADDRESS` is the peer's.
fn network(message: &[u8]) -> Option<InterfaceAddress> {
    /// `RT_SCOPE_LINK`; those beyond reach less far.
    const LINK: u8 = 253;
    let prefix = *message.get(1)?;
    let routed = *message.get(3)? < LINK;
    let ifindex = u32_at(message, 4)?;
    let (mut address, mut local) = (None, None);
    for (kind, value) in attributes(message.get(8..)?) {
        match kind {
            1 => address = ip(value),
            2 => local = ip(value),
            _ => {}
        }
    }
    let network = LocalNetwork { address: local.or(address)?, prefix };
    Some(InterfaceAddress { network, ifindex, routed })
}

fn ip(value: &[u8]) -> Option<IpAddr> {
    match value.len() {
        4 => value.first_chunk().map(|b: &[u8; 4]| Ipv4Addr::from(*b).into()),
        16 => value.first_chunk().map(|b: &[u8; 16]| Ipv6Addr::from(*b).into()),
        _ => None,
    }
}

/// `struct rtmsg`: unicast to everywhere, in any table that is not the kernel's own.
fn is_default(message: &[u8]) -> bool {
    let head = (message.get(1), message.get(4), message.get(7));
    matches!(head, (Some(0), Some(&table), Some(1)) if table != u8::MAX)
}

/// The interfaces that a default route leaves through.
fn default_route(message: &[u8], interfaces: &mut Vec<u32>) {
    if !is_default(message) {
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
        let links = links().unwrap();
        let lo = links.iter().find(|l| l.loopback).unwrap();
        assert_eq!((lo.name.as_str(), lo.software), ("lo", true));
        let mut names: Vec<_> = links.iter().map(|l| &l.name).collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), links.len());
        if lo.up {
            assert!(
                networks()
                    .unwrap()
                    .iter()
                    .any(|a| a.network == LocalNetwork { address: Ipv4Addr::LOCALHOST.into(), prefix: 8 })
            );
        }
    }

    #[test]
    fn nothing_has_changed_before_anything_happens() {
        let changes = Changes::new().unwrap();
        assert_eq!(changes.heard(&[]), Heard::default());
    }

    #[test]
    fn of_routes_only_default_ones_are_heard_and_what_may_have_taken_one_along() {
        let heard = |kind, body: &[u8]| {
            let mut heard = Heard::default();
            heard.note(kind, body, &[7]);
            (heard.any, heard.routes)
        };
        // Family, length of the destination, of the source, TOS, table, protocol, scope, type.
        for kind in [RTM_NEWROUTE, RTM_DELROUTE] {
            assert_eq!(heard(kind, &[2, 0, 0, 0, 254, 3, 0, 1, 0, 0, 0, 0]), (true, true));
            assert_eq!(heard(kind, &[2, 24, 0, 0, 254, 3, 0, 1, 0, 0, 0, 0]), (false, false));
            assert_eq!(heard(kind, &[10, 0, 0, 0, 255, 3, 0, 1, 0, 0, 0, 0]), (false, false));
            assert_eq!(heard(kind, &[10, 0]), (false, false));
        }
        let link = |ifindex: u8, flags: u8| [0, 0, 1, 0, ifindex, 0, 0, 0, flags, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(heard(RTM_NEWLINK, &link(7, 1)), (true, false));
        assert_eq!(heard(RTM_NEWLINK, &link(7, 0)), (true, true));
        assert_eq!(heard(RTM_NEWLINK, &link(8, 0)), (true, false));
        assert_eq!(heard(RTM_DELLINK, &link(7, 1)), (true, true));
        assert_eq!(heard(RTM_DELADDR, &[2, 24, 0, 0, 7, 0, 0, 0]), (true, true));
        assert_eq!(heard(RTM_DELADDR, &[2, 24, 0, 0, 8, 0, 0, 0]), (true, false));
        assert_eq!(heard(RTM_NEWADDR, &[2, 24, 0, 0, 7, 0, 0, 0]), (true, false));
    }

    #[test]
    fn a_name_of_control_characters_or_no_utf8_is_written_so_that_it_can_be_shown() {
        let mut message = vec![0; 16];
        message.extend([12, 0, 3, 0, b'a', 0x1b, b'[', b'm', 0xff, 0, 0, 0]);
        message[16] = 10;
        assert_eq!(link(&message).unwrap().name, "a\\x1b[m\\xff");
    }

    #[test]
    fn devices_of_few_interfaces_are_asked_about_one_by_one_and_say_the_same_as_all() {
        let lo = links().unwrap().into_iter().find(|l| l.loopback).unwrap().ifindex;
        let one = device_packets(&[lo, u32::MAX >> 1]).unwrap();
        let all = device_packets(&[lo; FEW + 1]).unwrap();
        let of = |found: &[(u32, [u64; 2])]| found.iter().find(|(ifindex, _)| *ifindex == lo).unwrap().1;
        assert_eq!(one.len(), 1);
        assert!(of(&all)[0] >= of(&one)[0]);
    }

    #[test]
    fn every_prefix_of_a_message_is_read_without_harm() {
        let mut message = vec![0; 16];
        message[2] = 1;
        message[4] = 7;
        for (kind, value) in [(3_u16, &b"eth0\0"[..]), (18, &[8, 0, 1, 0, 1, 2, 3, 4][..])] {
            message.extend((4 + value.len() as u16).to_ne_bytes());
            message.extend(kind.to_ne_bytes());
            message.extend(value);
            message.resize(message.len().next_multiple_of(4), 0);
        }
        let whole = link(&message).unwrap();
        assert_eq!((whole.name.as_str(), whole.ifindex, whole.software), ("eth0", 7, true));
        for end in 0..message.len() {
            let cut = &message[..end];
            drop((link(cut), network(cut), device(cut)));
            default_route(cut, &mut Vec::new());
            read_any(cut);
            Heard::default().note(RTM_NEWROUTE, cut, &[]);
        }
    }
}

//! Sockets that are older than the hooks: the kernel's list of them (`sock_diag(7)`), which says user and control
//! group, and at the start whose descriptors they are.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::OwnedFd;
use std::time::Duration;

use monitor_common::abi::{FlowKey, Side};
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, send, socket_with,
};

use crate::clock::Stopwatch;
use crate::host::netlink::{attributes, next_message, u32_at};

/// `SOCK_DIAG_BY_FAMILY` (`include/uapi/linux/sock_diag.h`), and flags of netlink.
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const NLM_F_REQUEST_DUMP: u16 = 0x301;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
/// `INET_DIAG_CGROUP_ID` (`include/uapi/linux/inet_diag.h`), kernel 5.9.
const CGROUP_ID: u16 = 21;
/// Sockets that are remembered at most.
const MOST: usize = 262_144;
/// Descriptors that are looked at once at the start.
const DESCRIPTORS: usize = 1_000_000;
/// The list is asked for again at most this often, and for a tenth of the time: any user can have many sockets.
const AGAIN: Duration = Duration::from_secs(2);
const SHARE: u32 = 10;
/// For an answer of the kernel, which gives it at once.
const PATIENCE: Duration = Duration::from_secs(1);

/// What the list says of a socket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Listed {
    pub(super) uid: u32,
    /// 0: the kernel does not say.
    pub(super) cgroup: u64,
    /// Whose descriptor it was at the start; 0: not known.
    pub(super) pid: u32,
    inode: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Ends {
    protocol: u8,
    local: (IpAddr, u16),
    remote: (IpAddr, u16),
}

/// See the module.
#[derive(Debug)]
pub(super) struct Diag {
    socket: Option<OwnedFd>,
    connected: HashMap<Ends, Listed>,
    /// Those that wait for strangers, by protocol and port.
    waiting: HashMap<(u8, u16), Listed>,
    asked: Option<Stopwatch>,
    /// From one list to the next.
    pause: Duration,
    /// Processes by inode of their sockets, as of the start.
    holders: HashMap<u32, u32>,
}

impl Diag {
    /// Asks for all sockets of this network namespace. Opened before rights are given up.
    pub(super) fn open() -> Self {
        let mut this = Self {
            socket: opened().ok(),
            connected: HashMap::new(),
            waiting: HashMap::new(),
            asked: None,
            pause: AGAIN,
            holders: HashMap::new(),
        };
        this.ask();
        this.holders = holders();
        this.hold();
        this
    }

    /// The socket of one end of a flow.
    pub(super) fn find(&mut self, key: &FlowKey, side: Side) -> Option<Listed> {
        if let Some(found) = self.look(key, side) {
            return Some(found);
        }
        if self.asked.as_ref().is_none_or(|asked| asked.elapsed() >= self.pause) {
            self.ask();
            self.hold();
            return self.look(key, side);
        }
        None
    }

    fn look(&self, key: &FlowKey, side: Side) -> Option<Listed> {
        let end = |side| {
            let (address, port) = key.endpoint(side);
            (address.to_ip(key.version()), port)
        };
        let (local, remote) = (end(side), end(side.other()));
        let exact = Ends { protocol: key.protocol, local, remote };
        self.connected.get(&exact).or_else(|| self.waiting.get(&(key.protocol, local.1))).copied()
    }

    fn ask(&mut self) {
        let begin = Stopwatch::start();
        self.list();
        self.pause = AGAIN.max(begin.elapsed() * SHARE);
        self.asked = Some(Stopwatch::start());
    }

    fn list(&mut self) {
        let Some(socket) = &self.socket else { return };
        let (mut connected, mut waiting) = (HashMap::new(), HashMap::new());
        for family in [AddressFamily::INET, AddressFamily::INET6] {
            for protocol in [6_u8, 17] {
                let family = family.as_raw() as u8;
                // What cannot be had is not known.
                let _ = dump(socket, family, protocol, |message| {
                    let Some((ends, listed)) = read(message, protocol) else { return };
                    if ends.remote.1 == 0 {
                        waiting.insert((protocol, ends.local.1), listed);
                    } else if connected.len() < MOST {
                        connected.insert(ends, listed);
                    }
                });
            }
        }
        self.connected = connected;
        self.waiting = waiting;
    }

    fn hold(&mut self) {
        let Self { connected, waiting, holders, .. } = self;
        for listed in connected.values_mut().chain(waiting.values_mut()) {
            listed.pid = holders.get(&listed.inode).copied().unwrap_or(0);
        }
    }
}

fn opened() -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC;
    let socket = socket_with(AddressFamily::NETLINK, SocketType::DGRAM, flags, Some(netlink::SOCK_DIAG))?;
    set_socket_timeout(&socket, Timeout::Recv, Some(PATIENCE))?;
    Ok(socket)
}

/// Asks for all sockets of a family and protocol.
fn dump(socket: &OwnedFd, family: u8, protocol: u8, mut take: impl FnMut(&[u8])) -> io::Result<()> {
    // struct nlmsghdr and struct inet_diag_req_v2: all states, no particular socket.
    let mut question = [0; 16 + 56];
    question[0..4].copy_from_slice(&72_u32.to_ne_bytes());
    question[4..6].copy_from_slice(&SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    question[6..8].copy_from_slice(&NLM_F_REQUEST_DUMP.to_ne_bytes());
    question[16] = family;
    question[17] = protocol;
    question[20..24].copy_from_slice(&u32::MAX.to_ne_bytes());
    send(socket, &question, SendFlags::empty())?;
    let mut buffer = vec![0; 65_536];
    loop {
        let (_, received) = match recv(socket, buffer.as_mut_slice(), RecvFlags::empty()) {
            Err(rustix::io::Errno::INTR) => continue,
            other => other?,
        };
        let mut rest = buffer.get(..received).unwrap_or_default();
        while let Some((kind, _, body, next)) = next_message(rest) {
            rest = next;
            match kind {
                NLMSG_DONE | NLMSG_ERROR => return Ok(()),
                SOCK_DIAG_BY_FAMILY => take(body),
                _ => {}
            }
        }
    }
}

/// Reads bytes as answers of the kernel.
pub(super) fn read_any(bytes: &[u8]) {
    let mut rest = bytes;
    while let Some((_, _, body, next)) = next_message(rest) {
        rest = next;
        let _ = read(body, 6);
    }
    let _ = read(bytes, 17);
}

/// `struct inet_diag_msg` and its attributes.
fn read(message: &[u8], protocol: u8) -> Option<(Ends, Listed)> {
    let family = *message.first()?;
    let port = |at: usize| Some(u16::from_be_bytes(*message.get(at..)?.first_chunk()?));
    let address = |at: usize| -> Option<IpAddr> {
        if i32::from(family) == libc::AF_INET {
            let bytes: [u8; 4] = *message.get(at..)?.first_chunk()?;
            return Some(Ipv4Addr::from(bytes).into());
        }
        let bytes: [u8; 16] = *message.get(at..)?.first_chunk()?;
        // A socket of IPv6 may speak IPv4.
        Some(IpAddr::from(Ipv6Addr::from(bytes)).to_canonical())
    };
    let ends = Ends { protocol, local: (address(8)?, port(4)?), remote: (address(24)?, port(6)?) };
    let cgroup = attributes(message.get(72..).unwrap_or_default()).find(|(kind, _)| *kind == CGROUP_ID);
    let cgroup = cgroup.and_then(|(_, id)| id.first_chunk().map(|id| u64::from_ne_bytes(*id)));
    let listed = Listed {
        uid: u32_at(message, 64)?,
        cgroup: cgroup.unwrap_or(0),
        pid: 0,
        inode: u32_at(message, 68)?,
    };
    Some((ends, listed))
}

/// Whose descriptors sockets are, as far as this process may see that: before it gives up its rights.
fn holders() -> HashMap<u32, u32> {
    let mut holders = HashMap::new();
    let mut left = DESCRIPTORS;
    let Ok(processes) = fs::read_dir("/proc") else { return holders };
    for process in processes.filter_map(Result::ok) {
        let Some(pid) = process.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        let Ok(descriptors) = fs::read_dir(process.path().join("fd")) else { continue };
        for descriptor in descriptors.filter_map(Result::ok) {
            if left == 0 {
                return holders;
            }
            left -= 1;
            let Ok(link) = fs::read_link(descriptor.path()) else { continue };
            let name = link.to_str().and_then(|link| link.strip_prefix("socket:[")?.strip_suffix(']'));
            if let Some(inode) = name.and_then(|inode| inode.parse().ok()) {
                // Of several that share it the oldest has opened it, most likely.
                let holder = holders.entry(inode).or_insert(pid);
                *holder = pid.min(*holder);
            }
        }
    }
    holders
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use monitor_common::abi::Address;

    use super::*;

    fn key(one: std::net::SocketAddr, other: std::net::SocketAddr) -> (FlowKey, Side) {
        let octets = |address: std::net::SocketAddr| match address.ip() {
            IpAddr::V4(ip) => Address::from_v4_octets(ip.octets()),
            IpAddr::V6(ip) => Address::from_octets(ip.octets()),
        };
        let key = FlowKey {
            lower: octets(one),
            upper: octets(other),
            lower_port: one.port(),
            upper_port: other.port(),
            protocol: 6,
            ip_version: 4,
            ..FlowKey::default()
        };
        (key, Side::Lower)
    }

    #[test]
    fn an_older_socket_is_found_with_its_user_and_process() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let mut diag = Diag::open();
        let (key, side) = key(client.local_addr().unwrap(), client.peer_addr().unwrap());
        let found = diag.find(&key, side).unwrap();
        assert_eq!(found.uid, rustix::process::geteuid().as_raw());
        assert_eq!(found.pid, std::process::id());
        // The other end, before anybody has accepted it, and the one that listens.
        assert!(diag.find(&key, side.other()).is_some());
        let unknown = FlowKey { lower_port: 1, upper_port: 2, ..key };
        assert_eq!(diag.find(&unknown, side), None);
    }

    #[test]
    fn every_part_of_a_message_is_read_without_harm() {
        for end in 0..90 {
            let _ = (read(&vec![2; end], 6), read(&vec![10; end], 17));
        }
    }
}

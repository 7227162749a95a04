//! Raw frames: what no socket of this kernel would send.

use std::{
    fs::File,
    io::{self, Read as _, Write as _},
    os::fd::{AsRawFd, FromRawFd as _, OwnedFd, RawFd},
};

use crate::{
    netns::Namespace,
    wait::{uninterrupted, wait_readable},
};

/// RFC 1071.
fn checksum(bytes: &[u8]) -> u16 {
    let mut sum: u32 =
        bytes.chunks(2).map(|c| u32::from(c[0]) << 8 | u32::from(*c.get(1).unwrap_or(&0))).sum();
    while sum >> 16 != 0 {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

/// An IPv4 packet around a payload.
pub fn ipv4(source: [u8; 4], destination: [u8; 4], protocol: u8, payload: &[u8]) -> Vec<u8> {
    let length = (20 + payload.len()) as u16;
    let mut header = vec![0x45, 0];
    header.extend(length.to_be_bytes());
    header.extend([0, 1, 0x40, 0, 64, protocol, 0, 0]);
    header.extend(source);
    header.extend(destination);
    let sum = checksum(&header).to_be_bytes();
    header[10..12].copy_from_slice(&sum);
    header.extend(payload);
    header
}

/// A UDP datagram; checksum 0 means none (RFC 768).
pub fn udp(source: u16, destination: u16, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for word in [source, destination, (8 + payload.len()) as u16, 0] {
        out.extend(word.to_be_bytes());
    }
    out.extend(payload);
    out
}

/// A TCP segment without options.
pub fn tcp(source: u16, destination: u16, seq: u32, ack: u32, flags: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    out.extend(source.to_be_bytes());
    out.extend(destination.to_be_bytes());
    out.extend(seq.to_be_bytes());
    out.extend(ack.to_be_bytes());
    out.extend([0x50, flags, 0x20, 0, 0, 0, 0, 0]);
    out.extend(payload);
    out
}

/// An Ethernet frame between two made-up stations, padded to what Ethernet asks for.
pub fn ethernet(ether_type: u16, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1];
    out.extend(ether_type.to_be_bytes());
    out.extend(payload);
    out.resize(out.len().max(60), 0);
    out
}

/// An 802.1Q or 802.1ad tag and what it is around.
pub fn tag(id: u16, ether_type: u16, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    out.extend(id.to_be_bytes());
    out.extend(ether_type.to_be_bytes());
    out.extend(payload);
    out
}

/// A packet socket on a device.
pub struct Raw {
    socket: OwnedFd,
}

impl Raw {
    /// Opens one on a device of a namespace.
    pub fn open(ns: &Namespace, device: &str) -> Self {
        let index = ns.ifindex(device);
        ns.enter(|| {
            // SAFETY: no pointers; the descriptor is ours.
            let fd = unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0) };
            assert!(fd >= 0, "{}", io::Error::last_os_error());
            // SAFETY: just made.
            let socket = unsafe { OwnedFd::from_raw_fd(fd) };
            let address = libc::sockaddr_ll {
                sll_family: libc::AF_PACKET as u16,
                sll_protocol: 0,
                sll_ifindex: index as i32,
                sll_hatype: 0,
                sll_pkttype: 0,
                sll_halen: 0,
                sll_addr: [0; 8],
            };
            // SAFETY: the address is a local of the given size.
            let done =
                unsafe { libc::bind(fd, (&raw const address).cast(), size_of::<libc::sockaddr_ll>() as u32) };
            assert_eq!(done, 0, "{}", io::Error::last_os_error());
            Self { socket }
        })
    }

    /// Sends a frame as it is.
    pub fn send(&self, frame: &[u8]) {
        let sent = uninterrupted(|| {
            // SAFETY: the buffer is valid for its length.
            let n = unsafe { libc::send(self.socket.as_raw_fd(), frame.as_ptr().cast(), frame.len(), 0) };
            if n < 0 { Err(io::Error::last_os_error()) } else { Ok(n as usize) }
        });
        assert_eq!(sent.expect("send"), frame.len());
    }
}

impl AsRawFd for Raw {
    /// For who sends many frames at once.
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

/// The other end of a tun device.
pub struct Tun {
    file: File,
}

impl Tun {
    /// Opens the device of this name.
    pub fn open(ns: &Namespace, device: &str) -> Self {
        const TUNSETIFF: libc::c_ulong = 0x4004_54ca;
        ns.enter(|| {
            let file = File::options().read(true).write(true).open("/dev/net/tun").expect("/dev/net/tun");
            // SAFETY: all zeroes are a value of it.
            let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
            for (to, from) in request.ifr_name.iter_mut().zip(device.bytes()) {
                *to = from as libc::c_char;
            }
            request.ifr_ifru.ifru_flags = (libc::IFF_TUN | libc::IFF_NO_PI) as i16;
            // SAFETY: the request is a local.
            let done = unsafe { libc::ioctl(file.as_raw_fd(), TUNSETIFF, &raw mut request) };
            assert_eq!(done, 0, "{}", io::Error::last_os_error());
            Self { file }
        })
    }

    /// Hands a packet to the stack.
    pub fn write(&self, packet: &[u8]) {
        (&self.file).write_all(packet).expect("write to the tunnel");
    }

    /// Waits for a packet from the stack.
    pub fn read(&self) -> Vec<u8> {
        let mut buffer = vec![0; 2048];
        wait_readable("a packet of the tunnel", &self.file);
        let n = uninterrupted(|| (&self.file).read(&mut buffer)).expect("read from the tunnel");
        buffer.truncate(n);
        buffer
    }
}

/// VXLAN (RFC 7348) around a frame.
pub fn vxlan(port: u16, frame: &[u8]) -> Vec<u8> {
    let datagram = udp(50_000, port, &[&[8, 0, 0, 0, 0, 0, 7, 0][..], frame].concat());
    ethernet(0x0800, &ipv4([172, 16, 0, 1], [172, 16, 0, 2], 17, &datagram))
}

/// An Ethernet frame without padding.
pub fn bare_ethernet(ether_type: u16, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1];
    out.extend(ether_type.to_be_bytes());
    out.extend(payload);
    out
}

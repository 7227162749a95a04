//! Many connections to servers with names, as frames that pass both hooks of a cable's end.
#![expect(unsafe_code, reason = "raw sockets")]

use std::{
    io,
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
};

use crate::{
    random::Random,
    tls::{answer, hello},
};

/// What is said once a connection is encrypted.
const DATA: [u8; 500] = [0xa5; 500];

/// Messages of one system call.
const BATCH: usize = 64;

/// A raw socket on a device of the network namespace that it was opened in.
pub(crate) struct Wire(OwnedFd);

impl Wire {
    pub(crate) fn open(device: &str) -> Self {
        let name = std::ffi::CString::new(device).expect("a name");
        // SAFETY: no pointers but the name's.
        let (raw, index) = unsafe {
            // Protocol 0: nothing is received.
            (
                libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0),
                libc::if_nametoindex(name.as_ptr()),
            )
        };
        assert!(raw >= 0 && index > 0, "{device}: {}", io::Error::last_os_error());
        // SAFETY: just made, and nobody else's.
        let socket = unsafe { OwnedFd::from_raw_fd(raw) };
        // SAFETY: zeros are an address of nothing.
        let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
        address.sll_family = libc::AF_PACKET as u16;
        address.sll_ifindex = index as i32;
        // SAFETY: the address is a local of that size.
        let failed = unsafe {
            libc::bind(
                socket.as_raw_fd(),
                (&raw const address).cast(),
                size_of_val(&address) as libc::socklen_t,
            )
        };
        assert_eq!(failed, 0, "{device}: {}", io::Error::last_os_error());
        Self(socket)
    }

    /// Sends all frames.
    pub(crate) fn send(&self, frames: &[Vec<u8>]) {
        for frames in frames.chunks(BATCH) {
            let mut parts: Vec<libc::iovec> = frames
                .iter()
                .map(|frame| libc::iovec { iov_base: frame.as_ptr().cast_mut().cast(), iov_len: frame.len() })
                .collect();
            let mut messages: Vec<libc::mmsghdr> = parts
                .iter_mut()
                .map(|part| {
                    // SAFETY: zeros are a message of nothing.
                    let mut message: libc::mmsghdr = unsafe { std::mem::zeroed() };
                    message.msg_hdr.msg_iov = part;
                    message.msg_hdr.msg_iovlen = 1;
                    message
                })
                .collect();
            let mut sent = 0;
            while let Some(rest) = messages.get_mut(sent..).filter(|rest| !rest.is_empty()) {
                // SAFETY: messages, parts and frames outlive the call.
                let n =
                    unsafe { libc::sendmmsg(self.0.as_raw_fd(), rest.as_mut_ptr(), rest.len() as u32, 0) };
                assert!(n > 0, "sending: {}", io::Error::last_os_error());
                sent += n as usize;
            }
        }
    }
}

/// The connections, and where they are.
pub(crate) struct Flows {
    /// Next sequence numbers of client and server.
    next: Vec<[u32; 2]>,
    random: Random,
    /// Out through the watched device, and in through it.
    wires: [Wire; 2],
    /// What waits to be sent, by direction: client's and server's.
    waiting: [Vec<Vec<u8>>; 2],
}

impl Flows {
    /// None yet, between a client on the watched device and servers beyond it.
    pub(crate) fn new(wires: [Wire; 2]) -> Self {
        Self {
            next: Vec::new(),
            random: Random(88_172_645_463_325_252),
            wires,
            waiting: [Vec::new(), Vec::new()],
        }
    }

    /// The handshake of one more connection, its hello and what the server says to it.
    pub(crate) fn open(&mut self) {
        let number = self.next.len();
        self.next.push([1, 1]);
        let (site, host) = (number / 10 % 2_000, number % 10);
        let name = format!("www{host}.site{site}.com");
        let (hello, answer) = (hello(&name, &mut self.random), answer(&mut self.random));
        self.say(number, 0, 0x02, &[]);
        self.say(number, 1, 0x12, &[]);
        self.say(number, 0, 0x10, &[]);
        self.say(number, 0, 0x18, &hello);
        self.flush();
        self.say(number, 1, 0x18, &answer);
        self.flush();
    }

    /// A connection that was there before: its first packet seen is one of data.
    pub(crate) fn join(&mut self) {
        self.next.push([1, 1]);
        self.say(self.next.len() - 1, 1, 0x10, &DATA);
        if self.waiting[1].len() >= BATCH {
            self.flush();
        }
    }

    /// One packet of the connections in a range: in even rounds data from the server, in odd ones its
    /// acknowledgment.
    pub(crate) fn go_on(&mut self, range: std::ops::Range<usize>, round: usize) {
        for number in range {
            if round.is_multiple_of(2) {
                let length = 100 + self.random.below(400) as usize;
                self.say(number, 1, 0x18, &DATA[..length]);
            } else {
                self.say(number, 0, 0x10, &[]);
            }
        }
        self.flush();
    }

    pub(crate) fn flush(&mut self) {
        for (wire, waiting) in self.wires.iter().zip(&mut self.waiting) {
            wire.send(waiting);
            waiting.clear();
        }
    }

    fn say(&mut self, number: usize, side: usize, flags: u8, payload: &[u8]) {
        let [_, a, b, c] = (number as u32).to_be_bytes();
        let (client, server) = ([10, 7, 0, 1], [104, a, b, c]);
        let (port, https) = ((1024 + number % 60_000) as u16, 443_u16);
        let ends = [(client, port), (server, https)];
        let ((from, from_port), (to, to_port)) = (ends[side], ends[1 - side]);
        let next = &mut self.next[number];
        // Another host's link address: the stack does not look at it.
        let mut frame = vec![6, 0, 0, 0, 0, 2, 6, 0, 0, 0, 0, 1, 8, 0, 0x45, 0];
        frame.extend((40 + payload.len() as u16).to_be_bytes());
        frame.extend([0, 0, 0x40, 0, 64, 6, 0, 0]);
        frame.extend(from.into_iter().chain(to));
        frame.extend(from_port.to_be_bytes().into_iter().chain(to_port.to_be_bytes()));
        frame.extend(next[side].to_be_bytes().into_iter().chain(next[1 - side].to_be_bytes()));
        frame.extend([0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
        frame.extend(payload);
        next[side] = next[side].wrapping_add(payload.len() as u32 + u32::from(flags & 3 != 0));
        self.waiting[side].push(frame);
    }
}

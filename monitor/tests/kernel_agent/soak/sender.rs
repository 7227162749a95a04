//! Frames of ever new flows, as many a second as are asked for.

use std::{
    os::fd::AsRawFd as _,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::Duration,
};

use monitor::clock::Stopwatch;

use crate::{
    frames::{Raw, ethernet, ipv4, udp},
    netns::Namespace,
};

/// Frames of one call.
const BATCH: usize = 64;
/// Of so many flows one asks DNS for a name of its own.
const QUERY_EVERY: usize = 64;
/// Where the source address and port stand in the frames.
const SOURCE: usize = 14 + 12;
const PORT: usize = 14 + 20;
/// Where the name's digits stand in a query: behind headers, DNS header and label length.
const DIGITS: usize = 14 + 20 + 8 + 12 + 1;

/// Gives a frame of IPv4 the n-th source address and port.
pub(crate) fn source(frame: &mut [u8], n: u32) {
    let address = (u32::from_be_bytes([11, 0, 0, 0]) + (n & 0x01ff_ffff)).to_be_bytes();
    frame[SOURCE..SOURCE + 4].copy_from_slice(&address);
    frame[PORT..PORT + 2].copy_from_slice(&(1024 + (n % 60_000) as u16).to_be_bytes());
}

pub(crate) struct Sender {
    socket: Raw,
    frames: Vec<Vec<u8>>,
    next: u32,
    /// Makes a frame the n-th: of another flow than all before.
    vary: fn(&mut [u8], u32),
}

impl Sender {
    pub(crate) fn open(ns: &Namespace, device: &str) -> Self {
        let plain = |body: &[u8], port| {
            ethernet(0x0800, &ipv4([11, 0, 0, 0], [10, 7, 0, 1], 17, &udp(1024, port, body)))
        };
        let query =
            [&[0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0][..], b"\x0800000000\x07example\0\0\x01\0\x01"].concat();
        let frame = |n: usize| {
            if n.is_multiple_of(QUERY_EVERY) {
                plain(&query, 53)
            } else {
                plain(b"a new flow", 9000 + n as u16)
            }
        };
        Self::of(ns, device, frame, |frame, n| {
            source(frame, n);
            if frame[PORT + 2..PORT + 4] == 53_u16.to_be_bytes() {
                frame[DIGITS..DIGITS + 8].copy_from_slice(format!("{n:08x}").as_bytes());
            }
        })
    }

    /// One of frames of another kind: how the first of them are made, and each of them the n-th.
    pub(crate) fn of(
        ns: &Namespace,
        device: &str,
        frame: impl Fn(usize) -> Vec<u8>,
        vary: fn(&mut [u8], u32),
    ) -> Self {
        Self { socket: Raw::open(ns, device), frames: (0..BATCH).map(frame).collect(), next: 0, vary }
    }

    /// Sends until it is over, and counts what the kernel took.
    pub(crate) fn send(&mut self, rate: u64, over: &AtomicBool, sent: &AtomicU64) {
        let clock = Stopwatch::start();
        while !over.load(Ordering::Relaxed) {
            let due = (clock.elapsed().as_secs_f64() * rate as f64) as u64;
            if sent.load(Ordering::Relaxed) >= due {
                std::thread::park_timeout(Duration::from_millis(1));
                continue;
            }
            sent.fetch_add(self.batch(), Ordering::Relaxed);
        }
    }

    /// A flow a frame.
    fn batch(&mut self) -> u64 {
        for frame in &mut self.frames {
            self.next = self.next.wrapping_add(1);
            (self.vary)(frame, self.next);
        }
        let mut parts: Vec<libc::iovec> = self
            .frames
            .iter_mut()
            .map(|frame| libc::iovec { iov_base: frame.as_mut_ptr().cast(), iov_len: frame.len() })
            .collect();
        let mut messages: Vec<libc::mmsghdr> = parts
            .iter_mut()
            .map(|part| {
                // SAFETY: all zeroes are a value of it.
                let mut message: libc::mmsghdr = unsafe { std::mem::zeroed() };
                message.msg_hdr.msg_iov = part;
                message.msg_hdr.msg_iovlen = 1;
                message
            })
            .collect();
        // SAFETY: the messages, their parts and the frames live through the call.
        let taken = unsafe {
            libc::sendmmsg(self.socket.as_raw_fd(), messages.as_mut_ptr(), messages.len() as libc::c_uint, 0)
        };
        // Less than none: the device's queue is full, and nothing was sent.
        u64::try_from(taken).unwrap_or(0)
    }
}

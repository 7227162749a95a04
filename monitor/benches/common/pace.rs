//! A paced sender of small UDP packets over many flows.

use std::{
    net::{Ipv4Addr, UdpSocket},
    time::Duration,
};

use monitor::clock::Stopwatch;
use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrIn, sendmmsg, setsockopt, sockopt::SndBufForce};

use super::random::Random;

/// Packets in one system call.
const BURST: usize = 32;
/// Bytes of payload.
const SIZE: usize = 64;

/// Sends from this thread's namespace for so long, to the address and those after it, as many as there are to be
/// `flows`, at random, port 9; returns how many packets went.
pub(crate) fn send(to: Ipv4Addr, flows: u32, per_second: f64, time: Duration) -> u64 {
    let socket = UdpSocket::bind("0.0.0.0:0").expect("a socket");
    setsockopt(&socket, SndBufForce, &(8 << 20)).expect("a buffer");
    let mut random = Random(1);
    let mut headers = MultiHeaders::<SockaddrIn>::preallocate(BURST, None);
    let payload = [0_u8; SIZE];
    let (watch, mut sent) = (Stopwatch::start(), 0_u64);
    while watch.elapsed() < time {
        let due = (watch.elapsed().as_secs_f64() * per_second) as u64;
        if sent >= due {
            std::thread::sleep(Duration::from_micros(200));
            continue;
        }
        let count = (due - sent).min(BURST as u64) as usize;
        let addresses: Vec<Option<SockaddrIn>> = (0..count)
            .map(|_| {
                let offset = random.below(u64::from(flows)) as u32;
                let address = Ipv4Addr::from(u32::from(to).wrapping_add(offset));
                Some(SockaddrIn::from(std::net::SocketAddrV4::new(address, 9)))
            })
            .collect();
        let slices: Vec<[std::io::IoSlice<'_>; 1]> =
            (0..count).map(|_| [std::io::IoSlice::new(&payload)]).collect();
        let done = sendmmsg(
            std::os::fd::AsRawFd::as_raw_fd(&socket),
            &mut headers,
            &slices,
            &addresses,
            [],
            MsgFlags::empty(),
        );
        // An ICMP error of an earlier packet is no failure of this one.
        sent += done.map_or(0, |results| results.count() as u64);
    }
    sent
}

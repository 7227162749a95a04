//! Traffic that goes on while something happens to the machine.

use std::{
    net::{SocketAddr, UdpSocket},
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    time::Duration,
};

use nix::time::{ClockId, clock_gettime};

use crate::{
    agent::THERE,
    netns::{Namespace, Over},
};

/// Between two datagrams.
const PAUSE: Duration = Duration::from_millis(20);

/// Datagrams a second, at most.
pub(super) const RATE: f64 = 1.0 / 0.02;

/// What was sent.
pub(super) struct Sent {
    pub(super) datagrams: u64,
    /// The port that they went to.
    pub(super) port: u16,
    /// Seconds of the wall clock before and after the last of them.
    pub(super) last: (i64, i64),
}

/// Seconds of the wall clock.
pub(super) fn wall() -> i64 {
    clock_gettime(ClockId::CLOCK_REALTIME).expect("a clock").tv_sec()
}

/// Sends datagrams on one flow while `work` runs. Nobody answers.
pub(super) fn while_sending(from: &Namespace, to: &Namespace, work: impl FnOnce()) -> Sent {
    let sink = to.enter(|| UdpSocket::bind((THERE, 0)).expect("bind"));
    let address: SocketAddr = sink.local_addr().expect("an address");
    let socket = from.enter(|| UdpSocket::bind("0.0.0.0:0").expect("bind"));
    socket.connect(address).expect("connect");
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let sender = scope.spawn(|| {
            let mut sent = Sent { datagrams: 0, port: address.port(), last: (0, 0) };
            while !done.load(Relaxed) {
                let before = wall();
                socket.send(&[b'q'; 100]).expect("send");
                sent.last = (before, wall());
                sent.datagrams += 1;
                std::thread::park_timeout(PAUSE);
            }
            sent
        });
        {
            // Also when the work fails: nobody waits for the sender for ever.
            let _over = Over(&done);
            work();
        }
        sender.join().expect("the sender")
    })
}

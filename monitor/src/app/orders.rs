//! Orders to the thread that counts, which waits for them and for the kernel side at once.

use std::io::{self, PipeReader, PipeWriter, Read as _, Write as _};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::time::Duration;

use crate::config::Config;
use crate::source::packet;

/// What the counting thread is told.
#[derive(Debug)]
pub(super) enum Order {
    /// Count by this configuration from now on, and write records or not.
    Reconfigure(Box<Config>, bool),
    /// Drain once more and end.
    Stop,
}

/// Where orders are given.
#[derive(Debug)]
pub(super) struct Orders {
    to: Sender<Order>,
    /// A byte for each order: it wakes whoever waits. Dropped, it does so too.
    bell: PipeWriter,
}

impl Orders {
    /// Gives an order. One that is given to a thread that has ended is lost.
    pub(super) fn give(&self, order: Order) {
        if self.to.send(order).is_ok() {
            // The thread looks again by itself when a drain is due.
            drop((&self.bell).write(&[0]));
        }
    }
}

/// Where orders arrive.
#[derive(Debug)]
pub(super) struct Received {
    from: Receiver<Order>,
    bell: PipeReader,
}

impl Received {
    /// The next order, if one waits.
    pub(super) fn next(&self) -> Result<Order, TryRecvError> {
        let order = self.from.try_recv();
        if order.is_ok() {
            // Its byte is written after it: this waits for that at most.
            drop((&self.bell).read(&mut [0]));
        }
        order
    }

    /// Waits for an order or for `other`, if there is one, or until the time is over.
    pub(super) fn wait(&self, other: Option<BorrowedFd<'_>>, at_most: Duration) {
        let waited = packet::wait_for(std::iter::once(self.bell.as_fd()).chain(other), at_most);
        if waited.is_err() {
            // Nothing that could be done about it: a drain is due when the time is over.
            std::thread::sleep(at_most);
        }
    }
}

/// Both ends.
pub(super) fn orders() -> io::Result<(Orders, Received)> {
    let (reader, writer) = io::pipe()?;
    let (to, from) = channel();
    Ok((Orders { to, bell: writer }, Received { from, bell: reader }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_wakes_who_waits_for_it_and_so_does_the_end_of_all_orders() {
        let (orders, received) = orders().expect("orders");
        assert_eq!(received.next().err(), Some(TryRecvError::Empty));
        let waiting = std::thread::spawn(move || {
            let mut seen = Vec::new();
            loop {
                received.wait(None, Duration::from_hours(1));
                match received.next() {
                    Ok(order) => seen.push(matches!(order, Order::Stop)),
                    Err(TryRecvError::Empty) => {}
                    Err(TryRecvError::Disconnected) => return seen,
                }
            }
        });
        orders.give(Order::Stop);
        orders.give(Order::Stop);
        drop(orders);
        assert_eq!(waiting.join().expect("no panic"), [true, true]);
    }

    #[test]
    fn something_else_wakes_who_waits_for_orders() {
        let (_orders, received) = orders().expect("orders");
        let (other, mut end) = io::pipe().expect("a pipe");
        end.write_all(&[0]).expect("room for a byte");
        received.wait(Some(other.as_fd()), Duration::from_hours(1));
        assert_eq!(received.next().err(), Some(TryRecvError::Empty));
    }
}

//! Packets of a running instance in pcapng files, on a thread of their own.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs::File,
    io::Write as _,
    ops::Range,
    sync::{
        Arc,
        mpsc::{Receiver, Sender, TryRecvError, channel},
    },
    thread::JoinHandle,
};

use super::{
    Failure, OutputError, Tally,
    part::Part,
    pcapng::{Blocks, Packet, Statistics},
    rotation::Done,
};
use crate::{
    clock::{self, Stopwatch},
    config::outputs::Rotation,
    files::Directory,
    source::packet::{DELAY, Frame, Socket, wait},
    state::State,
    telemetry::Event,
};

/// Blocks that are taken from each socket before they are written.
const ROUND: usize = 4;

/// Where the tags of VLANs stand: behind both addresses.
const TAG_AT: usize = 12;

/// Name and extension of the file.
pub(super) const STEM: &str = "packets";
pub(super) const EXTENSION: &str = "pcapng";

enum Order {
    /// What was taken until now may be written.
    Begin,
    Add(Box<Socket>),
    Remove(u32),
}

/// The way to the packets' thread. It ends when all are dropped.
#[derive(Clone, Debug)]
pub struct Recorder {
    to: Sender<Order>,
    snaplen: Option<u32>,
}

/// An interface's packets are written until this is dropped.
#[derive(Debug)]
pub struct Tap {
    to: Sender<Order>,
    ifindex: u32,
}

impl Recorder {
    /// Lets the thread write: before, packets wait at their sockets, and what ends then leaves no file.
    pub fn begin(&self) {
        drop(self.to.send(Order::Begin));
    }

    /// Writes the packets of an interface from now on.
    ///
    /// # Errors
    /// When the kernel refuses a socket.
    pub fn tap(&self, link: &crate::host::Link) -> std::io::Result<Tap> {
        let socket = Box::new(Socket::open(link, self.snaplen)?);
        // A thread that has ended is told when the outputs are.
        drop(self.to.send(Order::Add(socket)));
        Ok(Tap { to: self.to.clone(), ifindex: link.ifindex })
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        drop(self.to.send(Order::Remove(self.ifindex)));
    }
}

/// What is written, and where.
#[derive(Debug)]
pub struct PacketFiles {
    directory: Directory,
    /// `None`: one file, without a time in its name.
    rotation: Option<Rotation>,
    snaplen: Option<u32>,
    open: Option<Open>,
    done: Done,
}

#[derive(Debug)]
struct Open {
    part: Part,
    file: File,
    length: u64,
    begun: u64,
    /// Indexes of the interfaces that were described, by their number in the file.
    interfaces: Vec<u32>,
}

/// Interfaces by index: name and link type.
type Names = BTreeMap<u32, (String, u16)>;

impl PacketFiles {
    /// In a directory that is there and free.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn new(
        path: &std::path::Path,
        rotation: Option<Rotation>,
        snaplen: Option<u32>,
    ) -> Result<Self, OutputError> {
        let directory = Directory::open(path).map_err(OutputError::file(path))?;
        let done = Done::find(&directory, STEM, EXTENSION);
        Ok(Self { directory, rotation, snaplen, open: None, done })
    }

    fn name(&self) -> OsString {
        match self.rotation {
            Some(_) => self.done.next(),
            None => OsString::from(format!("{STEM}.{EXTENSION}")),
        }
    }

    fn begin(&mut self) -> Result<(), OutputError> {
        // A recording's place was free, or is by now: nothing is left of an earlier run.
        let (part, file) = Part::create(&self.directory, &self.name(), true, &mut Tally::default())?;
        let mut open = Open { part, file, length: 0, begun: clock::now(), interfaces: Vec::new() };
        let mut blocks = Blocks::new(Vec::new());
        blocks.section().map_err(OutputError::file(open.part.path()))?;
        open.put(&blocks.into_inner())?;
        self.open = Some(open);
        Ok(())
    }

    /// Starts the thread.
    pub fn start(self, state: Arc<State>) -> std::io::Result<(Recorder, JoinHandle<Failure>)> {
        let (to, orders) = channel();
        let recorder = Recorder { to, snaplen: self.snaplen };
        let worker = Worker {
            state,
            files: self,
            sockets: Vec::new(),
            leaving: Vec::new(),
            names: Names::new(),
            counts: BTreeMap::new(),
            batch: Batch::default(),
            failure: None,
            failing: false,
        };
        let thread =
            std::thread::Builder::new().name("packets".to_owned()).spawn(move || worker.run(&orders))?;
        Ok((recorder, thread))
    }

    /// Writes a batch whole or not at all.
    fn write(&mut self, batch: &mut Batch, names: &Names) -> Result<(), OutputError> {
        if self.open.is_none() {
            self.begin()?;
        }
        let (Some(open), snaplen) = (&mut self.open, self.snaplen) else { return Ok(()) };
        let known = open.interfaces.len();
        let bytes = batch.blocks(&mut open.interfaces, names, snaplen);
        let done = bytes.map_err(OutputError::file(open.part.path())).and_then(|bytes| open.put(&bytes));
        if done.is_err() {
            open.interfaces.truncate(known);
        }
        done
    }

    /// Ends the file, if it is due.
    fn settle(&mut self, counts: &BTreeMap<u32, (u64, u64)>, end: bool) -> Result<(), OutputError> {
        let rotation = self.rotation;
        let due = |open: &mut Open| {
            let full = rotation.is_some_and(|r| r.is_due(open.length, open.begun));
            end || full && !open.interfaces.is_empty()
        };
        let Some(mut open) = self.open.take_if(due) else { return Ok(()) };
        let told = open.statistics(counts);
        // What is there is whole, also if the numbers of its end found no room.
        open.part.commit(&open.file)?;
        if let Some(rotation) = rotation {
            self.done.prune(rotation);
        }
        told
    }
}

impl Open {
    fn put(&mut self, bytes: &[u8]) -> Result<(), OutputError> {
        if let Err(error) = self.file.write_all(bytes) {
            // A block that is cut would spoil all that follow.
            drop(self.file.set_len(self.length));
            drop(std::io::Seek::seek(&mut self.file, std::io::SeekFrom::Start(self.length)));
            return Err(OutputError::file(self.part.path())(error));
        }
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// What was captured on each interface: counted since it was first tapped.
    fn statistics(&mut self, counts: &BTreeMap<u32, (u64, u64)>) -> Result<(), OutputError> {
        let mut blocks = Blocks::new(Vec::new());
        // By the wall clock as it is now: it may have been set since the file was begun.
        let end = clock::wall().max(0) as u64;
        let times = (end.saturating_sub(clock::now().saturating_sub(self.begun)), end);
        for (interface, ifindex) in (0..).zip(&self.interfaces) {
            let (received, dropped) = counts.get(ifindex).copied().unwrap_or_default();
            blocks
                .statistics(&Statistics { interface, times, received, dropped })
                .map_err(OutputError::file(self.part.path()))?;
        }
        self.put(&blocks.into_inner())
    }
}

/// Packets of one round, in the order in which they were taken.
#[derive(Debug, Default)]
struct Batch {
    bytes: Vec<u8>,
    packets: Vec<Kept>,
}

#[derive(Debug)]
struct Kept {
    ifindex: u32,
    time: u64,
    length: u32,
    way: monitor_common::abi::Direction,
    bytes: Range<usize>,
}

impl Batch {
    fn add(&mut self, ifindex: u32, frame: &Frame<'_>, snaplen: Option<u32>) {
        let begin = self.bytes.len();
        let mut length = frame.length;
        match (frame.tag, frame.bytes.split_at_checked(TAG_AT)) {
            (Some((kind, value)), Some((addresses, rest))) => {
                // As it was on the wire, before the device took the tag off.
                self.bytes.extend(addresses);
                self.bytes.extend(kind.to_be_bytes());
                self.bytes.extend(value.to_be_bytes());
                self.bytes.extend(rest);
                length = length.saturating_add(4);
            }
            _ => self.bytes.extend(frame.bytes),
        }
        if let Some(most) = snaplen {
            self.bytes.truncate(begin + most as usize);
        }
        let bytes = begin..self.bytes.len();
        self.packets.push(Kept { ifindex, time: frame.time, length, way: frame.way, bytes });
    }

    /// All packets in the order of time, and before them the interfaces that are new.
    fn blocks(
        &mut self,
        interfaces: &mut Vec<u32>,
        names: &Names,
        snaplen: Option<u32>,
    ) -> std::io::Result<Vec<u8>> {
        self.packets.sort_by_key(|packet| packet.time);
        let mut blocks = Blocks::new(Vec::with_capacity(self.bytes.len() + 48 * self.packets.len()));
        for packet in &self.packets {
            let number = if let Some(number) = interfaces.iter().position(|i| *i == packet.ifindex) {
                number
            } else {
                let (name, link_type) =
                    names.get(&packet.ifindex).map_or(("", 1), |(name, link)| (name, *link));
                blocks.interface(name.as_bytes(), link_type, snaplen.unwrap_or(0))?;
                interfaces.push(packet.ifindex);
                interfaces.len() - 1
            };
            blocks.packet(&Packet {
                interface: number as u32,
                time: packet.time,
                length: packet.length,
                way: Some(packet.way),
                bytes: self.bytes.get(packet.bytes.clone()).unwrap_or_default(),
            })?;
        }
        Ok(blocks.into_inner())
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.packets.clear();
    }
}

/// The thread.
struct Worker {
    state: Arc<State>,
    files: PacketFiles,
    sockets: Vec<Socket>,
    /// Interfaces whose last packets may still be in the kernel.
    leaving: Vec<(u32, Stopwatch)>,
    names: Names,
    /// Packets that came and that were dropped, by interface.
    counts: BTreeMap<u32, (u64, u64)>,
    batch: Batch,
    failure: Failure,
    failing: bool,
}

impl Worker {
    fn run(mut self, orders: &Receiver<Order>) -> Failure {
        loop {
            match orders.recv() {
                Ok(Order::Begin) => break,
                Ok(order) => self.does(order),
                // The start failed.
                Err(_) => return None,
            }
        }
        let mut open = true;
        while open || !self.sockets.is_empty() {
            open &= self.obey(orders);
            if !open {
                // Nobody is left who could take an interface away.
                let all: Vec<u32> = self.sockets.iter().map(Socket::ifindex).collect();
                for ifindex in all {
                    self.leave(ifindex);
                }
            }
            let waited = wait(&self.sockets, DELAY);
            self.note(waited.map_err(OutputError::Packets), false);
            self.round();
            self.retire();
        }
        self.count();
        if self.files.open.is_none() && self.files.rotation.is_none() && !self.names.is_empty() {
            // No packet came, and that is what the file says.
            let begun = self.files.begin();
            self.note(begun, false);
        }
        let ended = self.files.settle(&self.counts, true);
        self.note(ended, false);
        for (ifindex, (_, dropped)) in &self.counts {
            if let (Some((interface, _)), 1..) = (self.names.get(ifindex), *dropped) {
                self.state.events.emit(&Event::PacketsDropped { interface, packets: *dropped });
            }
        }
        self.failure
    }

    /// Does what it was told since the last time; `false`: nothing more will come.
    fn obey(&mut self, orders: &Receiver<Order>) -> bool {
        loop {
            match orders.try_recv() {
                Ok(order) => self.does(order),
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Disconnected) => return false,
            }
        }
    }

    fn does(&mut self, order: Order) {
        match order {
            Order::Begin => {}
            Order::Add(socket) => {
                self.names.insert(socket.ifindex(), (socket.name().to_owned(), socket.link_type()));
                self.sockets.push(*socket);
            }
            Order::Remove(ifindex) => self.leave(ifindex),
        }
    }

    fn leave(&mut self, ifindex: u32) {
        if self.leaving.iter().all(|(leaving, _)| *leaving != ifindex) {
            self.leaving.push((ifindex, Stopwatch::start()));
        }
    }

    /// Takes what has come and writes it.
    fn round(&mut self) {
        let snaplen = self.files.snaplen;
        for socket in &mut self.sockets {
            let ifindex = socket.ifindex();
            for _ in 0..ROUND {
                if !socket.take(&mut |frame| self.batch.add(ifindex, frame, snaplen)) {
                    break;
                }
            }
        }
        if !self.batch.packets.is_empty() {
            let packets = self.batch.packets.len() as u64;
            let written = self.files.write(&mut self.batch, &self.names);
            if written.is_ok() {
                self.state.own.output_records.with_label_values(&[STEM, EXTENSION]).inc_by(packets);
            }
            self.batch.clear();
            self.note(written, true);
        }
        self.count();
        let settled = self.files.settle(&self.counts, false);
        self.note(settled, false);
    }

    fn count(&mut self) {
        for socket in &mut self.sockets {
            self.counts.insert(socket.ifindex(), socket.statistics());
        }
    }

    /// Closes sockets of which everything was taken.
    fn retire(&mut self) {
        let Self { leaving, sockets, .. } = self;
        leaving.retain(|(ifindex, since)| {
            let over = since.elapsed() > DELAY * 2;
            if over {
                sockets.retain(|socket| socket.ifindex() != *ifindex);
            }
            !over
        });
    }

    /// Keeps the first failure, and logs each time that it begins to fail.
    fn note(&mut self, done: Result<(), OutputError>, packets: bool) {
        let events = &self.state.events;
        match done {
            Ok(()) if self.failing && packets => {
                self.failing = false;
                events.emit(&Event::OutputRecovered { output: STEM });
            }
            Ok(()) => {}
            Err(error) => {
                if !std::mem::replace(&mut self.failing, true) {
                    events.emit(&Event::OutputFailed { output: STEM, error: &error });
                }
                self.failure.get_or_insert(error);
            }
        }
    }
}

//! Packets as they were captured, in a pcapng file (draft-ietf-opsawg-pcapng).

use std::{
    collections::HashMap,
    fs::File,
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use monitor_common::abi::Direction;
use monitor_core::record::AnyRecord;

use super::{Output, OutputError, PacketView, part::Part};
use crate::source::pcap::Interface;

/// Block types.
const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const PACKET: u32 = 6;

/// Options: the end of them, an interface's name and resolution, a packet's flags.
const END: u16 = 0;
const NAME: u16 = 2;
const RESOLUTION: u16 = 9;
const FLAGS: u16 = 2;

/// Longest name of an interface that is written: its block's length has room for it.
const NAME_MAX: usize = 255;

/// A pcapng file. Interfaces are described before their first packet, times are nanoseconds.
pub struct Save {
    to: Target,
    /// Numbers of the interfaces that were described, by file and number there.
    interfaces: HashMap<(u32, u32), u32>,
    block: Vec<u8>,
}

enum Target {
    Standard(BufWriter<io::Stdout>),
    File { part: Part, to: BufWriter<File> },
    Whole,
}

impl Save {
    /// Creates the file; `-` is standard output. One that is there is replaced only if `replace` says so.
    ///
    /// # Errors
    /// When it cannot be created or written.
    pub fn create(path: &Path, replace: bool) -> Result<Self, OutputError> {
        const BUFFER: usize = 1 << 18;
        let to = if path.as_os_str() == "-" {
            Target::Standard(BufWriter::with_capacity(BUFFER, io::stdout()))
        } else {
            let (part, file) = Part::create(path, replace)?;
            Target::File { part, to: BufWriter::with_capacity(BUFFER, file) }
        };
        let mut save = Self { to, interfaces: HashMap::new(), block: Vec::new() };
        save.block.extend(0x1a2b_3c4d_u32.to_ne_bytes());
        // Version 1.0, of a section whose length is not said.
        save.block.extend(1_u16.to_ne_bytes());
        save.block.extend(0_u16.to_ne_bytes());
        save.block.extend(u64::MAX.to_ne_bytes());
        save.write(SECTION)?;
        Ok(save)
    }

    /// Writes the block at hand.
    fn write(&mut self, kind: u32) -> Result<(), OutputError> {
        self.block.resize(self.block.len().next_multiple_of(4), 0);
        let length = (self.block.len() as u32 + 12).to_ne_bytes();
        let parts = [&kind.to_ne_bytes()[..], &length, &self.block, &length];
        let written = match &mut self.to {
            Target::Standard(to) => write_all(to, &parts).map_err(OutputError::Standard),
            Target::File { part, to } => write_all(to, &parts).map_err(OutputError::file(part.path())),
            Target::Whole => Ok(()),
        };
        self.block.clear();
        written
    }

    fn option(&mut self, code: u16, value: &[u8]) {
        self.block.extend(code.to_ne_bytes());
        self.block.extend((value.len() as u16).to_ne_bytes());
        self.block.extend(value);
        self.block.resize(self.block.len().next_multiple_of(4), 0);
    }

    /// The number of a packet's interface, which is described if it is new.
    fn interface(&mut self, view: &PacketView<'_>) -> Result<u32, OutputError> {
        let key = (view.frame.file, view.interface);
        if let Some(number) = self.interfaces.get(&key) {
            return Ok(*number);
        }
        let number = self.interfaces.len() as u32;
        self.interfaces.insert(key, number);
        let known = view.interfaces.get(view.interface as usize);
        self.block.extend((view.link_type as u16).to_ne_bytes());
        self.block.extend(0_u16.to_ne_bytes());
        self.block.extend(known.map_or(0, |interface| interface.snapshot).to_ne_bytes());
        let name = known.map(|interface: &Interface| interface.name.as_slice()).unwrap_or_default();
        if !name.is_empty() {
            self.option(NAME, name.get(..NAME_MAX).unwrap_or(name));
        }
        self.option(RESOLUTION, &[9]);
        self.option(END, &[]);
        self.write(INTERFACE)?;
        Ok(number)
    }
}

fn write_all(to: &mut impl Write, parts: &[&[u8]]) -> io::Result<()> {
    parts.iter().try_for_each(|part| to.write_all(part))
}

impl Output for Save {
    fn wants_packets(&self) -> bool {
        true
    }

    fn packet(&mut self, view: &PacketView<'_>) -> Result<(), OutputError> {
        let interface = self.interface(view)?;
        let time = view.frame.time;
        for word in [
            interface,
            (time >> 32) as u32,
            time as u32,
            view.captured.len() as u32,
            view.frame.length.max(view.captured.len() as u32),
        ] {
            self.block.extend(word.to_ne_bytes());
        }
        self.block.extend(view.captured);
        self.block.resize(self.block.len().next_multiple_of(4), 0);
        if let Some(way) = view.frame.way {
            let flags: u32 = if way == Direction::Receive { 1 } else { 2 };
            self.option(FLAGS, &flags.to_ne_bytes());
            self.option(END, &[]);
        }
        self.write(PACKET)
    }

    fn records(&mut self, _: &[AnyRecord]) -> Result<(), OutputError> {
        Ok(())
    }

    fn finish(&mut self) -> Result<(), OutputError> {
        match std::mem::replace(&mut self.to, Target::Whole) {
            Target::Standard(mut to) => to.flush().map_err(OutputError::Standard),
            Target::File { part, to } => {
                let path: PathBuf = part.path().to_owned();
                let file = to.into_inner().map_err(|e| OutputError::file(&path)(e.into_error()))?;
                part.commit(&file)
            }
            Target::Whole => Ok(()),
        }
    }
}

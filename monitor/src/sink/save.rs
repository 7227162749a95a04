//! Packets as they were captured, in a pcapng file.

use std::{
    collections::HashMap,
    fs::File,
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use monitor_core::record::AnyRecord;

use super::{
    OutputError, PacketView, Sink, Tally,
    part::Part,
    pcapng::{Blocks, Packet},
};

/// A pcapng file. Interfaces are described before their first packet, times are nanoseconds.
pub struct Save {
    /// `None`: it is whole.
    to: Option<Blocks<Target>>,
    /// Numbers of the interfaces that were described, by file and number there.
    interfaces: HashMap<(u32, u32), u32>,
}

enum Target {
    Standard(BufWriter<io::Stdout>),
    File { part: Part, to: BufWriter<File> },
}

impl Write for Target {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Standard(to) => to.write(bytes),
            Self::File { to, .. } => to.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Standard(to) => to.flush(),
            Self::File { to, .. } => to.flush(),
        }
    }
}

impl Target {
    fn error(&self, error: io::Error) -> OutputError {
        match self {
            Self::Standard(_) => OutputError::Standard(error),
            Self::File { part, .. } => OutputError::file(part.path())(error),
        }
    }
}

impl Save {
    /// Creates the file; `-` is standard output. One that is there is replaced only if `replace` says so.
    ///
    /// # Errors
    /// When it cannot be created or written.
    pub fn create(path: &Path, replace: bool, tally: &mut Tally) -> Result<Self, OutputError> {
        const BUFFER: usize = 1 << 18;
        let to = if path.as_os_str() == "-" {
            Target::Standard(BufWriter::with_capacity(BUFFER, io::stdout()))
        } else {
            let (part, file) = Part::at(path, replace, tally)?;
            Target::File { part, to: BufWriter::with_capacity(BUFFER, file) }
        };
        let mut save = Self { to: Some(Blocks::new(to)), interfaces: HashMap::new() };
        save.put(Blocks::section)?;
        Ok(save)
    }

    fn put(&mut self, write: impl FnOnce(&mut Blocks<Target>) -> io::Result<()>) -> Result<(), OutputError> {
        let Some(to) = &mut self.to else { return Ok(()) };
        write(to).map_err(|error| to.to_mut().error(error))
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
        let name = known.map(|interface| interface.name.as_slice()).unwrap_or_default();
        let snapshot = known.map_or(0, |interface| interface.snapshot);
        self.put(|to| to.interface(name, view.link_type as u16, snapshot))?;
        Ok(number)
    }
}

impl Sink for Save {
    fn wants_packets(&self) -> bool {
        true
    }

    fn packet(&mut self, view: &PacketView<'_>) -> Result<(), OutputError> {
        let packet = Packet {
            interface: self.interface(view)?,
            time: view.frame.time,
            length: view.frame.length,
            way: view.frame.way,
            bytes: view.captured,
        };
        self.put(|to| to.packet(&packet))
    }

    fn write(&mut self, _: &[AnyRecord], _: &mut Tally) -> Result<(), OutputError> {
        Ok(())
    }

    fn finish(&mut self, _: &mut Tally) -> Result<(), OutputError> {
        match self.to.take().map(Blocks::into_inner) {
            Some(Target::Standard(mut to)) => to.flush().map_err(OutputError::Standard),
            Some(Target::File { part, to }) => {
                let path: PathBuf = part.path().to_owned();
                let file = to.into_inner().map_err(|e| OutputError::file(&path)(e.into_error()))?;
                part.commit(&file)
            }
            None => Ok(()),
        }
    }
}

//! gzip and zstd, known by their first bytes, whatever the file is called.
//!
//! What is packed is unpacked on a thread of its own, some chunks ahead of who looks at it: it is most of the work of
//! reading such a file.

use std::{
    io::{self, BufRead, BufReader, Cursor, ErrorKind, Read},
    sync::mpsc::{Receiver, SyncSender, sync_channel},
};

use flate2::bufread::MultiGzDecoder;
use ruzstd::decoding::StreamingDecoder;

use super::error::Damage;

const GZIP: [u8; 2] = [0x1f, 0x8b];
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// Compressed bytes read at once.
const READ: usize = 256 << 10;
/// Plain bytes that are handed over at once.
const CHUNK: usize = 256 << 10;
/// Chunks that wait at most.
const WAITING: usize = 4;

/// What was read to know the format, and the rest behind it.
type Whole<R> = io::Chain<io::Take<Cursor<[u8; 4]>>, R>;

/// A plain stream, or one that is unpacked as it is read.
pub(super) enum Stream<R: Read> {
    Plain(Whole<R>),
    Gzip(Box<MultiGzDecoder<BufReader<Whole<R>>>>),
    Zstd(Zstd<BufReader<Whole<R>>>),
}

impl<R: Read> Stream<R> {
    /// Finds out what `reader` begins with.
    pub(super) fn open(mut reader: R) -> Result<Self, Damage> {
        let mut first = [0; 4];
        let mut length = 0;
        while let Some(room) = first.get_mut(length..)
            && !room.is_empty()
        {
            match reader.read(room) {
                Ok(0) => break,
                Ok(read) => length += read,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(e.into()),
            }
        }
        let whole = Cursor::new(first).take(length as u64).chain(reader);
        Ok(if first.starts_with(&GZIP) {
            Self::Gzip(Box::new(MultiGzDecoder::new(BufReader::with_capacity(READ, whole))))
        } else if first == ZSTD {
            Self::Zstd(Zstd::Between(BufReader::with_capacity(READ, whole)))
        } else {
            Self::Plain(whole)
        })
    }
}

impl<R: Read + Send + 'static> Stream<R> {
    /// The same, unpacked on a thread of its own where it is packed.
    pub(super) fn beside(self) -> Result<Box<dyn Read>, Damage> {
        match self {
            Self::Plain(plain) => Ok(Box::new(plain)),
            packed => Ok(Box::new(Ahead::start(packed)?)),
        }
    }
}

impl<R: Read> Read for Stream<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(plain) => plain.read(out),
            Self::Gzip(gzip) => gzip.read(out),
            Self::Zstd(zstd) => zstd.read(out),
        }
    }
}

/// What another thread reads.
struct Ahead {
    from: Receiver<io::Result<Vec<u8>>>,
    chunk: Vec<u8>,
    /// Bytes of the chunk that were taken.
    taken: usize,
}

impl Ahead {
    fn start(reader: impl Read + Send + 'static) -> io::Result<Self> {
        let (to, from) = sync_channel(WAITING);
        // It ends with the stream, or when nobody takes what it reads.
        std::thread::Builder::new().name("unpack".to_owned()).spawn(move || unpack(reader, &to))?;
        Ok(Self { from, chunk: Vec::new(), taken: 0 })
    }
}

fn unpack(mut reader: impl Read, to: &SyncSender<io::Result<Vec<u8>>>) {
    loop {
        let mut chunk = vec![0; CHUNK];
        let read = match reader.read(&mut chunk) {
            Ok(0) => return,
            Ok(read) => {
                chunk.truncate(read);
                Ok(chunk)
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => Err(error),
        };
        let last = read.is_err();
        if to.send(read).is_err() || last {
            return;
        }
    }
}

impl Read for Ahead {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.taken == self.chunk.len() {
            match self.from.recv() {
                Ok(chunk) => (self.chunk, self.taken) = (chunk?, 0),
                Err(_) => return Ok(0),
            }
        }
        let rest = self.chunk.get(self.taken..).unwrap_or_default();
        let read = rest.len().min(out.len());
        if let (Some(to), Some(from)) = (out.get_mut(..read), rest.get(..read)) {
            to.copy_from_slice(from);
        }
        self.taken += read;
        Ok(read)
    }
}

/// A zstd stream: any number of frames (RFC 8878, 3), which the decoder takes one by one.
pub(super) enum Zstd<R: BufRead> {
    Between(R),
    Frame(Box<StreamingDecoder<R, ruzstd::decoding::FrameDecoder>>),
    End,
}

impl<R: BufRead> Read for Zstd<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        loop {
            *self = match std::mem::replace(self, Self::End) {
                Self::End => return Ok(0),
                Self::Between(mut source) => {
                    if source.fill_buf()?.is_empty() {
                        return Ok(0);
                    }
                    Self::Frame(Box::new(StreamingDecoder::new(source).map_err(io::Error::other)?))
                }
                Self::Frame(mut decoder) => {
                    let read = decoder.read(out)?;
                    if read != 0 {
                        *self = Self::Frame(decoder);
                        return Ok(read);
                    }
                    Self::Between(decoder.into_inner())
                }
            };
        }
    }
}

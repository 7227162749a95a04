//! gzip and zstd, known by their first bytes, whatever the file is called.

use std::io::{self, BufRead, BufReader, Cursor, Read};

use flate2::bufread::MultiGzDecoder;
use ruzstd::decoding::StreamingDecoder;

use super::error::Damage;

const GZIP: [u8; 2] = [0x1f, 0x8b];
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// Compressed bytes read at once.
const READ: usize = 256 << 10;

/// The plain stream behind `reader`.
pub(super) fn decompress(mut reader: Box<dyn Read>) -> Result<Box<dyn Read>, Damage> {
    let mut first = [0; 4];
    let mut length = 0;
    while let Some(room) = first.get_mut(length..)
        && !room.is_empty()
    {
        match reader.read(room) {
            Ok(0) => break,
            Ok(read) => length += read,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e.into()),
        }
    }
    let head = Cursor::new(first).take(length as u64);
    let whole = head.chain(reader);
    Ok(if first.starts_with(&GZIP) {
        Box::new(MultiGzDecoder::new(BufReader::with_capacity(READ, whole)))
    } else if first == ZSTD {
        Box::new(Zstd::Between(BufReader::with_capacity(READ, whole)))
    } else {
        Box::new(whole)
    })
}

/// A zstd stream: any number of frames (RFC 8878, 3), which the decoder takes one by one.
enum Zstd<R: BufRead> {
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

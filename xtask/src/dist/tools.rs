//! Files, and what coreutils, gzip and xz do with bytes.

use std::fs;
use std::path::Path;

use crate::error::Error;
use crate::process::Program;

pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Error> {
    fs::read(path).map_err(|source| Error::File { operation: "read", path: path.to_owned(), source })
}

pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    fs::write(path, bytes).map_err(|source| Error::File { operation: "write", path: path.to_owned(), source })
}

fn remove(path: &Path) -> Result<(), Error> {
    fs::remove_file(path).map_err(|source| Error::File { operation: "remove", path: path.to_owned(), source })
}

/// Bytes through a program that replaces a file by `FILE.SUFFIX`.
fn replaced(bytes: &[u8], scratch: &Path, program: Program, suffix: &str) -> Result<Vec<u8>, Error> {
    write(scratch, bytes)?;
    program.arg(scratch).output()?;
    let mut made = scratch.as_os_str().to_owned();
    made.push(suffix);
    let packed = read(Path::new(&made))?;
    remove(Path::new(&made))?;
    Ok(packed)
}

/// Packed by gzip, without name and time.
pub(crate) fn gzip(bytes: &[u8], scratch: &Path) -> Result<Vec<u8>, Error> {
    replaced(bytes, scratch, Program::new("gzip").arg("-9nf"), ".gz")
}

/// The same, fast.
pub(crate) fn gzip_fast(bytes: &[u8], scratch: &Path) -> Result<Vec<u8>, Error> {
    replaced(bytes, scratch, Program::new("gzip").arg("-1nf"), ".gz")
}

/// Packed by xz, on one thread: more would make other bytes. What is thrown away is packed fast.
pub(crate) fn xz(bytes: &[u8], scratch: &Path, fast: bool) -> Result<Vec<u8>, Error> {
    let level = if fast { "-0" } else { "-6" };
    replaced(bytes, scratch, Program::new("xz").args([level, "-f", "--threads=1"]), ".xz")
}

/// SHA-256 in hexadecimal.
pub(crate) fn sha256(bytes: &[u8], scratch: &Path) -> Result<String, Error> {
    digest("sha256sum", bytes, scratch)
}

/// MD5, which packages of Debian list to find damage.
pub(crate) fn md5(bytes: &[u8], scratch: &Path) -> Result<String, Error> {
    digest("md5sum", bytes, scratch)
}

fn digest(program: &str, bytes: &[u8], scratch: &Path) -> Result<String, Error> {
    write(scratch, bytes)?;
    let line = Program::new(program).arg(scratch).output()?;
    remove(scratch)?;
    Ok(line.split_whitespace().next().unwrap_or_default().to_owned())
}

/// SHA-256 of a file.
pub(crate) fn sha256_of(path: &Path) -> Result<String, Error> {
    let line = Program::new("sha256sum").arg(path).output()?;
    Ok(line.split_whitespace().next().unwrap_or_default().to_owned())
}

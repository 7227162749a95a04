//! Deleting many keys, on kernels with and without the batch operation, whatever of them is there.

use std::{io, os::fd::OwnedFd};

use super::sys;

/// include/linux/errno.h: what maps without batch operations answer; not in the C library's list.
const ENOTSUPP: i32 = 524;

/// Keys in one system call.
const BATCH: usize = 4096;

/// Deletes all keys; one that is not there is no error.
pub(super) fn delete<K: aya::Pod>(map: &OwnedFd, keys: &[K]) -> io::Result<()> {
    for chunk in keys.chunks(BATCH) {
        let mut rest = chunk;
        while !rest.is_empty() {
            let (done, result) = sys::delete_batch(map, rest);
            rest = rest.get(done..).unwrap_or_default();
            let Err(error) = result else { continue };
            match error.raw_os_error() {
                // Not there: go on behind it.
                Some(libc::ENOENT) => rest = rest.get(1..).unwrap_or_default(),
                // No batch operation (before 5.6, or a hardened kernel): one by one.
                Some(libc::EINVAL | ENOTSUPP) => return one_by_one(map, rest),
                _ => return Err(error),
            }
        }
    }
    Ok(())
}

fn one_by_one<K: aya::Pod>(map: &OwnedFd, keys: &[K]) -> io::Result<()> {
    for key in keys {
        match sys::delete(map, key) {
            Err(e) if e.raw_os_error() != Some(libc::ENOENT) => return Err(e),
            _ => {}
        }
    }
    Ok(())
}

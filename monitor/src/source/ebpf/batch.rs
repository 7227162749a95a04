//! The keys of the flow table: finding one, and deleting many, on kernels with and without the batch operation.

use std::{io, marker::PhantomData};

use aya::maps::{HashMap, Map, MapData, MapError};

use super::sys;

/// include/linux/errno.h: what maps without batch operations answer; not in the C library's list.
const ENOTSUPP: i32 = 524;

/// Keys in one system call.
const BATCH: usize = 4096;

/// A hash map with keys of this type, and numbers.
pub(super) struct Keys<K> {
    map: Map,
    key: PhantomData<K>,
}

impl<K: aya::Pod> Keys<K> {
    /// # Errors
    /// When the map is another kind of map, or its keys and values have other sizes.
    pub(super) fn new(map: Map) -> Result<Self, MapError> {
        HashMap::<&MapData, K, u32>::try_from(&map)?;
        Ok(Self { map, key: PhantomData })
    }

    /// The number that a key has; `None`: it has none.
    pub(super) fn get(&self, key: &K) -> io::Result<Option<u32>> {
        let map = HashMap::<&MapData, K, u32>::try_from(&self.map).map_err(sys::cause)?;
        match map.get(key, 0) {
            Ok(number) => Ok(Some(number)),
            Err(MapError::KeyNotFound) => Ok(None),
            Err(error) => Err(sys::cause(error)),
        }
    }

    /// Deletes all keys; one that is not there is no error.
    pub(super) fn delete(&mut self, keys: &[K]) -> io::Result<()> {
        for chunk in keys.chunks(BATCH) {
            let mut rest = chunk;
            while !rest.is_empty() {
                let (done, result) = self.delete_batch(rest);
                rest = rest.get(done..).unwrap_or_default();
                let Err(error) = result else { continue };
                match error.raw_os_error() {
                    // Not there: go on behind it.
                    Some(libc::ENOENT) => rest = rest.get(1..).unwrap_or_default(),
                    // No batch operation (before 5.6, or a hardened kernel): one by one.
                    Some(libc::EINVAL | ENOTSUPP) => return self.one_by_one(rest),
                    _ => return Err(error),
                }
            }
        }
        Ok(())
    }

    #[expect(unsafe_code, reason = "a system call on memory whose size the map says")]
    fn delete_batch(&self, keys: &[K]) -> (usize, io::Result<()>) {
        let Map::HashMap(map) = &self.map else { return (0, Err(io::ErrorKind::InvalidInput.into())) };
        // SAFETY: the size of the keys was checked when the map was taken.
        unsafe { sys::delete_batch(map, keys) }
    }

    fn one_by_one(&mut self, keys: &[K]) -> io::Result<()> {
        let mut map = HashMap::<&mut MapData, K, u32>::try_from(&mut self.map).map_err(sys::cause)?;
        for key in keys {
            match map.remove(key).map_err(sys::cause) {
                Err(e) if e.raw_os_error() != Some(libc::ENOENT) => return Err(e),
                _ => {}
            }
        }
        Ok(())
    }
}

//! An archive in cpio's format `newc`, as the kernel unpacks it at boot
//! (Documentation/driver-api/early-userspace/buffer-format.rst).

use std::collections::BTreeSet;
use std::path::Path;

const DIRECTORY: u32 = 0o040_755;
const PROGRAM: u32 = 0o100_755;
const FILE: u32 = 0o100_644;
const LINK: u32 = 0o120_777;

/// The archive so far. Directories are made as files need them.
#[derive(Debug, Default)]
pub(crate) struct Archive {
    bytes: Vec<u8>,
    known: BTreeSet<String>,
    entries: u32,
}

impl Archive {
    /// A file that may be run. `path` is absolute; the first of two with one path stays.
    pub(crate) fn file(&mut self, path: &str, content: &[u8]) {
        self.add(path, PROGRAM, content);
    }

    /// A file that is read.
    pub(crate) fn text(&mut self, path: &str, content: &[u8]) {
        self.add(path, FILE, content);
    }

    /// A symbolic link.
    pub(crate) fn link(&mut self, path: &str, to: &str) {
        self.add(path, LINK, to.as_bytes());
    }

    /// An empty directory.
    pub(crate) fn directory(&mut self, path: &str) {
        self.add(path, DIRECTORY, &[]);
    }

    /// The whole archive.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.entry("TRAILER!!!", 0, &[]);
        self.bytes
    }

    fn add(&mut self, path: &str, mode: u32, content: &[u8]) {
        let parent = Path::new(path).parent().and_then(Path::to_str).unwrap_or("/");
        if parent != "/" && !self.known.contains(parent) {
            self.directory(parent);
        }
        if self.known.insert(path.to_owned()) {
            self.entry(path.trim_start_matches('/'), mode, content);
        }
    }

    fn entry(&mut self, name: &str, mode: u32, content: &[u8]) {
        self.entries += 1;
        let size = content.len() as u32;
        let links = 1;
        // inode, mode, owner, group, links, time, size, device, device of a node, length of the name, checksum
        let fields = [self.entries, mode, 0, 0, links, 0, size, 0, 0, 0, 0, name.len() as u32 + 1, 0];
        self.bytes.extend_from_slice(b"070701");
        for field in fields {
            self.bytes.extend_from_slice(format!("{field:08x}").as_bytes());
        }
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend_from_slice(content);
        self.pad();
    }

    /// Header with name, and content, each end at a multiple of four.
    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_brings_its_directories_once_and_is_aligned() {
        let mut archive = Archive::default();
        archive.file("/lib/a/one", b"12345");
        archive.file("/lib/a/two", b"");
        archive.file("/lib/a/two", b"not taken");
        let bytes = archive.finish();
        let text = String::from_utf8_lossy(&bytes);
        assert_eq!(text.matches("070701").count(), 5, "lib, lib/a, one, two and the end: {text}");
        assert!(text.contains("lib/a/one\0") && !text.contains("not taken"));
        assert_eq!(bytes.len() % 4, 0);
        let one = bytes.windows(5).position(|w| w == b"12345").unwrap();
        assert_eq!(one % 4, 0);
    }
}

//! A place for pins.

use std::path::PathBuf;

use crate::netns::run;

/// A BPF file system of a test's own.
pub struct BpfFs {
    directory: tempfile::TempDir,
}

impl BpfFs {
    /// A new one, empty.
    pub fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        run("mount", &["-t", "bpf", "bpf", directory.path().to_str().expect("UTF-8")]);
        Self { directory }
    }

    /// The directory for pins below it, which does not exist yet.
    pub fn pins(&self) -> PathBuf {
        self.directory.path().join("weir")
    }
}

impl Drop for BpfFs {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg("-l").arg(self.directory.path()).status();
    }
}

//! The host's programs, each with the shared libraries that it names: they run in the virtual machine as they were
//! built for here.

use std::fs;
use std::path::{Path, PathBuf};

use super::cpio::Archive;
use crate::error::Error;
use crate::process::{Program, find};

/// Programs that the tests start.
const STARTED: [&str; 5] = ["ip", "tc", "ethtool", "ping", "setpriv"];

/// Applets of busybox that the first process and the tests use. `ip` and `tc` are not among them.
const APPLETS: [&str; 12] =
    ["cat", "cut", "date", "insmod", "kill", "mkdir", "mount", "poweroff", "seq", "sysctl", "true", "uname"];

/// Parts of the C library that no program here names, and older ones do: all of it is of one build.
const C_LIBRARY: [&str; 8] = [
    "libanl.so.1",
    "libdl.so.2",
    "libm.so.6",
    "libnss_files.so.2",
    "libpthread.so.0",
    "libresolv.so.2",
    "librt.so.1",
    "libutil.so.1",
];

/// Programs and libraries by the path that they are to have.
#[derive(Debug, Default)]
pub(super) struct Programs(Vec<(String, Vec<u8>)>);

impl Programs {
    /// A shell, and what tests start.
    pub(super) fn of_tests() -> Result<Self, Error> {
        let mut programs = Self::default();
        programs.add(&here("busybox")?, "/bin/busybox")?;
        programs.add(Path::new("/bin/sh"), "/bin/sh")?;
        for name in STARTED {
            programs.add_here(name)?;
        }
        Ok(programs)
    }

    /// One of the host's, with its libraries.
    pub(super) fn add_here(&mut self, name: &'static str) -> Result<(), Error> {
        self.add(&here(name)?, &format!("/bin/{name}"))
    }

    /// A program with its libraries.
    pub(super) fn add(&mut self, from: &Path, to: &str) -> Result<(), Error> {
        self.0.push((to.to_owned(), read(from)?));
        // A static program has none, and ldd says no.
        let libraries = Program::new("ldd").arg(from).probe().unwrap_or_default();
        for library in paths(&libraries) {
            self.0.push((library.to_owned(), read(Path::new(library))?));
        }
        Ok(())
    }

    /// Without what debuggers need: it would have to fit into the machine's memory.
    pub(super) fn add_stripped(&mut self, from: &Path, to: &str) -> Result<(), Error> {
        let small = from.with_extension("stripped");
        Program::new("strip").arg("-o").arg(&small).arg(from).output()?;
        self.add(&small, to)?;
        fs::remove_file(&small).map_err(|source| Error::File { operation: "remove", path: small, source })
    }

    /// The libraries among them alone, and the whole C library: of two with one path the first one stays.
    pub(super) fn put_libraries(
        &self,
        archive: &mut Archive,
        place: impl Fn(&str) -> String,
    ) -> Result<(), Error> {
        for (path, content) in self.0.iter().filter(|(path, _)| path.contains(".so")) {
            archive.file(&place(path), content);
        }
        let library = self.0.iter().find_map(|(path, _)| path.strip_suffix("/libc.so.6"));
        for path in C_LIBRARY.iter().filter_map(|name| Some(format!("{}/{name}", library?))) {
            archive.file(&place(&path), &read(Path::new(&path))?);
        }
        Ok(())
    }

    /// Puts them into an archive, at paths that `place` makes of theirs.
    pub(super) fn put(&self, archive: &mut Archive, place: impl Fn(&str) -> String) {
        for (path, content) in &self.0 {
            archive.file(&place(path), content);
        }
        for applet in APPLETS {
            archive.link(&place(&format!("/bin/{applet}")), "busybox");
        }
    }
}

fn here(name: &'static str) -> Result<PathBuf, Error> {
    find(name)
        .ok_or_else(|| Error::Start { program: name.into(), source: std::io::ErrorKind::NotFound.into() })
}

pub(super) fn read(path: &Path) -> Result<Vec<u8>, Error> {
    fs::read(path).map_err(|source| Error::File { operation: "read", path: path.into(), source })
}

/// The libraries in what ldd prints.
fn paths(ldd: &str) -> impl Iterator<Item = &str> {
    ldd.lines().filter_map(|line| line.split_whitespace().find(|word| word.starts_with('/')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_libraries_and_the_loader() {
        let ldd = "\tlinux-vdso.so.1 (0x00007ffd)\n\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x7f)\n\
                   \t/lib64/ld-linux-x86-64.so.2 (0x7f)\n";
        let expected = ["/lib/x86_64-linux-gnu/libc.so.6", "/lib64/ld-linux-x86-64.so.2"];
        assert!(paths(ldd).eq(expected));
    }
}

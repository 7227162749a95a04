//! What runs in the virtual machine: the first process, the tests, the programs that they start.

use std::path::PathBuf;

use super::archive::{Kernel, MODULES};
use super::cpio::Archive;
use super::programs::{Programs, read};
use crate::error::Error;

/// Begins the line with the exit code of the tests. Without it the tests did not come to their end.
pub(crate) const END: &str = "weir-guest-end";

/// The first process. A kernel that panics, or a machine that hangs, never prints the last line.
const INIT: &str = r#"#!/bin/sh
export PATH=/bin WEIR_TEST_DEADLINE=300 WEIR_TEST_BINARY=/bin/weir
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t tmpfs run /run
mount -t tmpfs tmp /tmp
mkdir /run/netns
mount -t bpf bpf /sys/fs/bpf
for module in MODULES; do
  if [ -e /modules/$module.ko ]; then insmod /modules/$module.ko; fi
done
/tests --test-threads 1 --show-output ARGUMENTS
code=$?
if [ -e /agent-tests ]; then
  mount -t securityfs securityfs /sys/kernel/security
  # A kernel that is locked stays locked.
  for tests in 'guest::clock guest::memory pins::guest' guest::lockdown; do
    /agent-tests --test-threads 1 --show-output --ignored $tests || code=$?
  done
fi
echo "END $code"
poweroff -f
"#;

/// What cargo has built.
#[derive(Debug)]
pub(crate) struct Built {
    /// Tests of the kernel side.
    pub(crate) kernel: PathBuf,
    /// Tests of the agent; some set the clock, which a machine of its own is for.
    pub(crate) agent: PathBuf,
    /// The agent, which they start.
    pub(crate) weir: PathBuf,
}

/// The parts that all kernels share, made once; modules are added for each.
pub(crate) struct Guest {
    programs: Programs,
    init: String,
}

impl Guest {
    /// Collects the tests, to be run with arguments of the test harness, and what they need; those of the
    /// agent only if they are wanted.
    pub(crate) fn new(built: &Built, arguments: &[&str], agent: bool) -> Result<Self, Error> {
        let mut programs = Programs::of_tests()?;
        programs.add(&built.kernel, "/tests")?;
        if agent {
            programs.add_stripped(&built.agent, "/agent-tests")?;
            programs.add_stripped(&built.weir, "/bin/weir")?;
        }
        Ok(Self { programs, init: init(arguments) })
    }

    /// The root directory for one kernel.
    pub(crate) fn root(&self, kernel: &Kernel) -> Result<Vec<u8>, Error> {
        let mut root = Archive::default();
        for directory in ["/proc", "/sys", "/dev", "/run", "/tmp"] {
            root.directory(directory);
        }
        root.file("/init", self.init.as_bytes());
        self.programs.put(&mut root, str::to_owned);
        put_modules(&mut root, kernel)?;
        Ok(root.finish())
    }
}

/// A kernel's modules, from where the first process loads them.
pub(super) fn put_modules(root: &mut Archive, kernel: &Kernel) -> Result<(), Error> {
    for module in MODULES {
        let path = kernel.module(module);
        if path.exists() {
            root.file(&format!("/modules/{module}.ko"), &read(&path)?);
        }
    }
    Ok(())
}

fn init(arguments: &[&str]) -> String {
    INIT.replace("MODULES", &MODULES.join(" ")).replace("ARGUMENTS", &arguments.join(" ")).replace("END", END)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_process_says_how_the_tests_ended() {
        let script = init(&["features::"]);
        assert!(script.contains("--show-output features::\ncode=$?\n"), "{script}");
        assert!(script.contains("\necho \"weir-guest-end $code\"\n"), "{script}");
        assert!(script.contains("for module in veth "), "{script}");
    }
}

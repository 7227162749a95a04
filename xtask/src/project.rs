//! Where things are: the checkout, the target directory, the user's cargo.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::process::{Program, is_root};
use crate::version::Version;

/// The manifest that states the oldest compiler.
const MANIFEST: &str = include_str!("../../Cargo.toml");

/// A checkout of Weir.
#[derive(Debug)]
pub(crate) struct Project {
    root: PathBuf,
    target: PathBuf,
    cargo: OsString,
}

impl Project {
    /// Finds the checkout and makes sure that tasks can work on it.
    pub(crate) fn open() -> Result<Self, Error> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let root = fs::canonicalize(&root).map_err(|source| Error::File {
            operation: "find",
            path: root,
            source,
        })?;
        let target = match env::var_os("CARGO_TARGET_DIR") {
            Some(directory) => absolute(&directory)?,
            None => root.join("target"),
        };
        let project = Self { root, target, cargo: env::var_os("CARGO").unwrap_or_else(|| "cargo".into()) };
        project.refuse_sudo()?;
        project.refuse_old_cargo()?;
        Ok(project)
    }

    /// The checkout.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// cargo's target directory: `CARGO_TARGET_DIR`, else `target` in the checkout.
    pub(crate) fn target(&self) -> &Path {
        &self.target
    }

    /// Where setup puts the programs that it builds, one directory for each kind.
    pub(crate) fn tools(&self) -> PathBuf {
        self.target.join("tools")
    }

    /// The user's own cargo, in the checkout.
    pub(crate) fn cargo(&self) -> Program {
        Program::new(&self.cargo)
            .shown_as("cargo")
            .directory(&self.root)
            .env("CARGO_TARGET_DIR", &self.target)
    }

    /// Root must not write into the target directory of a user: cargo could not replace it later.
    fn refuse_sudo(&self) -> Result<(), Error> {
        let Some(user) = env::var("SUDO_USER").ok().filter(|user| user != "root") else { return Ok(()) };
        let owner = fs::metadata(&self.root)
            .map_err(|source| Error::File { operation: "look at", path: self.root.clone(), source })?
            .uid();
        if is_root()? && owner != 0 {
            return Err(Error::ThroughSudo { user, target: self.target.clone() });
        }
        Ok(())
    }

    fn refuse_old_cargo(&self) -> Result<(), Error> {
        let needed = rust_version(MANIFEST).ok_or(Error::NoRustVersion)?;
        let banner = self.cargo().arg("--version").output()?;
        match Version::of_banner(&banner) {
            Some(found) if found >= needed => Ok(()),
            Some(found) => Err(Error::OldCargo { found, needed }),
            None => Err(Error::Output { command: "cargo --version".into(), expected: "a version" }),
        }
    }
}

fn absolute(directory: &OsString) -> Result<PathBuf, Error> {
    std::path::absolute(directory).map_err(|source| Error::File {
        operation: "find",
        path: directory.into(),
        source,
    })
}

/// `rust-version` of a manifest.
fn rust_version(manifest: &str) -> Option<Version> {
    let value = manifest.lines().find_map(|line| line.strip_prefix("rust-version = \""))?;
    Version::parse(value.strip_suffix('"')?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manifest_states_the_oldest_compiler() {
        assert!(rust_version(MANIFEST).is_some());
        assert_eq!(
            rust_version("[workspace.package]\nrust-version = \"1.95\"\n"),
            Some(Version::new(1, 95, 0))
        );
        assert_eq!(rust_version("[workspace.package]\n"), None);
    }
}

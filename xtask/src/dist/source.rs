//! The source package: what git has, and the compiled kernel side, so that stable Rust alone builds a program that
//! counts: `cargo install --path monitor`.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::tools::{gzip, read, write};
use super::tree::Tree;
use super::{Release, tar};
use crate::error::Error;
use crate::process::Program;
use crate::project::Project;

/// Where `monitor/build.rs` looks for it.
const OBJECT: &str = "monitor/kernel/weir-ebpf";
const COMMIT: &str = "monitor/kernel/commit";

/// Writes the package, and says what its file is called.
pub(crate) fn write_package(
    project: &Project,
    release: &Release,
    object: &Path,
    directory: &Path,
) -> Result<String, Error> {
    let listed = Program::new("git").args(["ls-files", "-z"]).directory(project.root()).output()?;
    let mut files = Tree::default();
    for path in listed.split('\0').filter(|path| !path.is_empty()) {
        let from = project.root().join(path);
        let failed = |source| Error::File { operation: "look at", path: from.clone(), source };
        let kind = from.symlink_metadata().map_err(failed)?;
        if kind.is_symlink() {
            files.link(path, &std::fs::read_link(&from).map_err(failed)?.to_string_lossy());
        } else if kind.permissions().mode() & 0o100 != 0 {
            files.program(path, read(&from)?);
        } else {
            files.file(path, read(&from)?);
        }
    }
    files.file(OBJECT, read(object)?);
    files.file(COMMIT, format!("{}\n", release.commit));
    let name = format!("weir-{}-source.tar.gz", release.version);
    let bytes = tar::archive(&files, &format!("weir-{}/", release.version), release.time);
    write(&directory.join(&name), &gzip(&bytes, &directory.join("source.scratch"))?)?;
    Ok(name)
}

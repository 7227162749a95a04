//! The package of Fedora, RHEL, SUSE and their kin, by rpmbuild (Debian's package `rpm`).

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use super::Release;
use super::tools::{read, write};
use super::tree::{Content, Tree, empty};
use crate::error::Error;
use crate::process::Program;

/// Writes the package, and says what its file is called.
pub(crate) fn write_package(release: &Release, files: &Tree, directory: &Path) -> Result<String, Error> {
    let arch = release.arch.as_str();
    let name = format!("weir-{}-1.{arch}.rpm", release.version);
    let scratch = directory.join("rpm.scratch");
    empty(&scratch)?;
    let tree = scratch.join("tree");
    files.write(&tree)?;
    let spec = String::from_utf8_lossy(&read(&release.packaging.join("rpm/weir.spec"))?)
        .replace("@VERSION@", &release.version)
        .replace("w9.xzdio", if release.draft { "w1.gzdio" } else { "w9.xzdio" })
        .replace("@TREE@", &tree.display().to_string())
        .replace("@FILES@", &listed(files));
    let path = scratch.join("weir.spec");
    write(&path, spec.as_bytes())?;
    Program::new("rpmbuild")
        .args(["-bb", "--quiet", "--target", arch, "--define"])
        .arg(format!("_topdir {}", scratch.display()))
        .arg(&path)
        .env("SOURCE_DATE_EPOCH", release.time.to_string())
        .env("LC_ALL", "C")
        .output()?;
    let made = scratch.join("RPMS").join(arch).join(&name);
    fs::rename(&made, directory.join(&name)).map_err(|source| Error::File {
        operation: "move",
        path: made,
        source,
    })?;
    fs::remove_dir_all(&scratch).map_err(|source| Error::File {
        operation: "remove",
        path: scratch,
        source,
    })?;
    Ok(name)
}

/// The spec's list of files: those of settings are kept when they were changed, and directories that are not ours
/// alone stay the system's.
fn listed(files: &Tree) -> String {
    files.entries().fold(String::new(), |mut list, (path, entry)| {
        // Writing to a string cannot fail.
        let _ = match &entry.content {
            Content::Directory if path.split('/').any(|name| name == "weir") => {
                writeln!(list, "%dir %attr(0{:o},root,root) /{path}", entry.mode)
            }
            Content::Directory => Ok(()),
            _ if path.starts_with("etc/") => {
                writeln!(list, "%config(noreplace) %attr(0{:o},root,root) /{path}", entry.mode)
            }
            Content::Link(_) => writeln!(list, "/{path}"),
            Content::File(_) => writeln!(list, "%attr(0{:o},root,root) /{path}", entry.mode),
        };
        list
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_kept_and_directories_of_the_system_are_not_owned() {
        let mut files = Tree::default();
        files.program("usr/bin/weir", "");
        files.file("etc/weir/weir.toml", "");
        assert_eq!(
            listed(&files),
            "%dir %attr(0755,root,root) /etc/weir\n%config(noreplace) %attr(0644,root,root) /etc/weir/weir.toml\n\
             %attr(0755,root,root) /usr/bin/weir\n"
        );
    }
}

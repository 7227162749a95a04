//! Files of a package before they are one: paths, modes, contents, in an order that is always the same.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use crate::error::Error;

/// What a path holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// A file.
    File(Vec<u8>),
    /// A symbolic link.
    Link(String),
    /// A directory.
    Directory,
}

/// A path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) mode: u32,
    pub(crate) content: Content,
    /// `security.capability`, if the file has such.
    pub(crate) capability: Option<Vec<u8>>,
}

/// Everything of root's, without a leading `/`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tree(BTreeMap<String, Entry>);

impl Tree {
    /// A file that is read.
    pub(crate) fn file(&mut self, path: &str, content: impl Into<Vec<u8>>) {
        self.add(path, 0o644, Content::File(content.into()));
    }

    /// A file that is run.
    pub(crate) fn program(&mut self, path: &str, content: impl Into<Vec<u8>>) {
        self.add(path, 0o755, Content::File(content.into()));
    }

    /// A directory with a mode of its own.
    pub(crate) fn directory(&mut self, path: &str, mode: u32) {
        self.add(path, mode, Content::Directory);
    }

    /// A symbolic link.
    pub(crate) fn link(&mut self, path: &str, to: &str) {
        self.add(path, 0o777, Content::Link(to.to_owned()));
    }

    /// Gives a file capabilities.
    pub(crate) fn capability(&mut self, path: &str, capability: Vec<u8>) {
        if let Some(entry) = self.0.get_mut(path) {
            entry.capability = Some(capability);
        }
    }

    /// Paths with what they hold, each directory before what is in it.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&str, &Entry)> {
        self.0.iter().map(|(path, entry)| (path.as_str(), entry))
    }

    fn add(&mut self, path: &str, mode: u32, content: Content) {
        for (at, _) in path.match_indices('/') {
            let parent = Entry { mode: 0o755, content: Content::Directory, capability: None };
            self.0.entry(path[..at].to_owned()).or_insert(parent);
        }
        self.0.insert(path.to_owned(), Entry { mode, content, capability: None });
    }

    /// Lays it out below a directory, which is emptied first.
    pub(crate) fn write(&self, root: &Path) -> Result<(), Error> {
        empty(root)?;
        for (path, entry) in self.entries() {
            let path = root.join(path);
            let written = match &entry.content {
                Content::Directory => fs::create_dir_all(&path),
                Content::Link(to) => symlink(to, &path),
                Content::File(bytes) => fs::write(&path, bytes),
            };
            let mode = || match entry.content {
                Content::Link(_) => Ok(()),
                _ => fs::set_permissions(&path, fs::Permissions::from_mode(entry.mode)),
            };
            written.and_then(|()| mode()).map_err(|source| Error::File {
                operation: "write",
                path: path.clone(),
                source,
            })?;
        }
        Ok(())
    }
}

/// A directory without anything in it.
pub(crate) fn empty(path: &Path) -> Result<(), Error> {
    let failed = |operation| move |source| Error::File { operation, path: path.to_owned(), source };
    match fs::remove_dir_all(path) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => Err(failed("remove")(source)),
        _ => fs::create_dir_all(path).map_err(failed("create")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_stand_before_what_is_in_them_and_keep_their_modes() {
        let mut tree = Tree::default();
        tree.program("usr/bin/weir", "x");
        tree.directory("etc/weir", 0o750);
        tree.file("etc/weir/weir.toml", "");
        let paths: Vec<_> = tree.entries().map(|(path, entry)| (path, entry.mode)).collect();
        let expected = [
            ("etc", 0o755),
            ("etc/weir", 0o750),
            ("etc/weir/weir.toml", 0o644),
            ("usr", 0o755),
            ("usr/bin", 0o755),
        ];
        assert_eq!(paths[..5], expected);
    }
}

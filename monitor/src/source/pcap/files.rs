//! Which files are meant: paths, and patterns that the shell was kept from expanding.

use std::{
    ffi::OsStr,
    fs, io,
    os::unix::ffi::OsStrExt,
    path::{Component, Path, PathBuf},
};

use super::CaptureError;
use crate::config::types::glob;

/// The files of an argument: itself if there is such a file, those in it if it is a directory, else those that it
/// matches as a pattern (`*` and `?` within names), in the order of their names.
///
/// # Errors
/// When a pattern matches nothing, or a directory has no files. Any other path is returned as it is.
pub fn expand(argument: &Path) -> Result<Vec<PathBuf>, CaptureError> {
    if argument.is_dir() {
        let mut found = matching(argument, Component::Normal(OsStr::new("*")));
        found.retain(|path| path.is_file());
        return some(found, argument, "no file is in the directory");
    }
    if !is_pattern(argument.as_os_str()) || argument.exists() {
        return Ok(vec![argument.to_owned()]);
    }
    let mut found = vec![PathBuf::new()];
    for component in argument.components() {
        found = found.into_iter().flat_map(|base| matching(&base, component)).collect();
    }
    found.retain(|path| path.exists());
    some(found, argument, "no file matches the pattern")
}

/// At least one file, or an error that says why there is none.
fn some(found: Vec<PathBuf>, argument: &Path, why: &str) -> Result<Vec<PathBuf>, CaptureError> {
    if found.is_empty() {
        let source = io::Error::new(io::ErrorKind::NotFound, why);
        return Err(CaptureError::Open { name: argument.display().to_string(), source });
    }
    Ok(found)
}

fn is_pattern(name: &OsStr) -> bool {
    name.as_bytes().iter().any(|byte| matches!(byte, b'*' | b'?'))
}

/// What a component of a pattern leads to from `base`, sorted by name.
fn matching(base: &Path, component: Component<'_>) -> Vec<PathBuf> {
    let name = component.as_os_str();
    if !matches!(component, Component::Normal(_)) || !is_pattern(name) {
        return vec![base.join(name)];
    }
    let directory = if base.as_os_str().is_empty() { Path::new(".") } else { base };
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let hidden = |of: &OsStr| of.as_bytes().starts_with(b".");
    let mut names: Vec<_> = entries
        .filter_map(|entry| entry.ok().map(|entry| entry.file_name()))
        .filter(|found| glob(name.as_bytes(), found.as_bytes()) && (hidden(name) || !hidden(found)))
        .collect();
    names.sort_unstable();
    names.into_iter().map(|found| base.join(found)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_names_in_order_through_directories() {
        let directory = tempfile::tempdir().expect("a directory");
        let root = directory.path();
        for name in ["b/2.pcap", "a/10.pcap", "a/9.pcap", "a/.9.pcap", "a/9.txt", "c.pcap"] {
            let path = root.join(name);
            fs::create_dir_all(path.parent().expect("a parent")).expect("created");
            fs::write(path, b"").expect("written");
        }
        let found = |pattern: &str| {
            let found = expand(&root.join(pattern)).expect("files");
            let names =
                found.iter().map(|path| path.strip_prefix(root).expect("below").display().to_string());
            names.collect::<Vec<_>>()
        };
        assert_eq!(found("*/*.pcap"), ["a/10.pcap", "a/9.pcap", "b/2.pcap"]);
        assert_eq!(found("?/?.pcap"), ["a/9.pcap", "b/2.pcap"]);
        assert_eq!(found("missing.pcap"), ["missing.pcap"]);
        assert!(matches!(expand(&root.join("*.gz")), Err(CaptureError::Open { .. })));
        assert_eq!(found("a"), ["a/10.pcap", "a/9.pcap", "a/9.txt"], "a directory");
        fs::create_dir(root.join("empty")).expect("created");
        assert!(matches!(expand(&root.join("empty")), Err(CaptureError::Open { .. })));
        fs::write(root.join("*.pcap"), b"").expect("written");
        assert_eq!(found("*.pcap"), ["*.pcap"], "a file of that very name");
    }
}

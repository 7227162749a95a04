//! Which files packages install, and where.

use std::fs;
use std::path::Path;

use super::Release;
use super::tools::{gzip, read};
use super::tree::{Content, Tree};
use crate::error::Error;
use crate::process::Program;
use crate::project::Project;

/// Units as packages install them.
const UNITS: [&str; 3] = ["weir.service", "weir.socket", "run-weir.mount"];
const LICENCES: [&str; 2] = ["LICENSE-MIT", "LICENSE-APACHE"];

/// What `weir documents` wrote: manual pages, completions, the sample of the config file.
#[derive(Debug)]
pub(crate) struct Documents(Vec<(String, Vec<u8>)>);

impl Documents {
    /// Has a program that runs on this machine write them.
    pub(crate) fn of(program: &Path, scratch: &Path) -> Result<Self, Error> {
        super::tree::empty(scratch)?;
        Program::new(program).arg("documents").arg(scratch).output()?;
        let mut written = Vec::new();
        for directory in ["", "man", "completions"] {
            for name in names(&scratch.join(directory))? {
                let path = scratch.join(directory).join(&name);
                if path.is_file() {
                    written.push((
                        format!("{directory}/{name}").trim_start_matches('/').to_owned(),
                        read(&path)?,
                    ));
                }
            }
        }
        fs::remove_dir_all(scratch).map_err(|source| Error::File {
            operation: "remove",
            path: scratch.to_owned(),
            source,
        })?;
        Ok(Self(written))
    }

    /// One of them.
    fn named(&self, name: &str) -> Result<&[u8], Error> {
        let found = self.0.iter().find(|(path, _)| path == name);
        found.map(|(_, content)| content.as_slice()).ok_or_else(|| Error::Check {
            findings: vec![format!("`weir documents` did not write {name}")],
            hint: "packages install it",
        })
    }
}

/// Names in a directory, in order.
pub(crate) fn names(directory: &Path) -> Result<Vec<String>, Error> {
    let failed = |source| Error::File { operation: "list", path: directory.to_owned(), source };
    let entries = fs::read_dir(directory).map_err(failed)?.collect::<Result<Vec<_>, _>>().map_err(failed)?;
    let mut names: Vec<_> =
        entries.iter().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    Ok(names)
}

/// All of it. `zsh`: the directory in which this system's zsh looks.
pub(crate) fn all(
    project: &Project,
    release: &Release,
    program: &[u8],
    documents: &Documents,
    zsh: &str,
    scratch: &Path,
) -> Result<Tree, Error> {
    let mut files = Tree::default();
    let root = project.root();
    files.program("usr/bin/weir", program);
    for unit in UNITS {
        files.file(&format!("usr/lib/systemd/system/{unit}"), read(&release.packaging.join(unit))?);
    }
    files.file("usr/lib/sysusers.d/weir.conf", read(&release.packaging.join("sysusers/weir.conf"))?);
    files.file("usr/share/weir/weir-pins.conf", read(&release.packaging.join("weir-pins.conf"))?);
    files.file("etc/weir/weir.toml", documents.named("weir.toml")?);
    for (path, content) in documents.0.iter().filter(|(path, _)| path.starts_with("man/")) {
        let name = path.trim_start_matches("man/");
        files.file(&format!("usr/share/man/man1/{name}.gz"), gzip(content, scratch)?);
    }
    for (from, to) in [
        ("completions/weir.bash", "usr/share/bash-completion/completions/weir"),
        ("completions/_weir", zsh),
        ("completions/weir.fish", "usr/share/fish/vendor_completions.d/weir.fish"),
    ] {
        files.file(to, documents.named(from)?);
    }
    for (from, to) in [("dashboards", "dashboards"), ("dashboards/rules", "rules")] {
        for name in names(&root.join(from))? {
            let path = root.join(from).join(&name);
            if path.is_file() {
                files.file(&format!("usr/share/weir/{to}/{name}"), read(&path)?);
            }
        }
    }
    files.file("usr/share/doc/weir/changelog.gz", gzip(&read(&root.join("CHANGELOG.md"))?, scratch)?);
    for (path, entry) in licences(project)?.entries() {
        if let Content::File(content) = &entry.content {
            files.file(path, content.clone());
        }
    }
    Ok(files)
}

/// The licences alone.
pub(crate) fn licences(project: &Project) -> Result<Tree, Error> {
    let mut files = Tree::default();
    let mut copyright = String::from(
        "Weir is under MIT or Apache-2.0, as you like; the texts follow. The crates that the program is made of, with\n\
         their licences, are in the bill of materials of the release (weir-*.cdx.json).\n",
    );
    for licence in LICENCES {
        copyright = format!("{copyright}\n== {licence}\n\n");
        copyright.push_str(&String::from_utf8_lossy(&read(&project.root().join(licence))?));
    }
    files.file("usr/share/doc/weir/copyright", copyright);
    Ok(files)
}

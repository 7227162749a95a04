//! install.sh: it takes what fits, and nothing that is not what its sum says.

use std::fs;
use std::path::Path;

use super::packages::sums;
use crate::dist;
use crate::error::Error;
use crate::process::Program;
use crate::project::Project;

/// Installs below a directory, twice: as it is, and with a file that was changed.
pub(super) fn test(project: &Project, directory: &Path) -> Result<(), Error> {
    let mut findings = Vec::new();
    let listed = sums(directory)?;
    for name in dist::names(directory)?.iter().filter(|name| *name != "SHA256SUMS") {
        if !listed.contains(name) {
            findings.push(format!("SHA256SUMS lacks {name}"));
        }
    }
    let prefix = project.target().join("dist-prefix");
    let script = directory.join("install.sh");
    let install =
        |from: &Path| Program::new("sh").arg(&script).arg("--from").arg(from).arg("--prefix").arg(&prefix);
    dist::empty(&prefix)?;
    let said = install(directory).output()?;
    if !said.contains("its sum is that of SHA256SUMS") {
        findings.push(format!("it does not say that it checked: {said}"));
    }
    Program::new(prefix.join("bin/weir")).arg("version").output()?;
    if !prefix.join("share/man/man1/weir.1.gz").exists() {
        findings.push("it installs no manual".to_owned());
    }
    // A release of which one file was changed on the way.
    let bent = project.target().join("dist-bent");
    dist::empty(&bent)?;
    dist::empty(&prefix)?;
    for name in
        dist::names(directory)?.iter().filter(|name| *name == "SHA256SUMS" || name.ends_with(".tar.gz"))
    {
        let (from, to) = (directory.join(name), bent.join(name));
        fs::copy(&from, &to).map_err(|source| Error::File { operation: "copy", path: from, source })?;
        if name.ends_with(".tar.gz") {
            let append = "printf x >>\"$1\"";
            Program::new("sh").args(["-c", append, "sh"]).arg(&to).output()?;
        }
    }
    if install(&bent).probe().is_some() || prefix.join("bin/weir").exists() {
        findings.push("it installs what is not what SHA256SUMS says".to_owned());
    }
    for made in [&bent, &prefix] {
        dist::empty(made)?;
    }
    if findings.is_empty() { Ok(()) } else { Err(Error::Check { findings, hint: "packaging/install.sh" }) }
}

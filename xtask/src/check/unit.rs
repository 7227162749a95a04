//! systemd's own opinion of the unit in packaging/: that it is well-formed, and how much it leaves open.

use std::fs;

use crate::error::Error;
use crate::process::{Program, find};
use crate::project::Project;

/// Most exposure that is accepted, as `systemd-analyze security` puts it: 0 to 10.
const MOST: f64 = 3.0;
/// The units.
const UNITS: [&str; 2] = ["packaging/weir.service", "packaging/weir.socket"];

/// Fails when a unit is wrong or leaves too much open. Returns the exposure; `None`: there is no systemd-analyze.
pub(crate) fn run(project: &Project) -> Result<Option<f64>, Error> {
    if find("systemd-analyze").is_none() {
        return Ok(None);
    }
    verify(project)?;
    let said = Program::new("systemd-analyze")
        .directory(project.root())
        .args(["security", "--offline=true", "--no-pager", UNITS[0]])
        .env("LC_ALL", "C")
        .output()?;
    let exposure = exposure(&said)
        .ok_or(Error::Output { command: "systemd-analyze security".into(), expected: "an exposure level" })?;
    if exposure <= MOST {
        eprintln!("{}: exposure {exposure} (at most {MOST})", UNITS[0]);
        return Ok(Some(exposure));
    }
    let findings = vec![format!("{}: exposure {exposure}, more than {MOST}", UNITS[0])];
    Err(Error::Check {
        findings,
        hint: "`systemd-analyze security --offline=true` says what each line costs",
    })
}

/// The units, with a program that is there in place of the one that is installed later.
fn verify(project: &Project) -> Result<(), Error> {
    let directory = project.target().join("units");
    let failed = |path: &std::path::Path| {
        let path = path.to_owned();
        move |source| Error::File { operation: "write", path, source }
    };
    fs::create_dir_all(&directory).map_err(failed(&directory))?;
    let mut copies = Vec::new();
    for unit in UNITS {
        let path = project.root().join(unit);
        let text = fs::read_to_string(&path).map_err(|source| Error::File {
            operation: "read",
            path: path.clone(),
            source,
        })?;
        let copy = directory.join(path.file_name().unwrap_or_default());
        fs::write(&copy, text.replace("/usr/bin/weir", "/bin/true")).map_err(failed(&copy))?;
        copies.push(copy);
    }
    // A misspelt key is a warning to it, and no failure: what it says is the finding.
    let said = Program::new("sh")
        .shown_as("systemd-analyze verify")
        .args(["-c", "systemd-analyze verify --man=no --recursive-errors=no \"$@\" 2>&1 || true", "sh"])
        .args(&copies)
        .output()?;
    let findings: Vec<String> =
        said.lines().filter(|line| line.contains("weir.")).map(|line| line.trim().to_owned()).collect();
    if findings.is_empty() { Ok(()) } else { Err(Error::Check { findings, hint: "see systemd.exec(5)" }) }
}

/// The number of `→ Overall exposure level for weir.service: 1.9 OK`.
fn exposure(said: &str) -> Option<f64> {
    let (_, rest) = said.split_once("Overall exposure level for ")?;
    rest.split_once(": ")?.1.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_exposure() {
        assert_eq!(exposure("x\n→ Overall exposure level for weir.service: 1.9 OK :)\n"), Some(1.9));
        assert_eq!(exposure("nothing"), None);
    }
}

//! systemd's own opinion of the units in packaging/: that they are well-formed, and how much the service leaves open.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::process::{Program, find};
use crate::project::Project;

/// Most exposure that is accepted, as `systemd-analyze security` puts it: 0 to 10.
const MOST: f64 = 3.0;
/// The service, and all of its files by where they go below systemd's directory of units.
const SERVICE: &str = "weir.service";
const FILES: [&str; 4] = [SERVICE, "weir.socket", "run-weir.mount", "weir.service.d/weir-pins.conf"];

/// Fails when a unit is wrong or leaves too much open. Returns the exposure; `None`: there is no systemd-analyze.
pub(crate) fn run(project: &Project) -> Result<Option<f64>, Error> {
    if find("systemd-analyze").is_none() {
        return Ok(None);
    }
    let directory = install(project)?;
    verify(&directory)?;
    let said = Program::new("systemd-analyze")
        .directory(&directory)
        .args(["security", "--offline=true", "--no-pager", &format!("./{SERVICE}")])
        .env("LC_ALL", "C")
        .output()?;
    let exposure = exposure(&said)
        .ok_or(Error::Output { command: "systemd-analyze security".into(), expected: "an exposure level" })?;
    if exposure <= MOST {
        eprintln!("{SERVICE}: exposure {exposure} (at most {MOST})");
        return Ok(Some(exposure));
    }
    let findings = vec![format!("{SERVICE}: exposure {exposure}, more than {MOST}")];
    Err(Error::Check {
        findings,
        hint: "`systemd-analyze security --offline=true` says what each line costs",
    })
}

/// Copies of all files, with a program that is there in place of the one that is installed later.
fn install(project: &Project) -> Result<PathBuf, Error> {
    let directory = project.target().join("units");
    for file in FILES {
        let failed = |operation, path: &Path| {
            let path = path.to_owned();
            move |source| Error::File { operation, path, source }
        };
        let to = directory.join(file);
        let above = to.parent().unwrap_or(&directory);
        fs::create_dir_all(above).map_err(failed("create", above))?;
        let from = project.root().join("packaging").join(to.file_name().unwrap_or_default());
        let text = fs::read_to_string(&from).map_err(failed("read", &from))?;
        fs::write(&to, text.replace("/usr/bin/weir", "/bin/true")).map_err(failed("write", &to))?;
    }
    Ok(directory)
}

fn verify(directory: &Path) -> Result<(), Error> {
    // A misspelt key is a warning to it, and no failure: what it says is the finding.
    let said = Program::new("sh")
        .shown_as("systemd-analyze verify")
        .directory(directory)
        .args(["-c", "systemd-analyze verify --man=no --recursive-errors=no \"$@\" 2>&1 || true", "sh"])
        .args(FILES.iter().filter(|file| !file.contains('/')).map(|file| format!("./{file}")))
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

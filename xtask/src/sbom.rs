//! `cargo xtask sbom`: what the program is made of, as a `CycloneDX` file (SBOM) by cargo-cyclonedx.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use crate::error::Error;
use crate::project::Project;

/// The release of cargo-cyclonedx that is built.
const VERSION: &str = "0.5.9";

/// Writes `target/weir.cdx.json` and sees that every crate of the program is in it; returns where it is.
pub(crate) fn run(project: &Project) -> Result<PathBuf, Error> {
    let tool = crate::tools::subcommand(project, "cargo-cyclonedx", VERSION)?;
    let made = project.root().join("monitor/weir.cdx.json");
    project
        .cargo()
        .args(["cyclonedx", "--manifest-path", "monitor/Cargo.toml", "--format", "json", "--quiet"])
        .args(["--override-filename", "weir.cdx", "--spec-version", "1.5", "--target", TARGET])
        .env("PATH", crate::tools::path_with(&tool))
        // Without a date of its own the file is the same for the same lock file.
        .env("SOURCE_DATE_EPOCH", "0")
        .run()?;
    let kept = project.target().join("weir.cdx.json");
    let text = fs::read_to_string(&made).map_err(|source| Error::File {
        operation: "read",
        path: made.clone(),
        source,
    })?;
    for member in ["monitor", "monitor-common", "monitor-core", "monitor-ebpf", "testing", "xtask", "fuzz"] {
        // One a member of the workspace; the program's is the one that is kept.
        drop(fs::remove_file(project.root().join(member).join("weir.cdx.json")));
    }
    fs::write(&kept, &text).map_err(|source| Error::File {
        operation: "write",
        path: kept.clone(),
        source,
    })?;
    let listed = components(&text)?;
    let findings: Vec<String> = crates(project)?
        .into_iter()
        .filter(|(name, version)| !listed.contains(&(name.clone(), version.clone())))
        .map(|(name, version)| format!("the SBOM lacks {name} {version}"))
        .collect();
    if findings.is_empty() {
        eprintln!("{}: {} components", kept.display(), listed.len());
        return Ok(kept);
    }
    Err(Error::Check { findings, hint: "cargo-cyclonedx left out what the program is built with" })
}

const TARGET: &str =
    if cfg!(target_arch = "aarch64") { "aarch64-unknown-linux-gnu" } else { "x86_64-unknown-linux-gnu" };

/// Names and versions of the components.
fn components(text: &str) -> Result<BTreeSet<(String, String)>, Error> {
    let wrong = || Error::Output { command: "cargo cyclonedx".into(), expected: "a CycloneDX file in JSON" };
    let file: serde_json::Value = serde_json::from_str(text).map_err(|_| wrong())?;
    let list = file["components"].as_array().ok_or_else(wrong)?;
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    Ok(list.iter().map(|component| (text(&component["name"]), text(&component["version"]))).collect())
}

/// Every crate that the program is built with, without the workspace's own.
fn crates(project: &Project) -> Result<BTreeSet<(String, String)>, Error> {
    let tree = project
        .cargo()
        .args(["tree", "--locked", "--quiet", "--package", "monitor", "--target", TARGET])
        .args(["--edges", "normal", "--prefix", "none", "--no-dedupe"])
        .output()?;
    Ok(packages(&tree))
}

fn packages(tree: &str) -> BTreeSet<(String, String)> {
    tree.lines()
        .filter(|line| !line.contains(" (/"))
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            Some((words.next()?.to_owned(), words.next()?.strip_prefix('v')?.to_owned()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crates_of_the_tree_are_found_in_the_file_or_missed() {
        let tree = "monitor v0.1.0 (/weir/monitor)\naya v0.14.0\naya-obj v0.2.1\naya v0.14.0 (*)\n";
        let file = r#"{"components":[{"name":"aya","version":"0.14.0"}]}"#;
        let listed = components(file).unwrap();
        let missing: Vec<_> = packages(tree).into_iter().filter(|crate_| !listed.contains(crate_)).collect();
        assert_eq!(missing, [("aya-obj".to_owned(), "0.2.1".to_owned())]);
        assert!(components("{}").is_err());
    }
}

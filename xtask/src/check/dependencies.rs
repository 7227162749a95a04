//! docs/dependencies.md says why each direct dependency is there, and names no other: crates, and after a heading
//! of their own the npm packages of the live page.

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;

use crate::error::Error;
use crate::project::Project;

/// What stands before the packages of npm.
const PAGE: &str = "\n## The live page\n";
/// What names them.
const MANIFEST: &str = "monitor/page/package.json";

/// Fails with each crate or package that lacks a row, and each row that lacks one.
pub(crate) fn run(project: &Project) -> Result<(), Error> {
    let path = project.root().join("docs/dependencies.md");
    let table =
        fs::read_to_string(&path).map_err(|source| Error::File { operation: "read", path, source })?;
    let tree = project
        .cargo()
        .args(["tree", "--locked", "--quiet", "--workspace", "--all-features", "--target", "all"])
        .args(["--no-dedupe", "--depth", "1", "--edges", "normal,build,dev", "--prefix", "depth"])
        .output()?;
    let (crates, packages) = table.split_once(PAGE).unwrap_or((&table, ""));
    let manifest = manifest(project)?;
    let mut findings = differences(&direct(&tree), &rows(crates));
    findings.extend(differences(&named(&manifest), &rows(packages)));
    if findings.is_empty() {
        return Ok(());
    }
    Err(Error::Check { findings, hint: "one row a crate or package: `| crate | used in | why |`" })
}

fn manifest(project: &Project) -> Result<Value, Error> {
    let path = project.root().join(MANIFEST);
    let failed = |source: std::io::Error| Error::File { operation: "read", path: path.clone(), source };
    let text = fs::read(&path).map_err(failed)?;
    serde_json::from_slice(&text).map_err(|error| failed(error.into()))
}

/// Packages that a manifest of npm names.
fn named(manifest: &Value) -> BTreeSet<&str> {
    let kinds = ["dependencies", "devDependencies"];
    kinds
        .iter()
        .filter_map(|kind| manifest[kind].as_object())
        .flatten()
        .map(|(name, _)| name.as_str())
        .collect()
}

/// Names at depth 1 of `cargo tree --prefix depth` that do not come from this checkout.
fn direct(tree: &str) -> BTreeSet<&str> {
    tree.lines()
        .filter_map(|line| line.strip_prefix('1'))
        .filter(|package| !package.contains(" (/"))
        .filter_map(|package| package.split_whitespace().next())
        .collect()
}

/// First cells of the table, without its head.
fn rows(table: &str) -> BTreeSet<&str> {
    table
        .lines()
        .filter_map(|line| line.strip_prefix('|')?.split('|').next())
        .map(|cell| cell.trim().trim_matches('`'))
        .filter(|cell| {
            !["crate", "package"].contains(cell) && !cell.starts_with("--") && !cell.starts_with(":-")
        })
        .collect()
}

fn differences(used: &BTreeSet<&str>, explained: &BTreeSet<&str>) -> Vec<String> {
    let missing = used.difference(explained).map(|name| format!("docs/dependencies.md lacks {name}"));
    let stale =
        explained.difference(used).map(|name| format!("docs/dependencies.md has {name}, which is not used"));
    missing.chain(stale).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_missing_and_stale_rows() {
        let tree = "0monitor v0.1.0 (/weir/monitor)\n1aya v0.14.0\n1monitor-core v0.1.0 (/weir/monitor-core)\n\
                    1serde v1.0.0 (*)\n0xtask v0.1.0 (/weir/xtask)\n";
        let table = "# Dependencies\n\n| crate | used in | why |\n|---|---|---|\n| `aya` | monitor | loads |\n| old | monitor | was |\n";
        assert_eq!(
            differences(&direct(tree), &rows(table)),
            ["docs/dependencies.md lacks serde", "docs/dependencies.md has old, which is not used"]
        );
    }

    #[test]
    fn packages_of_npm_are_those_of_its_manifest() {
        let manifest = serde_json::json!({
            "name": "page",
            "dependencies": { "preact": "1.0.0" },
            "devDependencies": { "@types/a": "1.0.0" },
        });
        let table = "| package | used in | why |\n|---|---|---|\n| preact | page | draws |\n";
        assert_eq!(differences(&named(&manifest), &rows(table)), ["docs/dependencies.md lacks @types/a"]);
    }
}

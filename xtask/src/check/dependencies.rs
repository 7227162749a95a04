//! docs/dependencies.md says why each direct dependency is there, and names no other.

use std::collections::BTreeSet;
use std::fs;

use crate::error::Error;
use crate::project::Project;

/// Fails with each crate that lacks a row, and each row that lacks a crate.
pub(crate) fn run(project: &Project) -> Result<(), Error> {
    let path = project.root().join("docs/dependencies.md");
    let table =
        fs::read_to_string(&path).map_err(|source| Error::File { operation: "read", path, source })?;
    let tree = project
        .cargo()
        .args(["tree", "--locked", "--quiet", "--workspace", "--all-features", "--target", "all"])
        .args(["--no-dedupe", "--depth", "1", "--edges", "normal,build,dev", "--prefix", "depth"])
        .output()?;
    let findings = differences(&direct(&tree), &rows(&table));
    if findings.is_empty() {
        return Ok(());
    }
    Err(Error::Check { findings, hint: "one row a crate: `| crate | used in | why |`" })
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
        .filter(|cell| *cell != "crate" && !cell.starts_with("--") && !cell.starts_with(":-"))
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
}

//! Every crate of the lock file, for whatever target, may be used under terms that Weir accepts.

use crate::error::Error;
use crate::project::Project;

/// Licences (SPDX) that ask for no more than their text.
const ACCEPTED: [&str; 13] = [
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    // A dedication to the public domain, with a licence that asks for nothing where there is none.
    "CC0-1.0",
    "ISC",
    "MIT",
    "MIT-0",
    // The University of Illinois' own form of BSD-3-Clause: LLVM's libFuzzer, which no program of users holds.
    "NCSA",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// Fails with each crate whose licence is not accepted.
pub(crate) fn run(project: &Project) -> Result<(), Error> {
    let tree = project
        .cargo()
        .args(["tree", "--locked", "--quiet", "--workspace", "--all-features", "--target", "all"])
        .args(["--edges", "all", "--prefix", "none", "--no-dedupe", "--format", "{p}|{l}"])
        .output()?;
    let mut findings = refused(&tree);
    findings.sort();
    findings.dedup();
    if findings.is_empty() {
        return Ok(());
    }
    Err(Error::Check { findings, hint: "choose another crate, or argue for the licence in xtask's list" })
}

/// Lines `name version|licence` whose licence is not accepted.
fn refused(tree: &str) -> Vec<String> {
    tree.lines()
        .filter_map(|line| line.split_once('|'))
        .filter(|(_, licence)| !accepts(licence.trim_end_matches("(*)").trim()))
        .map(|(package, licence)| {
            let licence = if licence.trim().is_empty() { "none" } else { licence.trim() };
            format!("{}: {licence}", package.split(" (").next().unwrap_or(package).trim())
        })
        .collect()
}

/// Whether an SPDX expression can be met by accepted licences alone. `/` is the old way to write OR.
fn accepts(expression: &str) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = words.as_slice();
    let accepted = any(&mut rest);
    accepted == Some(true) && rest.is_empty()
}

/// `all (OR all)*`; `None`: not an expression.
fn any(words: &mut &[&str]) -> Option<bool> {
    let mut accepted = all(words)?;
    while let Some(("OR", rest)) = words.split_first().map(|(word, rest)| (*word, rest)) {
        *words = rest;
        accepted |= all(words)?;
    }
    Some(accepted)
}

/// `one (AND one)*`.
fn all(words: &mut &[&str]) -> Option<bool> {
    let mut accepted = one(words)?;
    while let Some(("AND", rest)) = words.split_first().map(|(word, rest)| (*word, rest)) {
        *words = rest;
        accepted &= one(words)?;
    }
    Some(accepted)
}

/// `( any )`, or a licence with its exception.
fn one(words: &mut &[&str]) -> Option<bool> {
    let (first, rest) = words.split_first()?;
    *words = rest;
    if *first == "(" {
        let accepted = any(words)?;
        let (close, rest) = words.split_first()?;
        *words = rest;
        return (*close == ")").then_some(accepted);
    }
    if let ["WITH", exception, rest @ ..] = *words {
        *words = rest;
        return Some(ACCEPTED.contains(&format!("{first} WITH {exception}").as_str()));
    }
    Some(ACCEPTED.contains(first))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_what_can_be_met() {
        for expression in [
            "MIT",
            "MIT OR Apache-2.0",
            "MIT/Apache-2.0",
            "GPL-2.0-only OR MIT",
            "Apache-2.0 WITH LLVM-exception OR Apache-2.0 OR MIT",
            "(MIT OR Apache-2.0) AND Unicode-3.0",
            "Apache-2.0 AND ISC",
        ] {
            assert!(accepts(expression), "{expression}");
        }
    }

    #[test]
    fn refuses_what_cannot_and_what_it_cannot_read() {
        for expression in [
            "",
            "GPL-3.0-only",
            "MIT AND GPL-3.0-only",
            "(MIT OR GPL-2.0) AND OpenSSL",
            "Apache-2.0 WITH Other-exception",
            "MIT OR",
            "(MIT",
            "MIT)",
            "MIT Apache-2.0",
        ] {
            assert!(!accepts(expression), "{expression}");
        }
    }

    #[test]
    fn names_the_crate_and_its_licence() {
        let tree = "monitor v0.1.0 (/weir/monitor)|MIT OR Apache-2.0\nopen v1.2.3|MPL-2.0\nbare v0.1.0|\nfine v1.0.0|MIT (*)\n";
        assert_eq!(refused(tree), ["open v1.2.3: MPL-2.0", "bare v0.1.0: none"]);
    }
}

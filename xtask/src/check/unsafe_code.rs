//! docs/unsafe.md lists every unsafe block, and unsafe code stands only in modules that are named for it.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::project::Project;

/// The list.
const LIST: &str = "docs/unsafe.md";
/// What ships. Tests and benches are not in it.
const SOURCES: [&str; 5] =
    ["monitor-common/src", "monitor-core/src", "monitor-ebpf/src", "monitor/src", "xtask/src"];

const HEAD: &str = "\
# Unsafe code

Written by `cargo xtask unsafe` from the sources and checked by `cargo xtask test`: code that the compiler does not
vouch for, by module, each block with the reason why it is sound. A module that has any says so at its head
(`expect(unsafe_code, reason = …)`); none of it is in a parser of foreign bytes.
";

/// How a piece of unsafe code is written.
const FORMS: [(&str, &str); 5] = [
    ("unsafe {", "block"),
    ("unsafe impl", "impl"),
    ("unsafe fn", "function"),
    ("unsafe trait", "trait"),
    ("#[unsafe(", "attribute"),
];

/// A piece of unsafe code.
#[derive(Debug, PartialEq, Eq)]
struct Piece {
    within: String,
    form: &'static str,
    reason: String,
}

/// Writes the list.
pub(crate) fn write(project: &Project) -> Result<(), Error> {
    let path = project.root().join(LIST);
    let failed = |source| Error::File { operation: "write", path: path.clone(), source };
    fs::write(&path, list(project)?).map_err(failed)
}

/// Fails when the list is old, a block has no reason, or a module is not named for unsafe code.
pub(crate) fn check(project: &Project) -> Result<(), Error> {
    let wanted = list(project)?;
    if fs::read_to_string(project.root().join(LIST)).is_ok_and(|there| there == wanted) {
        return Ok(());
    }
    Err(Error::Check {
        findings: vec![format!("{LIST} is not what the sources say")],
        hint: "type `cargo xtask unsafe`",
    })
}

fn list(project: &Project) -> Result<String, Error> {
    let mut out = HEAD.to_owned();
    let mut findings = Vec::new();
    for directory in SOURCES {
        for path in files(&project.root().join(directory))? {
            let failed = |source| Error::File { operation: "read", path: path.clone(), source };
            let text = fs::read_to_string(&path).map_err(failed)?;
            let name = path.strip_prefix(project.root()).unwrap_or(&path).display().to_string();
            section(&name, &text, &mut out, &mut findings);
        }
    }
    if findings.is_empty() { Ok(out) } else { Err(Error::Check { findings, hint: "see docs/unsafe.md" }) }
}

/// Rust files below a directory, by name.
fn files(directory: &Path) -> Result<Vec<PathBuf>, Error> {
    let failed = |source| Error::File { operation: "list", path: directory.to_owned(), source };
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.is_dir() {
            found.extend(files(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// Adds what a file has, if it has any.
fn section(name: &str, text: &str, out: &mut String, findings: &mut Vec<String>) {
    let pieces = pieces(text);
    if pieces.is_empty() {
        return;
    }
    let about = about(text);
    if about.is_none() && pieces.iter().any(|piece| piece.form != "attribute") {
        findings.push(format!("{name}: unsafe code in a module that is not named for it"));
    }
    // Writing to a string cannot fail.
    let _ = writeln!(out, "\n## `{name}`\n");
    if let Some(about) = about {
        let _ = writeln!(out, "{}{}.\n", about[..1].to_uppercase(), &about[1..]);
    }
    let _ = writeln!(out, "| in | | why it is sound |\n|---|---|---|");
    for Piece { within, form, reason } in pieces {
        if reason.is_empty() {
            findings.push(format!("{name}: {within}: an unsafe {form} without a reason"));
        }
        let _ = writeln!(out, "| {within} | {form} | {} |", reason.replace('|', "\\|"));
    }
}

/// The reason that stands in the file's `expect(unsafe_code, …)`.
fn about(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once("expect(").and_then(|_| {
        let at = text.match_indices("unsafe_code").find(|(at, _)| {
            let before = text[..*at].trim_end();
            before.ends_with("expect(")
        })?;
        Some(text.split_at(at.0))
    })?;
    let (_, rest) = rest.split_once("reason = \"")?;
    rest.split_once('"').map(|(reason, _)| reason).filter(|reason| !reason.is_empty() && reason.is_ascii())
}

fn pieces(text: &str) -> Vec<Piece> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    let mut within = String::from("the module");
    for (at, line) in lines.iter().enumerate() {
        let code = line.trim_start();
        if code.starts_with("//") || code.starts_with('(') {
            continue;
        }
        // A function's own words come before those of what stands in it.
        if let Some(name) = function(code) {
            name.clone_into(&mut within);
        }
        if let Some((_, form)) = FORMS.iter().find(|(form, _)| is_code(code, form)) {
            let place = if *form == "impl" || *form == "trait" || *form == "attribute" {
                code.trim_end_matches(['{', '}', ';', ' ']).replace("unsafe ", "")
            } else {
                within.clone()
            };
            found.push(Piece { within: format!("`{place}`"), form, reason: reason(&lines, at) });
        }
    }
    found
}

/// Whether a line has this outside of a text.
fn is_code(line: &str, form: &str) -> bool {
    line.find(form).is_some_and(|at| line[..at].matches('"').count().is_multiple_of(2))
}

/// The name of the function that begins in a line.
fn function(code: &str) -> Option<&str> {
    let (before, rest) = code.split_once("fn ")?;
    let words = ["pub", "const", "unsafe", "async", "extern", "\"C\""];
    let opens = before.split_whitespace().all(|word| words.contains(&word) || word.starts_with("pub("));
    let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
    (opens && end > 0).then(|| &rest[..end])
}

/// The comment above a line, or above the statement that it belongs to.
fn reason(lines: &[&str], at: usize) -> String {
    const FAR: usize = 8;
    let text = |line: &str| line.trim_start().trim_start_matches('/').trim().to_owned();
    let comment = |line: &str| line.trim_start().starts_with("//");
    let start = (at.saturating_sub(FAR)..at).rev().find(|i| {
        let line = lines[*i].trim_start();
        line.starts_with("// SAFETY:") || line.starts_with("/// # Safety")
    });
    let plain = || {
        let above =
            at.checked_sub(1).filter(|i| comment(lines[*i]) || lines[*i].trim_start().starts_with("#["))?;
        (0..=above).rev().find(|i| comment(lines[*i])).filter(|i| above - i < 2)
    };
    let Some(start) = start.or_else(plain) else { return String::new() };
    let words: Vec<String> =
        lines[start..at].iter().take_while(|line| comment(line)).map(|line| text(line)).collect();
    let words = words.join(" ");
    words.trim_start_matches("SAFETY:").trim_start_matches("# Safety").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "#![expect(unsafe_code, reason = \"raw memory\")]\n\n\
        // SAFETY: cells.\nunsafe impl Shared for Flow {}\n\n\
        /// Reads.\n///\n/// # Safety\n/// `p` is valid.\npub(super) unsafe fn read(p: *const u8) -> u8 {\n    \
        // SAFETY: by the caller,\n    // who knows.\n    let x = unsafe { p.read() };\n    x\n}\n\n\
        fn say() {\n    let word = \"unsafe {\";\n}\n";

    #[test]
    fn each_piece_stands_with_its_place_and_reason() {
        let piece =
            |within: &str, form, reason: &str| Piece { within: within.into(), form, reason: reason.into() };
        assert_eq!(
            pieces(SOURCE),
            [
                piece("`impl Shared for Flow`", "impl", "cells."),
                piece("`read`", "function", "`p` is valid."),
                piece("`read`", "block", "by the caller, who knows."),
            ]
        );
        assert_eq!(about(SOURCE), Some("raw memory"));
    }

    #[test]
    fn a_module_that_is_not_named_and_a_block_without_a_reason_are_found() {
        let (mut out, mut findings) = (String::new(), Vec::new());
        section("a.rs", "fn f() {\n    unsafe { g() }\n}\n", &mut out, &mut findings);
        assert_eq!(findings.len(), 2, "{findings:?}");
        section("b.rs", "fn f() {}\n", &mut out, &mut findings);
        assert_eq!((findings.len(), out.contains("b.rs")), (2, false));
    }
}

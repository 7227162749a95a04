//! `cargo xtask page`: bundles the live page's sources with npm's packages into the files that the program embeds.
//!
//! They are committed, so that building Weir needs Rust alone. Everything is built below the target directory.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::error::Error;
use crate::process::Program;
use crate::project::Project;

/// Sources and what is built from them.
const SOURCES: &str = "monitor/page";
/// What npm reads.
const MANIFESTS: [&str; 2] = ["package.json", "package-lock.json"];
/// The files that are embedded, in the order in which they are told.
const FILES: [&str; 5] = ["index.html", "icon.svg", "page.css", "page.js", "licences.txt"];
/// Most bytes of all of them, compressed.
const MOST: u64 = 150_000;
/// The variable by which tests find the accessibility checker.
pub(crate) const AXE_VARIABLE: &str = "WEIR_TEST_AXE";

fn place(project: &Project) -> PathBuf {
    project.target().join("page")
}

/// The accessibility checker, once [`check`] or [`write()`] has been run.
pub(crate) fn axe(project: &Project) -> PathBuf {
    place(project).join("node_modules/axe-core/axe.min.js")
}

/// Builds the page and puts it where the program embeds it.
pub(crate) fn write(project: &Project) -> Result<(), Error> {
    let built = build(project)?;
    let committed = project.root().join(SOURCES).join("dist");
    fs::create_dir_all(&committed).map_err(failed("create", &committed))?;
    for name in FILES {
        let to = committed.join(name);
        fs::copy(built.join(name), &to).map_err(failed("write", &to))?;
    }
    println!("{}: {} bytes compressed", committed.display(), size(&built)?);
    Ok(())
}

/// Fails when a committed file is not what its sources make, or when all are too large.
pub(crate) fn check(project: &Project) -> Result<(), Error> {
    let built = build(project)?;
    let committed = project.root().join(SOURCES).join("dist");
    let mut findings = Vec::new();
    for name in FILES {
        let path = committed.join(name);
        if fs::read(&path).ok() != Some(read(&built.join(name))?) {
            findings.push(format!("{} is not what its sources make", path.display()));
        }
    }
    let size = size(&built)?;
    if size > MOST {
        findings.push(format!("the page has {size} bytes compressed, more than {MOST}"));
    }
    eprintln!("the page has {size} bytes compressed");
    if findings.is_empty() {
        return Ok(());
    }
    Err(Error::Check { findings, hint: "type `cargo xtask page` to build it anew" })
}

/// Checks the types and bundles; returns where the files are.
fn build(project: &Project) -> Result<PathBuf, Error> {
    let (from, place) = (project.root().join(SOURCES), place(project));
    install(&from, &place)?;
    let sources = place.join("src");
    clear(&sources)?;
    copy(&from.join("src"), &sources)?;
    fs::copy(from.join("tsconfig.json"), place.join("tsconfig.json")).map_err(failed("copy", &from))?;
    let tool = |name: &str| Program::new(place.join("node_modules/.bin").join(name)).directory(&place);
    tool("tsc").args(["--project", "tsconfig.json"]).run()?;
    let built = place.join("dist");
    clear(&built)?;
    tool("esbuild")
        .args(["src/main.ts", "--bundle", "--minify", "--format=iife", "--target=es2022", "--charset=utf8"])
        .args(["--jsx=automatic", "--jsx-import-source=preact", "--legal-comments=none"])
        .args(["--outdir=dist", "--entry-names=page", "--metafile=bundle.json", "--log-level=warning"])
        .run()?;
    for name in ["index.html", "icon.svg"] {
        let source = sources.join(name);
        fs::copy(&source, built.join(name)).map_err(failed("copy", &source))?;
    }
    let path = built.join("licences.txt");
    fs::write(&path, licences(&place)?).map_err(failed("write", &path))?;
    Ok(built)
}

/// Brings npm's packages as the lock file has them, unless they are there.
fn install(from: &Path, place: &Path) -> Result<(), Error> {
    fs::create_dir_all(place).map_err(failed("create", place))?;
    let mut current = place.join("node_modules/.package-lock.json").exists();
    for name in MANIFESTS {
        current &= fs::read(place.join(name)).ok() == Some(read(&from.join(name))?);
    }
    if current {
        return Ok(());
    }
    eprintln!("xtask installs from npm into {}: what {SOURCES}/package-lock.json names", place.display());
    clear(&place.join("node_modules"))?;
    for name in MANIFESTS {
        fs::copy(from.join(name), place.join(name)).map_err(failed("copy", &from.join(name)))?;
    }
    Program::new("npm")
        .args(["ci", "--no-audit", "--no-fund", "--loglevel=error", "--no-update-notifier"])
        .directory(place)
        .run()
}

/// Name, version and licence of each package with code in the bundle.
fn licences(place: &Path) -> Result<String, Error> {
    let bundle = json(&place.join("bundle.json"))?;
    let mut text = "The live page of Weir holds code of these packages.\n".to_owned();
    for package in packages(&bundle) {
        let directory = place.join("node_modules").join(package);
        let about = json(&directory.join("package.json"))?;
        let word = |key: &str| about[key].as_str().unwrap_or_default();
        let licence = read(&licence_file(&directory)?)?;
        text += "\n\n";
        text += &[word("name"), " ", word("version"), " (", word("license"), ")\n\n"].concat();
        text += String::from_utf8_lossy(&licence).replace("\r\n", "\n").trim();
        text.push('\n');
    }
    Ok(text)
}

/// Packages that gave the bundle bytes, by `esbuild`'s description of it.
fn packages(bundle: &Value) -> BTreeSet<&str> {
    let outputs = bundle["outputs"].as_object().into_iter().flatten();
    let inputs = outputs.filter_map(|(_, output)| output["inputs"].as_object()).flatten();
    inputs
        .filter(|(_, input)| input["bytesInOutput"].as_u64() != Some(0))
        .filter_map(|(path, _)| path.rsplit_once("node_modules/"))
        .filter_map(|(_, rest)| match rest.strip_prefix('@') {
            Some(_) => rest.match_indices('/').nth(1).map(|(at, _)| rest.split_at(at).0),
            None => rest.split('/').next(),
        })
        .collect()
}

fn licence_file(directory: &Path) -> Result<PathBuf, Error> {
    let entries = fs::read_dir(directory).map_err(failed("read", directory))?;
    let named = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
        name.starts_with("licen") && path.is_file()
    };
    let mut found: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(named).collect();
    found.sort();
    found.into_iter().next().ok_or_else(|| Error::Check {
        findings: vec![format!("{} has no licence", directory.display())],
        hint: "take a package that has one",
    })
}

/// Bytes of all files, compressed each for itself, as they are sent.
fn size(built: &Path) -> Result<u64, Error> {
    let mut sum = 0;
    for name in FILES {
        let bytes = Program::new("sh")
            .args(["-c", "gzip -9 -n -c \"$1\" | wc -c", "sh"])
            .arg(built.join(name))
            .output()?;
        sum += bytes
            .trim()
            .parse::<u64>()
            .map_err(|_| Error::Output { command: "gzip".into(), expected: "a size" })?;
    }
    Ok(sum)
}

fn json(path: &Path) -> Result<Value, Error> {
    let bytes = read(path)?;
    serde_json::from_slice(&bytes).map_err(|source| Error::File {
        operation: "read",
        path: path.to_owned(),
        source: source.into(),
    })
}

fn clear(directory: &Path) -> Result<(), Error> {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(failed("remove", directory)(error)),
        _ => Ok(()),
    }
}

fn copy(from: &Path, to: &Path) -> Result<(), Error> {
    fs::create_dir_all(to).map_err(failed("create", to))?;
    for entry in fs::read_dir(from).map_err(failed("read", from))? {
        let path = entry.map_err(failed("read", from))?.path();
        let target = to.join(path.file_name().unwrap_or_default());
        fs::copy(&path, &target).map_err(failed("copy", &path))?;
    }
    Ok(())
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    fs::read(path).map_err(failed("read", path))
}

fn failed<'a>(operation: &'static str, path: &'a Path) -> impl FnOnce(std::io::Error) -> Error + 'a {
    move |source| Error::File { operation, path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_those_with_bytes_in_the_bundle() {
        let input = |bytes: u64| serde_json::json!({ "bytesInOutput": bytes });
        let bundle = serde_json::json!({ "outputs": { "dist/page.js": { "inputs": {
            "src/main.ts": input(9),
            "node_modules/preact/dist/preact.mjs": input(5),
            "node_modules/preact/hooks/hooks.mjs": input(5),
            "node_modules/@scope/name/a.js": input(5),
            "node_modules/d3-sankey/node_modules/d3-array/src/min.js": input(1),
            "node_modules/unused/index.js": input(0),
        } } } });
        assert_eq!(packages(&bundle).into_iter().collect::<Vec<_>>(), ["@scope/name", "d3-array", "preact"]);
    }
}

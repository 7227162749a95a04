//! `cargo xtask dist`: what a release consists of, in `target/dist`: static programs with their symbols beside them,
//! packages, images, sources, chart, role, bill of materials, and the sums of all.

mod binary;
mod chart;
mod deb;
mod files;
mod image;
mod rpm;
mod source;
mod tar;
mod tools;
mod tree;

use std::fs;
use std::path::{Path, PathBuf};

use crate::build;
use crate::error::Error;
use crate::packages::{self, Apt};
use crate::process::Program;
use crate::project::Project;
use crate::sbom;
use crate::setup::{self, Scope};
use crate::toolchain;
pub(crate) use chart::{CHART, MANIFESTS};
use files::Documents;
pub(crate) use files::names;
use tools::{gzip, read, write};
use tree::Tree;
pub(crate) use tree::empty;

/// What is made of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    /// cargo's profile; `shipped` unless told.
    pub(crate) profile: Option<String>,
    /// A program that is built already, for this machine: packaging is tried with it.
    pub(crate) binary: Option<PathBuf>,
    /// Architectures; all unless told.
    pub(crate) arches: Vec<Arch>,
}

/// An architecture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arch {
    /// 64-bit x86.
    X86_64,
    /// 64-bit ARM.
    Aarch64,
}

impl Arch {
    pub(crate) const ALL: [Self; 2] = [Self::X86_64, Self::Aarch64];

    /// This machine's.
    pub(crate) const fn here() -> Self {
        if cfg!(target_arch = "aarch64") { Self::Aarch64 } else { Self::X86_64 }
    }

    /// As the kernel, Rust and RPM call it.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::Aarch64 => "aarch64",
        }
    }

    /// As Debian and Go call it.
    pub(crate) const fn debian(self) -> &'static str {
        match self {
            Self::X86_64 => "amd64",
            Self::Aarch64 => "arm64",
        }
    }

    /// Rust's target.
    const fn target(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64-unknown-linux-gnu",
            Self::Aarch64 => "aarch64-unknown-linux-gnu",
        }
    }

    /// A program of gcc's or binutils' for it.
    fn tool(self, name: &str) -> String {
        if self == Self::here() { name.to_owned() } else { format!("{}-linux-gnu-{name}", self.as_str()) }
    }
}

/// What all parts of a release say of it.
#[derive(Clone, Debug)]
pub(crate) struct Release {
    version: String,
    commit: String,
    /// Of the commit, in seconds of Unix: no part has another.
    time: u64,
    date: String,
    arch: Arch,
    packaging: PathBuf,
    /// Packages that are thrown away after a test.
    draft: bool,
}

impl Release {
    fn of(project: &Project, draft: bool) -> Result<Self, Error> {
        let git = |arguments: &[&str]| {
            Program::new("git")
                .args(arguments)
                .directory(project.root())
                .output()
                .map(|line| line.trim().to_owned())
        };
        let manifest = String::from_utf8_lossy(&read(&project.root().join("Cargo.toml"))?).into_owned();
        let version = version(&manifest).ok_or(Error::NoRustVersion)?.to_owned();
        let time = git(&["log", "-1", "--format=%ct"])?;
        let date =
            Program::new("date").args(["-u", "-d", &format!("@{time}"), "+%Y-%m-%dT%H:%M:%SZ"]).output()?;
        Ok(Self {
            version,
            commit: git(&["rev-parse", "HEAD"])?,
            time: time
                .parse()
                .map_err(|_| Error::Output { command: "git log".into(), expected: "a time" })?,
            date: date.trim().to_owned(),
            arch: Arch::here(),
            packaging: project.root().join("packaging"),
            draft,
        })
    }

    fn date(&self) -> &str {
        &self.date
    }
}

/// `version` of the workspace's manifest.
fn version(manifest: &str) -> Option<&str> {
    manifest.lines().find_map(|line| line.strip_prefix("version = \"")?.strip_suffix('"'))
}

/// Makes all of it, with every part that is not made named.
pub(crate) fn run(project: &Project, plan: &Plan) -> Result<(), Error> {
    setup::run(project, Scope::Toolchain)?;
    install([packages::dist(), packages::release()].concat())?;
    let directory = project.target().join("dist");
    empty(&directory)?;
    let mut release = Release::of(project, plan.binary.is_some())?;
    let object = binary::without_debug_information(project, &build::object(project)?)?;
    let profile = plan.profile.as_deref().unwrap_or("shipped");
    let program = match &plan.binary {
        Some(path) => path.clone(),
        None => binary::build(project, &release, &object, profile)?,
    };
    let documents = Documents::of(&program, &directory.join("documents.scratch"))?;
    pack(project, &release, &program, &documents, &directory)?;
    let others = if plan.arches.is_empty() { &Arch::ALL } else { plan.arches.as_slice() };
    for arch in others.iter().filter(|arch| **arch != Arch::here() && plan.binary.is_none()) {
        release.arch = *arch;
        let made = cross(*arch)
            .and_then(|()| binary::build(project, &release, &object, profile))
            .and_then(|program| pack(project, &release, &program, &documents, &directory));
        if let Err(error) = made {
            eprintln!("xtask: not made for {}: {error}", arch.as_str());
        }
    }
    source::write_package(project, &release, &object, &directory)?;
    common(project, &release, &directory)?;
    let bill = sbom::run(project)?;
    copy(&bill, &directory.join(format!("weir-{}.cdx.json", release.version)))?;
    sums(&directory)?;
    println!("{}", directory.display());
    Ok(())
}

/// Packages of a program that is built, without what takes long: for tests. Returns the directory.
pub(crate) fn quick(project: &Project, program: &Path, object: &Path) -> Result<PathBuf, Error> {
    install(packages::dist())?;
    let directory = project.target().join("dist-quick");
    empty(&directory)?;
    let release = Release::of(project, true)?;
    let documents = Documents::of(program, &directory.join("documents.scratch"))?;
    pack(project, &release, program, &documents, &directory)?;
    source::write_package(project, &release, object, &directory)?;
    common(project, &release, &directory)?;
    sums(&directory)?;
    Ok(directory)
}

/// Installs what packaging needs.
pub(crate) fn install(wanted: Vec<packages::Package>) -> Result<(), Error> {
    let missing = packages::missing(wanted);
    match Apt::find() {
        _ if missing.is_empty() => Ok(()),
        Some(apt) => apt.install(&missing),
        None => Err(Error::NoApt { packages: packages::names(&missing) }),
    }
}

/// What builds for another architecture.
fn cross(arch: Arch) -> Result<(), Error> {
    if arch == Arch::Aarch64 {
        install(packages::cross())?;
    }
    toolchain::rustup().args(["target", "add", arch.target()]).output().map(drop)
}

/// Everything of one architecture.
fn pack(
    project: &Project,
    release: &Release,
    program: &Path,
    documents: &Documents,
    directory: &Path,
) -> Result<(), Error> {
    let base = format!("weir-{}-{}", release.version, release.arch.as_str());
    let stripped = directory.join("weir.stripped");
    // Under the name by which debuggers look for it.
    let symbols = directory.join(format!("{base}.debug"));
    binary::split(release.arch, program, &stripped, &symbols)?;
    let bytes = read(&stripped)?;
    let is_static = binary::is_static(&stripped)?;
    eprintln!(
        "weir for {}: {} bytes{}",
        release.arch.as_str(),
        bytes.len(),
        if is_static { ", static" } else { "" }
    );
    if is_static && bytes.len() as u64 > binary::LIMIT {
        let findings = vec![format!("weir for {} has {} bytes", release.arch.as_str(), bytes.len())];
        return Err(Error::Check {
            findings,
            hint: "24 MiB are the most that it may have; see what grew, or raise the limit in xtask/src/dist/binary.rs",
        });
    }
    let scratch = directory.join("scratch");
    let files = |zsh: &str| files::all(project, release, &bytes, documents, zsh, &scratch);
    deb::write_package(release, &files("usr/share/zsh/vendor-completions/_weir")?, directory)?;
    let unix = files("usr/share/zsh/site-functions/_weir")?;
    rpm::write_package(release, &unix, directory)?;
    // Where neither fits: below /usr/local, by install.sh.
    let archive = tar::archive(&unix, &format!("{base}/"), release.time);
    let archive =
        if release.draft { tools::gzip_fast(&archive, &scratch)? } else { gzip(&archive, &scratch)? };
    write(&directory.join(format!("{base}.tar.gz")), &archive)?;
    if is_static {
        image::write_image(release, &bytes, &files::licences(project)?, directory)?;
    }
    fs::remove_file(&stripped).map_err(|source| Error::File { operation: "remove", path: stripped, source })
}

/// What is the same for all architectures.
fn common(project: &Project, release: &Release, directory: &Path) -> Result<(), Error> {
    let scratch = directory.join("scratch");
    chart::write_package(project, release, directory)?;
    let packed = |from: &str, name: String| -> Result<(), Error> {
        let mut files = Tree::default();
        for path in below(&release.packaging.join(from))? {
            files.file(&path, read(&release.packaging.join(from).join(&path))?);
        }
        write(&directory.join(name), &gzip(&tar::archive(&files, "", release.time), &scratch)?)
    };
    packed("ansible", format!("weir-{}-ansible.tar.gz", release.version))?;
    copy(
        &release.packaging.join("kubernetes/weir.yaml"),
        &directory.join(format!("weir-{}-kubernetes.yaml", release.version)),
    )?;
    copy(&release.packaging.join("install.sh"), &directory.join("install.sh"))
}

/// Files below a directory, by their paths in it, in order.
fn below(directory: &Path) -> Result<Vec<String>, Error> {
    let mut found = Vec::new();
    for name in names(directory)? {
        let path = directory.join(&name);
        if path.is_dir() {
            found.extend(below(&path)?.into_iter().map(|inner| format!("{name}/{inner}")));
        } else {
            found.push(name);
        }
    }
    Ok(found)
}

fn copy(from: &Path, to: &Path) -> Result<(), Error> {
    fs::copy(from, to).map(drop).map_err(|source| Error::File {
        operation: "copy",
        path: from.to_owned(),
        source,
    })
}

/// A file's text.
pub(crate) fn text(path: &Path) -> Result<String, Error> {
    read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

/// A package of Debian with a later version and nothing else: for upgrades in tests.
pub(crate) fn repacked(project: &Project, package: &Path, later: &str) -> Result<PathBuf, Error> {
    let tree = project.target().join("dist-upgrade");
    empty(&tree)?;
    Program::new("dpkg-deb").arg("--raw-extract").arg(package).arg(&tree).output()?;
    let control = tree.join("DEBIAN/control");
    let version = |line: &str| match line.strip_prefix("Version: ") {
        Some(version) => format!("Version: {version}+{later}\n"),
        None => format!("{line}\n"),
    };
    write(&control, text(&control)?.lines().map(version).collect::<String>().as_bytes())?;
    let path = tree.with_extension("deb");
    Program::new("dpkg-deb")
        .args(["--root-owner-group", "-Zxz", "-z1", "--build"])
        .arg(&tree)
        .arg(&path)
        .output()?;
    Ok(path)
}

/// `SHA256SUMS` of all that lies there.
fn sums(directory: &Path) -> Result<(), Error> {
    let mut sums = String::new();
    for name in names(directory)?.iter().filter(|name| *name != "SHA256SUMS") {
        sums = format!("{sums}{}  {name}\n", tools::sha256_of(&directory.join(name))?);
    }
    write(&directory.join("SHA256SUMS"), sums.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_the_workspaces() {
        assert_eq!(version("[workspace.package]\nversion = \"1.2.3\"\nedition = \"2024\"\n"), Some("1.2.3"));
        assert_eq!(version("[workspace]\n"), None);
    }
}

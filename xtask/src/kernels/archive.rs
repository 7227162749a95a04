//! Debian's kernels and packages: which there are, and how they come.
//!
//! apt resolves and downloads them with lists of its own below the target directory; nothing is
//! installed and the machine's own sources are not touched. Point releases come and go in the
//! archive, so the newest of each series is looked up each time.

use std::fs;
use std::path::{Path, PathBuf};

use super::unpack::extract;
use crate::error::Error;
use crate::process::Program;
use crate::project::Project;

/// A series of kernels to test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Series {
    /// The oldest that is supported; Debian 11.
    V5_10,
    /// Debian 12.
    V6_1,
    /// Debian 13.
    V6_12,
    /// Whatever is newest in Debian's backports.
    Newest,
}

impl Series {
    pub(crate) const ALL: [Self; 4] = [Self::V5_10, Self::V6_1, Self::V6_12, Self::Newest];

    /// Its name in tables.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::V5_10 => "5.10",
            Self::V6_1 => "6.1",
            Self::V6_12 => "6.12",
            Self::Newest => "newest",
        }
    }

    fn holds(self, version: &[u32]) -> bool {
        match self {
            Self::V5_10 => version.starts_with(&[5, 10]),
            Self::V6_1 => version.starts_with(&[6, 1]),
            Self::V6_12 => version.starts_with(&[6, 12]),
            Self::Newest => true,
        }
    }
}

/// Suites of Debian that have the kernels.
const KERNELS: [(Site, &str); 3] = [
    (Site::Security, "bullseye-security"),
    (Site::Security, "bookworm-security"),
    (Site::Main, "trixie-backports"),
];

/// The parts of Debian's archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Site {
    /// Releases.
    Main,
    /// Their security updates.
    Security,
}

impl Site {
    /// Where this machine's apt gets it from, given what `apt-get indextargets` says, a site a line.
    fn of(self, sites: &str) -> Option<&str> {
        let end = match self {
            Self::Main => "/debian",
            Self::Security => "/debian-security",
        };
        sites.lines().map(|line| line.trim().trim_end_matches('/')).find(|site| site.ends_with(end))
    }
}

/// The sources of suites; `None`: this machine's apt does not use Debian's archive.
fn sources(suites: &[(Site, &str)], sites: &str) -> Option<String> {
    suites
        .iter()
        .map(|(site, suite)| Some(format!("deb [signed-by={KEYRING}] {} {suite} main\n", site.of(sites)?)))
        .collect()
}

/// Where this machine's apt gets releases of Debian from.
pub(super) fn mirror() -> Option<String> {
    let sites = Program::new("apt-get").args(["indextargets", "--format", "$(SITE)"]).probe()?;
    Site::Main.of(&sites).map(str::to_owned)
}

/// What the archive is signed with.
pub(crate) const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// The flavour for virtual machines: the smallest.
const FLAVOUR: &str = "-cloud-amd64";
const PREFIX: &str = "linux-image-";

/// Modules that the tests need, in the order in which they are loaded.
pub(crate) const MODULES: [&str; 4] = ["veth", "sch_ingress", "cls_bpf", "tun"];

/// A kernel that is here: an image and modules.
#[derive(Clone, Debug)]
pub(crate) struct Kernel {
    pub(crate) series: Series,
    /// As `uname -r` says it.
    pub(crate) release: String,
    directory: PathBuf,
}

impl Kernel {
    pub(crate) fn image(&self) -> PathBuf {
        self.directory.join("vmlinuz")
    }

    pub(crate) fn module(&self, name: &str) -> PathBuf {
        self.directory.join(format!("{name}.ko"))
    }
}

/// Where kernels and apt's lists are kept.
pub(crate) fn store(project: &Project) -> PathBuf {
    project.target().join("kernels")
}

/// apt with lists of its own.
pub(crate) struct Archive {
    store: PathBuf,
    lists: PathBuf,
}

impl Archive {
    /// The suites with the kernels. `None`: the archive cannot be reached, or this machine's apt knows
    /// none (it is no Debian).
    pub(crate) fn of_kernels(project: &Project) -> Result<Option<Self>, Error> {
        Self::open(project, "apt", &KERNELS)
    }

    /// A release by its code name. `None`: as above.
    pub(super) fn of_release(project: &Project, name: &str) -> Result<Option<Self>, Error> {
        Self::open(project, &format!("apt-{name}"), &[(Site::Main, name)])
    }

    /// Brings the lists up to date.
    fn open(project: &Project, directory: &str, suites: &[(Site, &str)]) -> Result<Option<Self>, Error> {
        let store = store(project);
        let archive = Self { lists: store.join(directory), store };
        let lists = &archive.lists;
        for directory in ["lists/partial", "cache/archives/partial"] {
            create(&lists.join(directory))?;
        }
        let sites = Program::new("apt-get").args(["indextargets", "--format", "$(SITE)"]).probe();
        let Some(sources) = sites.as_deref().and_then(|sites| sources(suites, sites)) else {
            return Ok(None);
        };
        write(&lists.join("sources.list"), sources.as_bytes())?;
        write(&lists.join("status"), b"")?;
        // Without this a failed download is a mere warning.
        let update = archive.apt("apt-get", &["-qq", "-o", "APT::Update::Error-Mode=any", "update"]);
        eprintln!("$ {}", update.line());
        Ok(update.probe().map(|_| archive))
    }

    fn apt(&self, program: &str, arguments: &[&str]) -> Program {
        let lists = &self.lists;
        let directory = |name: &str, path: &str| format!("Dir::{name}={}", lists.join(path).display());
        let line = format!("{program} {} # with the lists in {}", arguments.join(" "), lists.display());
        let mut apt = Program::new(program).shown_as_line(line).env("LC_ALL", "C");
        for option in [
            directory("Etc::SourceList", "sources.list"),
            "Dir::Etc::SourceParts=-".into(),
            directory("State", ""),
            directory("State::lists", "lists"),
            directory("State::status", "status"),
            directory("Cache", "cache"),
            "APT::Architecture=amd64".into(),
            "APT::Architectures=amd64".into(),
            // As whoever calls it: apt's own user may not write here.
            "APT::Sandbox::User=".into(),
            "Acquire::Languages=none".into(),
        ] {
            apt = apt.arg("-o").arg(option);
        }
        apt.args(arguments)
    }

    /// Downloads a package with all that it needs, as if nothing were installed, and unpacks it into `root`, unless
    /// that is there.
    pub(super) fn unpack(&self, package: &str, root: &Path) -> Result<(), Error> {
        if root.exists() {
            return Ok(());
        }
        eprintln!("xtask downloads {package} and what it needs, and unpacks it below {}", root.display());
        let arguments = ["-qq", "--download-only", "--no-install-recommends", "-y", "install", package];
        self.apt("apt-get", &arguments).output()?;
        extract(&self.lists.join("cache/archives"), root)
    }

    /// The newest kernel of a series, downloaded and unpacked unless it is here already.
    pub(crate) fn fetch(&self, series: Series) -> Result<Kernel, Error> {
        let names = self.apt("apt-cache", &["pkgnames", PREFIX]).output()?;
        let release =
            newest(series, names.lines()).ok_or(Error::NoKernel { series: series.as_str() })?.to_owned();
        let kernel = Kernel { series, directory: self.store.join(&release), release };
        if kernel.image().exists() {
            return Ok(kernel);
        }
        let scratch = self.store.join("unpack");
        remove(&scratch)?;
        create(&scratch.join("tree"))?;
        let image = format!("{PREFIX}{}", kernel.release);
        let depends = self.apt("apt-cache", &["depends", "--important", &image]).output()?;
        let packages = parts(&image, &kernel.release, &depends);
        eprintln!("xtask downloads {}", packages.join(" "));
        self.apt("apt-get", &["-qq", "download"]).args(&packages).directory(&scratch).output()?;
        for package in files(&scratch)?.into_iter().filter(|path| has_suffix(path, ".deb")) {
            Program::new("dpkg-deb").arg("-x").arg(package).arg(scratch.join("tree")).output()?;
        }
        let kept = scratch.join("kept");
        create(&kept)?;
        let unpacked = files(&scratch.join("tree"))?;
        for module in MODULES {
            keep_module(&unpacked, module, &kept)?;
        }
        let image = find(&unpacked, |name| name.starts_with("vmlinuz"))
            .ok_or(Error::KernelPart { release: kernel.release.clone(), part: "vmlinuz" })?;
        rename(image, &kept.join("vmlinuz"))?;
        // Whole or not at all, whenever this is interrupted.
        remove(&kernel.directory)?;
        rename(&kept, &kernel.directory)?;
        remove(&scratch)?;
        Ok(kernel)
    }
}

/// Copies a module, unpacked: not every kernel unpacks its own.
fn keep_module(unpacked: &[PathBuf], module: &'static str, kept: &Path) -> Result<(), Error> {
    let plain = format!("{module}.ko");
    let packed = format!("{plain}.xz");
    let to = kept.join(&plain);
    if let Some(path) = find(unpacked, |name| name == plain) {
        return rename(path, &to);
    }
    // Built into the kernel, or not there: then a test says what is missing.
    let Some(path) = find(unpacked, |name| name == packed) else { return Ok(()) };
    Program::new("busybox").arg("unxz").arg(path).output()?;
    rename(&path.with_extension(""), &to)
}

/// The release of the newest signed kernel of a series among names of packages.
fn newest<'a>(series: Series, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    names
        .filter_map(|name| name.strip_prefix(PREFIX))
        .filter(|release| release.ends_with(FLAVOUR))
        // A release has at least three numbers; `6.12-cloud-amd64` names whatever is newest.
        .filter(|release| numbers(release).len() >= 3)
        .filter(|release| series.holds(&numbers(release)))
        .max_by_key(|release| numbers(release))
}

/// The numbers of a release up to its flavour: `5.10.0-46-cloud-amd64` is 5, 10, 0, 46.
fn numbers(release: &str) -> Vec<u32> {
    let version = release.strip_suffix(FLAVOUR).unwrap_or(release);
    let digits = version.split(|c: char| !c.is_ascii_digit()).filter(|part| !part.is_empty());
    digits.filter_map(|part| part.parse().ok()).collect()
}

/// The packages that make up a kernel: image and modules are apart from Debian's 7.0 on.
fn parts(image: &str, release: &str, depends: &str) -> Vec<String> {
    let needed = depends.lines().filter_map(|line| line.trim().strip_prefix("Depends: "));
    let more = needed.filter(|name| name.ends_with(release) && !name.starts_with("linux-base"));
    [image].into_iter().chain(more).map(str::to_owned).collect()
}

fn find(files: &[PathBuf], wanted: impl Fn(&str) -> bool) -> Option<&PathBuf> {
    files.iter().find(|path| path.file_name().and_then(|name| name.to_str()).is_some_and(&wanted))
}

pub(super) fn has_suffix(path: &Path, suffix: &str) -> bool {
    path.to_str().is_some_and(|path| path.ends_with(suffix))
}

/// All files below a directory.
pub(super) fn files(directory: &Path) -> Result<Vec<PathBuf>, Error> {
    let failed = |source| Error::File { operation: "list", path: directory.to_owned(), source };
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if entry.file_type().map_err(failed)?.is_dir() {
            found.extend(files(&entry.path())?);
        } else {
            found.push(entry.path());
        }
    }
    Ok(found)
}

pub(super) fn create(path: &Path) -> Result<(), Error> {
    fs::create_dir_all(path).map_err(|source| Error::File { operation: "create", path: path.into(), source })
}

fn write(path: &Path, content: &[u8]) -> Result<(), Error> {
    fs::write(path, content).map_err(|source| Error::File { operation: "write", path: path.into(), source })
}

pub(super) fn rename(from: &Path, to: &Path) -> Result<(), Error> {
    fs::rename(from, to).map_err(|source| Error::File { operation: "move", path: from.into(), source })
}

pub(super) fn remove(path: &Path) -> Result<(), Error> {
    match fs::remove_dir_all(path) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::File { operation: "remove", path: path.into(), source })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_come_from_where_the_machines_apt_gets_debian() {
        let sites = "http://mirror.example/debian\nhttp://mirror.example/debian/\nhttp://mirror.example/debian-security\n";
        let lines = sources(&KERNELS, sites).expect("both sites");
        assert_eq!(lines.lines().count(), 3);
        assert!(lines.contains(" http://mirror.example/debian-security bullseye-security main\n"), "{lines}");
        assert!(lines.contains(" http://mirror.example/debian trixie-backports main\n"), "{lines}");
        assert_eq!(sources(&KERNELS, "http://mirror.example/ubuntu\n"), None);
    }

    const NAMES: [&str; 10] = [
        "linux-image-5.10.0-9-cloud-amd64",
        "linux-image-5.10.0-46-cloud-amd64",
        "linux-image-5.10.0-46-cloud-amd64-unsigned",
        "linux-image-5.10.0-47-amd64",
        "linux-image-6.1.0-0.deb11.52-cloud-amd64",
        "linux-image-6.1.0-56-cloud-amd64",
        "linux-image-6.12-cloud-amd64",
        "linux-image-6.12.117+deb12-cloud-amd64",
        "linux-image-7.2.12+deb13-cloud-amd64",
        "linux-image-7.2.9+deb13-cloud-amd64",
    ];

    #[test]
    fn the_newest_of_a_series_is_so_by_number() {
        let release = |series| newest(series, NAMES.into_iter());
        assert_eq!(release(Series::V5_10), Some("5.10.0-46-cloud-amd64"));
        assert_eq!(release(Series::V6_1), Some("6.1.0-56-cloud-amd64"));
        assert_eq!(release(Series::V6_12), Some("6.12.117+deb12-cloud-amd64"));
        assert_eq!(release(Series::Newest), Some("7.2.12+deb13-cloud-amd64"));
        assert_eq!(newest(Series::V5_10, ["linux-image-amd64"].into_iter()), None);
    }

    #[test]
    fn a_kernel_in_several_packages_is_whole() {
        let release = "7.2.12+deb13-cloud-amd64";
        let image = format!("{PREFIX}{release}");
        let depends = format!(
            "{image}\n  PreDepends: linux-base\n |Depends: <dracut>\n  Depends: linux-base-{release}\n  \
             Depends: linux-binary-{release}\n  Depends: linux-modules-{release}\n"
        );
        let names = [image.clone(), format!("linux-binary-{release}"), format!("linux-modules-{release}")];
        assert_eq!(parts(&image, release, &depends), names);
        assert_eq!(parts("a", "5.10", "  Depends: <kmod>\n"), ["a"]);
    }
}

//! The package of Debian and Ubuntu: an archive of `ar` with two of `tar` inside (deb(5)). It is written here, so that
//! it is the same bytes for the same files on any host; dpkg itself judges it in `cargo xtask test-dist`.

use std::fmt::Write as _;
use std::path::Path;

use super::tools::{md5, read, write, xz};
use super::tree::{Content, Tree};
use super::{Release, tar};
use crate::error::Error;

/// What runs when it comes and goes.
const SCRIPTS: [&str; 3] = ["postinst", "prerm", "postrm"];

/// Writes the package, and says what its file is called.
pub(crate) fn write_package(release: &Release, files: &Tree, directory: &Path) -> Result<String, Error> {
    let name = format!("weir_{}_{}.deb", release.version, release.arch.debian());
    let path = directory.join(&name);
    let scratch = path.with_extension("scratch");
    let data = xz(&tar::archive(files, "./", release.time), &scratch, release.draft)?;
    let control =
        xz(&tar::archive(&control(release, files, &scratch)?, "./", release.time), &scratch, release.draft)?;
    let mut bytes = b"!<arch>\n".to_vec();
    for (name, content) in
        [("debian-binary", b"2.0\n".as_slice()), ("control.tar.xz", &control), ("data.tar.xz", &data)]
    {
        let header =
            format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n", release.time, 0, 0, 100_644, content.len());
        bytes.extend_from_slice(header.as_bytes());
        bytes.extend_from_slice(content);
        if content.len() % 2 == 1 {
            bytes.push(b'\n');
        }
    }
    write(&path, &bytes)?;
    Ok(name)
}

/// What dpkg keeps of a package.
fn control(release: &Release, files: &Tree, scratch: &Path) -> Result<Tree, Error> {
    let mut control = Tree::default();
    let (mut size, mut sums, mut settings) = (0, String::new(), String::new());
    for (path, entry) in files.entries() {
        if let Content::File(content) = &entry.content {
            size += content.len().div_ceil(1024);
            // Writing to a string cannot fail.
            let _ = if path.starts_with("etc/") {
                writeln!(settings, "/{path}")
            } else {
                writeln!(sums, "{}  {path}", md5(content, scratch)?)
            };
        }
    }
    control.file(
        "control",
        format!(
            "Package: weir\nVersion: {}\nArchitecture: {}\nMaintainer: The authors of Weir <weir@localhost>\n\
             Installed-Size: {size}\nSection: net\nPriority: optional\n\
             Description: counts every packet of a Linux host in the kernel, per flow\n \
             Weir finds out who each flow talks to and shows the numbers to Prometheus; the same\n \
             engine reads capture files. It never drops, delays or changes a packet.\n .\n \
             The program is static and needs Linux 5.10 or newer. Nothing is enabled when it is\n \
             installed: `systemctl enable --now weir` does.\n",
            release.version,
            release.arch.debian(),
        ),
    );
    control.file("md5sums", sums);
    control.file("conffiles", settings);
    for script in SCRIPTS {
        control.program(script, read(&release.packaging.join("deb").join(script))?);
    }
    Ok(control)
}

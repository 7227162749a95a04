//! Peers of outputs that no distribution packages, for tests: Kafka's own broker, and an OpenTelemetry collector. They
//! take minutes to bring or to build, so they are kept in the user's cache by version, for all clones.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::process::{Program, find};

/// Kafka's jars, as `peers/kafka/pom.xml` names them.
const KAFKA: &str = "kafka-4.0.0";
/// The collector of `peers/collector`.
const COLLECTOR: &str = "collector-0.165.0";

const POM: &str = include_str!("peers/kafka/pom.xml");
const SOURCES: [(&str, &str); 3] = [
    ("main.go", include_str!("peers/collector/main.go")),
    ("go.mod", include_str!("peers/collector/go.mod")),
    ("go.sum", include_str!("peers/collector/go.sum")),
];

/// Where they are kept.
fn cache() -> Option<PathBuf> {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    cache.or_else(home).map(|cache| cache.join("weir"))
}

/// Brings those that are missing, as far as there is what brings them: the tests of the others say that they are skipped.
pub(crate) fn setup() -> Result<(), Error> {
    let Some(cache) = cache() else { return Ok(()) };
    if find("mvn").is_some() && find("java").is_some() {
        kept(&cache, KAFKA, "lib", |place| {
            write(&place.join("pom.xml"), POM)?;
            let copy = ["-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory=lib"];
            Program::new("mvn").args(copy).directory(place).run()
        })?;
    }
    if find("go").is_some() {
        kept(&cache, COLLECTOR, "collector", |place| {
            let sources = place.join("sources");
            make(&sources)?;
            for (name, text) in SOURCES {
                write(&sources.join(name), text)?;
            }
            Program::new("go")
                .args(["build", "-trimpath", "-o", "../collector", "."])
                .directory(&sources)
                .run()
        })?;
    }
    Ok(())
}

/// Makes something in a directory of its own, which has its name when that is done.
fn kept(
    cache: &Path,
    name: &str,
    proof: &str,
    bring: impl FnOnce(&Path) -> Result<(), Error>,
) -> Result<(), Error> {
    let place = cache.join(name);
    if place.join(proof).exists() {
        return Ok(());
    }
    eprintln!("xtask brings a peer for tests, once, to {}", place.display());
    let passing = cache.join(format!("{name}.{}", std::process::id()));
    make(&passing)?;
    bring(&passing)?;
    // What was left unfinished there, or came from elsewhere meanwhile, is the same.
    drop(fs::remove_dir_all(&place));
    fs::rename(&passing, &place).map_err(|source| Error::File { operation: "rename", path: passing, source })
}

fn make(path: &Path) -> Result<(), Error> {
    fs::create_dir_all(path).map_err(|source| Error::File {
        operation: "make",
        path: path.to_owned(),
        source,
    })
}

fn write(path: &Path, text: &str) -> Result<(), Error> {
    fs::write(path, text).map_err(|source| Error::File { operation: "write", path: path.to_owned(), source })
}

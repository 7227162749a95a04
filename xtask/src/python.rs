//! Python with packages of `PyPI`, for tests that read what Weir wrote with the tools that its users have, and
//! that send what real clients send.

use std::path::PathBuf;

use crate::error::Error;
use crate::process::Program;
use crate::project::Project;

/// The variable by which tests find it.
pub(crate) const PYTHON_VARIABLE: &str = "WEIR_TEST_PYTHON";

/// What is installed: pyarrow reads Parquet; aioquic is a client and a server of QUIC, websockets of WebSocket; chdb is
/// the engine of `ClickHouse`, opentelemetry-proto has the messages of OTLP, kubernetes-validate the schemas of
/// Kubernetes.
const PACKAGES: [&str; 6] = [
    "pyarrow",
    "aioquic==1.7.2",
    "websockets==17.4",
    "chdb==4.4.0",
    "opentelemetry-proto==1.45.2",
    "kubernetes-validate==1.37.0",
];

/// Fails unless each of these is there in its version.
const CHECK: &str = "
import importlib.metadata, sys
for package in sys.argv[1:]:
    name, _, version = package.partition('==')
    assert importlib.metadata.version(name) == version or not version, package
";

fn environment(project: &Project) -> PathBuf {
    project.tools().join("python")
}

/// The interpreter, once [`setup`] has been run.
pub(crate) fn interpreter(project: &Project) -> PathBuf {
    program(project, "python")
}

/// A program of one of the packages.
pub(crate) fn program(project: &Project, name: &str) -> PathBuf {
    environment(project).join("bin").join(name)
}

/// Makes a virtual environment below the target directory, unless it is there with all packages.
pub(crate) fn setup(project: &Project) -> Result<(), Error> {
    let python = interpreter(project);
    if Program::new(&python).args(["-c", CHECK]).args(PACKAGES).probe().is_some() {
        return Ok(());
    }
    eprintln!("xtask installs from PyPI into {}: {}", environment(project).display(), PACKAGES.join(" "));
    Program::new("python3").args(["-m", "venv"]).arg(environment(project)).run()?;
    Program::new(&python)
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary", ":all:"])
        .args(PACKAGES)
        .run()
}

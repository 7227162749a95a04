//! Python with packages of `PyPI`, for tests that read what Weir wrote with the tools that its users have.

use std::path::PathBuf;

use crate::error::Error;
use crate::process::Program;
use crate::project::Project;

/// The variable by which tests find it.
pub(crate) const PYTHON_VARIABLE: &str = "WEIR_TEST_PYTHON";

/// What is installed: pyarrow reads Parquet.
const PACKAGES: [&str; 1] = ["pyarrow"];

fn environment(project: &Project) -> PathBuf {
    project.tools().join("python")
}

/// The interpreter, once [`setup`] has been run.
pub(crate) fn interpreter(project: &Project) -> PathBuf {
    environment(project).join("bin").join("python")
}

/// Makes a virtual environment below the target directory, unless it is there with all packages.
pub(crate) fn setup(project: &Project) -> Result<(), Error> {
    let python = interpreter(project);
    let imports = format!("import {}", PACKAGES.join(", "));
    if Program::new(&python).args(["-c", &imports]).probe().is_some() {
        return Ok(());
    }
    eprintln!("xtask installs from PyPI into {}: {}", environment(project).display(), PACKAGES.join(" "));
    Program::new("python3").args(["-m", "venv", "--clear"]).arg(environment(project)).run()?;
    Program::new(&python)
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary", ":all:"])
        .args(PACKAGES)
        .run()
}

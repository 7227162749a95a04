//! `cargo xtask demo`: Weir, Prometheus and real traffic on a network of their own.

use crate::build::{self, Profile};
use crate::error::Error;
use crate::process::Program;
use crate::project::Project;
use crate::python;
use crate::setup::{self, Scope};

/// Sets up, builds as the calling user, and becomes the demo as root.
pub(crate) fn run(project: &Project, seconds: Option<u32>) -> Result<(), Error> {
    setup::run(project, Scope::Demo)?;
    let weir = build::agent(project, Profile::Release)?;
    let mut demo = Program::new(python::interpreter(project))
        .arg(project.root().join("demo/demo.py"))
        .arg("--weir")
        .arg(weir);
    if let Some(seconds) = seconds {
        demo = demo.arg("--seconds").arg(seconds.to_string());
    }
    Err(demo.with_root()?.replace_self())
}

//! `cargo xtask run`: from a checkout to a running agent.

use std::env;
use std::ffi::OsStr;

use crate::build::{self, Profile};
use crate::error::Error;
use crate::process::Program;
use crate::project::Project;
use crate::setup::{self, Scope};

/// Sets up, builds as the calling user, and becomes `weir run` as root.
pub(crate) fn run(project: &Project, arguments: &[String]) -> Result<(), Error> {
    setup::run(project, Scope::Toolchain)?;
    let weir = build::agent(project, Profile::Release)?;
    let mut program = Program::new(weir).arg("run").args(arguments);
    // Settings may come from the environment, which sudo drops.
    for (name, value) in env::vars_os().filter(|(name, _)| is_setting(name)) {
        program = program.env(name, value);
    }
    Err(program.with_root()?.replace_self())
}

fn is_setting(name: &OsStr) -> bool {
    name.to_str().is_some_and(|name| name.starts_with("WEIR_") && name != build::OBJECT_VARIABLE)
}

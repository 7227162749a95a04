//! `cargo xtask run`: from a checkout to a running agent.

use std::env;
use std::ffi::OsStr;
use std::thread;

use crate::build::{self, Profile};
use crate::error::Error;
use crate::process::Program;
use crate::project::Project;
use crate::setup::{self, Scope};

/// Sets up, builds as the calling user, and becomes `weir run` as root.
///
/// What compiles fast is built, unless `--release` comes first: whoever tries it wants to see it, not to wait.
pub(crate) fn run(project: &Project, arguments: &[String]) -> Result<(), Error> {
    let (profile, arguments) = match arguments {
        [first, rest @ ..] if first == "--release" => (Profile::Release, rest),
        all => (Profile::First, all),
    };
    if profile == Profile::First {
        eprintln!("xtask builds what compiles fast; `cargo xtask run --release` builds what runs fast");
    }
    // Packages, bpf-linker and the kernel side on one thread, the crates of the agent on another.
    let object = thread::scope(|scope| {
        scope.spawn(|| build::crates_ahead(project, profile));
        setup::run(project, Scope::Toolchain).and_then(|()| build::object(project))
    })?;
    let weir = build::agent_with(project, profile, &object)?;
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

//! `cargo xtask test-dist`: what `dist` leaves, installed, run, upgraded and removed as users do.

mod chart;
mod image;
mod install;
mod packages;

use std::path::{Path, PathBuf};

use crate::build::{self, Profile};
use crate::dist;
use crate::error::Error;
use crate::kernels::{self, life};
use crate::packages as needed;
use crate::project::Project;
use crate::setup::{self, Scope};

/// What is tested.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    /// Packages of the debug build, in directories; no machine is booted.
    pub(crate) quick: bool,
    /// Releases of Debian; all unless told.
    pub(crate) releases: Vec<String>,
}

/// Tests a plan.
pub(crate) fn run(project: &Project, plan: &Plan) -> Result<(), Error> {
    setup::run(project, Scope::Everything)?;
    if plan.quick {
        let object = build::object(project)?;
        return quick(project, &build::agent(project, Profile::Dev)?, &object);
    }
    dist::install(needed::dist_tests())?;
    let directory = project.target().join("dist");
    let package = one(&directory, "_amd64.deb")?;
    packages::test(project, &directory)?;
    install::test(project, &directory)?;
    chart(project)?;
    image::test(&directory)?;
    let upgrade = dist::repacked(project, &package, "0.0.1")?;
    match life::run(project, &package, &upgrade, &plan.releases)? {
        kernels::Outcome::Passed => Ok(()),
        kernels::Outcome::Skipped(why) => {
            println!("SKIPPED fresh systems: {why}");
            Ok(())
        }
    }
}

/// Tests the chart alone.
pub(crate) fn chart(project: &Project) -> Result<(), Error> {
    if let chart::Outcome::Skipped(why) = chart::test(project)? {
        println!("SKIPPED helm: {why}");
    }
    Ok(())
}

/// The round of the suite, with a program and an object that are built.
pub(crate) fn quick(project: &Project, program: &Path, object: &Path) -> Result<(), Error> {
    let directory = dist::quick(project, program, object)?;
    packages::test(project, &directory)?;
    install::test(project, &directory)?;
    chart::manifests(project)
}

/// The one file of a release whose name ends so.
fn one(directory: &Path, end: &str) -> Result<PathBuf, Error> {
    let names = dist::names(directory).unwrap_or_default();
    let found = names.iter().find(|name| name.ends_with(end)).map(|name| directory.join(name));
    found.ok_or_else(|| Error::Check {
        findings: vec![format!("{} has no *{end}", directory.display())],
        hint: "type `cargo xtask dist` first",
    })
}

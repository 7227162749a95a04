//! `cargo xtask views`: the tests of all that shows something.

use crate::boards;
use crate::build;
use crate::error::Error;
use crate::project::Project;
use crate::python::{self, PYTHON_VARIABLE};
use crate::setup::{self, Scope};
use crate::suite::ROOT_FEATURE;

/// Where they are among the tests of the running agent: Grafana's boards, the live page, the terminal.
const MODULES: [&str; 3] = ["boards::", "page::", "top::"];

/// Sets up and runs them; `cargo xtask test` runs the same among all others.
pub(crate) fn run(project: &Project) -> Result<(), Error> {
    setup::run(project, Scope::Everything)?;
    boards::check(project)?;
    let object = build::object(project)?;
    let variables = [(PYTHON_VARIABLE, python::interpreter(project))];
    build::cargo_as_root(project, "test", &object, &variables)?
        .args([
            "--locked",
            "--package",
            "monitor",
            "--features",
            ROOT_FEATURE,
            "--test",
            "kernel_agent",
            "--",
        ])
        .args(MODULES)
        .run()
}

//! `cargo xtask attack`: an agent of a release build, with a table full of flows, under clients and packets that mean
//! harm; under many who guess its password; and captures that do. It prints what scrapes, drains, a stop, the right
//! password and a capture take, and fails when a scrape is not answered, a packet is not accounted for, or a capture takes
//! too much memory.

use crate::build::{self, Profile};
use crate::error::Error;
use crate::project::Project;
use crate::suite::ROOT_FEATURE;

/// How long and how much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) minutes: u32,
    /// Flows in the table.
    pub(crate) flows: u32,
}

impl Default for Plan {
    fn default() -> Self {
        Self { minutes: 5, flows: 118_000 }
    }
}

/// Builds and runs.
pub(crate) fn run(project: &Project, plan: Plan) -> Result<(), Error> {
    let weir = build::agent(project, Profile::Release)?;
    let object = build::object(project)?;
    let variables = [
        ("WEIR_TEST_BINARY", weir.into_os_string()),
        ("WEIR_ATTACK_SECONDS", (u64::from(plan.minutes) * 60).to_string().into()),
        ("WEIR_ATTACK_FLOWS", plan.flows.to_string().into()),
    ];
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
        .args(["--ignored", "--nocapture", "--test-threads=1", "attack::"])
        .run()
}

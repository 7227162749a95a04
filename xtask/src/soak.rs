//! `cargo xtask soak`: an agent of a release build under new flows and everything else at once, for minutes
//! or hours; it fails when what the agent holds grows, or a packet is not accounted for.

use crate::build::{self, Profile};
use crate::error::Error;
use crate::project::Project;
use crate::suite::ROOT_FEATURE;

/// How long and how hard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) minutes: u32,
    /// New flows a second.
    pub(crate) rate: u32,
}

impl Default for Plan {
    fn default() -> Self {
        Self { minutes: 5, rate: 50_000 }
    }
}

/// Builds and runs.
pub(crate) fn run(project: &Project, plan: Plan) -> Result<(), Error> {
    let weir = build::agent(project, Profile::Release)?;
    let object = build::object(project)?;
    let variables = [
        ("WEIR_TEST_BINARY", weir.into_os_string()),
        ("WEIR_SOAK_SECONDS", (u64::from(plan.minutes) * 60).to_string().into()),
        ("WEIR_SOAK_RATE", plan.rate.to_string().into()),
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
        .args(["--ignored", "--nocapture", "soak::"])
        .run()
}

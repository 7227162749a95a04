//! `weir config`.

use std::io::{self, Write as _};

use super::CommandError;
use crate::config::{self, Overrides};

/// Prints the effective configuration.
pub fn print(overrides: &Overrides, json: bool) -> Result<(), CommandError> {
    let loaded = overrides.load()?;
    for name in &loaded.unknown_variables {
        // If standard error is gone there is nobody left to tell.
        drop(writeln!(io::stderr().lock(), "weir: environment {name}: no setting has this variable"));
    }
    if json {
        super::print(&format_args!("{:#}\n", config::json(&loaded.effective)))
    } else {
        super::print(&config::table(&loaded.effective))
    }
}

//! `weir documents`: what packages install beside the program, from the same source as its help.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap_complete::Shell;

use super::CommandError;
use crate::config;

/// Shells that complete words; each file has the name by which that shell finds it.
const SHELLS: [Shell; 3] = [Shell::Bash, Shell::Zsh, Shell::Fish];

/// Writes `man/*.1`, one a command, `completions/`, and `weir.toml`, the sample of the config file.
///
/// # Errors
/// When the directory cannot be made or written to.
pub fn write(mut command: clap::Command, directory: &Path) -> Result<(), CommandError> {
    let failed = |path: PathBuf| move |source: io::Error| CommandError::Document { path, source };
    let (manual, completions) = (directory.join("man"), directory.join("completions"));
    for made in [&manual, &completions] {
        fs::create_dir_all(made).map_err(failed(made.clone()))?;
    }
    let sample = directory.join("weir.toml");
    fs::write(&sample, config::sample()?).map_err(failed(sample.clone()))?;
    // `help` would be a page for each page.
    let pages = command.clone().disable_help_subcommand(true);
    clap_mangen::generate_to(pages, &manual).map_err(failed(manual.clone()))?;
    for shell in SHELLS {
        clap_complete::generate_to(shell, &mut command, "weir", &completions)
            .map_err(failed(completions.clone()))?;
    }
    Ok(())
}

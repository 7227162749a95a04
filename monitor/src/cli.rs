//! The command line, and how the program ends.

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use nix::sys::signal::{SigSet, Signal};

use crate::app;
use crate::command::{self, CommandError};
use crate::config::Overrides;
use crate::confine;
use crate::host::names;
use crate::sink::list_fields;

/// Counts every packet of a Linux host in the kernel, per flow.
#[derive(Debug, Parser)]
#[command(name = "weir", bin_name = "weir", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Count the packets of this host and serve them to Prometheus.
    Run {
        #[command(flatten)]
        overrides: Overrides,
        #[command(flatten)]
        outputs: app::RunOutputs,
    },
    /// Write the records of this host's traffic for a while, to take away; serves nothing.
    Record {
        #[command(flatten)]
        recording: app::Recording,
        #[command(flatten)]
        overrides: Overrides,
    },
    /// Print what this kernel, these rights and these interfaces allow.
    Check {
        #[command(flatten)]
        overrides: Overrides,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// End the counting that --pin keeps alive, and remove its pins.
    Unpin {
        #[command(flatten)]
        overrides: Overrides,
    },
    /// Print the flows of a running instance.
    Flows(command::flows::Arguments),
    /// Watch flows, domains, services, TCP and DNS of a running instance, or of this host, on the terminal.
    Top(Box<command::top::Arguments>),
    /// Print the effective configuration and where each value comes from.
    Config {
        #[command(flatten)]
        overrides: Overrides,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Read capture files instead of a host, and print their flows.
    Pcap(command::pcap::Arguments),
    /// Write manual pages, completions for shells and a sample of the config file into a directory: for packages.
    Documents {
        /// Where they go; made if it is not there.
        directory: PathBuf,
    },
    /// Prove from records that left hosts that none is missing, or print their schema.
    Records(command::records::Records),
    /// Print the version, the commit, the kernel side inside and what it was built with.
    Version,
}

/// Runs the command of this process's arguments.
pub fn main() -> ExitCode {
    // A file that would grow beyond a limit (RLIMIT_FSIZE) is an error of its output, not the end of the process.
    // Whether it could be blocked is seen when that happens.
    let _ = SigSet::from(Signal::SIGXFSZ).thread_block();
    names::keep_to_files_and_dns();
    confine::raise();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    let done = match cli.command {
        Command::Run { overrides, outputs } => run(&overrides, &app::Plan::Run(outputs)),
        Command::Record { recording, overrides } => match recording.table() {
            Some(table) => command::record::run(table),
            None => run(&overrides, &app::Plan::Record(recording)),
        },
        Command::Check { overrides, json } => command::check::run(&overrides, json),
        Command::Unpin { overrides } => command::unpin::run(&overrides),
        Command::Flows(arguments) => command::flows::run(&arguments),
        Command::Top(arguments) => command::top::run(&arguments),
        Command::Config { overrides, json } => command::config::print(&overrides, json),
        Command::Pcap(arguments) => command::pcap::run(&arguments),
        Command::Documents { directory } => command::documents::write(Cli::command(), &directory),
        Command::Records(records) => command::records::run(&records),
        Command::Version => command::version::print(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

fn run(overrides: &Overrides, plan: &app::Plan) -> Result<(), CommandError> {
    if plan.asks_for_fields() {
        return command::print(&list_fields());
    }
    Ok(app::run(overrides, plan)?)
}

/// One line that says what, why and what to do.
fn fail(error: &CommandError) -> ExitCode {
    if error.is_broken_pipe() {
        // The reader has seen enough, as in `weir flows | head`.
        return ExitCode::SUCCESS;
    }
    let line = error.to_string().replace('\n', " ");
    // If standard error is gone there is nobody left to tell.
    drop(writeln!(io::stderr().lock(), "weir: {line}"));
    ExitCode::FAILURE
}

/// Help and version are no errors; the rest is one line like every other error, with exit code 2.
fn usage(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        drop(error.print());
        return ExitCode::SUCCESS;
    }
    let text = error.render().to_string();
    let what: Vec<&str> = text
        .lines()
        .map(str::trim)
        .take_while(|l| !l.starts_with("Usage:") && !l.starts_with("For more information"))
        .filter(|l| !l.is_empty())
        .collect();
    // A line that ends with a colon goes on in those below it.
    let what = what.join("; ").replace(":; ", ": ");
    let what = what.strip_prefix("error: ").unwrap_or(&what);
    let what = if what.starts_with("Counts every packet") { "no command given" } else { what };
    drop(writeln!(io::stderr().lock(), "weir: {what}; see `{} --help`", called(std::env::args_os())));
    ExitCode::from(2)
}

/// The program with the subcommand that was asked for, if there is such.
fn called(arguments: impl Iterator<Item = OsString>) -> String {
    let command = Cli::command();
    let name = arguments.skip(1).find_map(|word| command.find_subcommand(&word).map(clap::Command::get_name));
    name.map_or_else(|| "weir".to_owned(), |name| format!("weir {name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_the_help_of_its_subcommand() {
        let called = |words: &[&str]| called(words.iter().map(OsString::from));
        assert_eq!(called(&["weir", "run", "--nope"]), "weir run");
        assert_eq!(called(&["weir", "nope"]), "weir");
        assert_eq!(called(&["weir"]), "weir");
    }

    #[test]
    fn every_flag_is_well_formed() {
        Cli::command().debug_assert();
    }
}

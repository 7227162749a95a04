//! `cargo xtask`: sets up, builds, checks and measures Weir.

mod arguments;
mod attack;
mod audit;
mod bench;
mod boards;
mod build;
mod captures;
mod check;
mod demo;
mod dist;
mod error;
mod fuzz;
mod kernels;
mod memory;
mod packages;
mod page;
mod peers;
mod process;
mod project;
mod python;
mod run;
mod sbom;
mod setup;
mod skips;
mod soak;
mod suite;
mod test_dist;
mod toolchain;
mod tools;
mod version;
mod views;

use std::process::ExitCode;

use arguments::{Command, HELP};
use error::Error;
use project::Project;

fn main() -> ExitCode {
    match arguments::parse(std::env::args().skip(1)).and_then(dispatch) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(command: Command) -> Result<(), Error> {
    if matches!(command, Command::Help) {
        print!("{HELP}");
        return Ok(());
    }
    let project = Project::open()?;
    match command {
        Command::Help => Ok(()),
        Command::Setup { scope } => setup::run(&project, scope),
        Command::Ebpf => build::object(&project).map(|path| println!("{}", path.display())),
        Command::Build { profile } => {
            build::agent(&project, profile).map(|path| println!("{}", path.display()))
        }
        Command::Run { arguments } => run::run(&project, &arguments),
        Command::Demo { seconds } => demo::run(&project, seconds),
        Command::Views => views::run(&project),
        Command::Boards { check: true } => boards::check(&project),
        Command::DrawBoards => boards::draw(&project),
        Command::Boards { check: false } => boards::write(&project),
        Command::Page { check: true } => page::check(&project),
        Command::Page { check: false } => page::write(&project),
        Command::Test => suite::run(&project),
        Command::TestKernels { plan } => kernels::run(&project, plan),
        Command::TestSystemd => kernels::run_systemd(&project),
        Command::TestChart => test_dist::chart(&project),
        Command::Dist { plan } => dist::run(&project, &plan),
        Command::TestDist { plan } => test_dist::run(&project, &plan),
        Command::Applications { list } => captures::applications(&project, &list),
        Command::Detect { labels, negatives } => captures::detect(&project, &labels, &negatives),
        Command::Audit => audit::run(&project),
        Command::Sbom => sbom::run(&project).map(|path| println!("{}", path.display())),
        Command::Unsafe { check: true } => check::unsafe_code::check(&project),
        Command::Unsafe { check: false } => check::unsafe_code::write(&project),
        Command::Miri => memory::run(&project, &memory::CRATES).map(drop),
        Command::Fuzz { plan } => fuzz::run(&project, &plan),
        Command::Soak { plan } => soak::run(&project, plan),
        Command::Attack { plan } => attack::run(&project, plan),
        Command::Bench { plan } => bench::run(&project, &plan),
    }
}

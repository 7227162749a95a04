//! `weir pcap`: what a capture says.

mod arguments;
mod read;

use std::{
    fmt::Display,
    io::{self, BufWriter, Write},
};

pub use arguments::Arguments;

use super::CommandError;
use crate::output::{Json, Output};

/// Reads the captures and writes what they say.
pub fn run(arguments: &Arguments) -> Result<(), CommandError> {
    let mut outputs = outputs(arguments);
    let damage = read::run(arguments, &mut outputs)?;
    for output in &mut outputs {
        output.finish()?;
    }
    damage.map_or(Ok(()), |damage| Err(damage.into()))
}

/// What the arguments ask for.
fn outputs(arguments: &Arguments) -> Vec<Box<dyn Output>> {
    let mut outputs: Vec<Box<dyn Output>> = Vec::new();
    if arguments.json {
        outputs.push(Box::new(Json::new(BufWriter::with_capacity(1 << 20, io::stdout().lock()))));
    }
    outputs
}

/// One line on standard error; the run goes on.
fn complain(what: &dyn Display) {
    // If standard error is gone there is nobody left to tell.
    drop(writeln!(io::stderr().lock(), "weir: {what}"));
}

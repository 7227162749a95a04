//! `weir pcap`: what a capture says.

mod arguments;
mod read;

use std::{
    fmt::Display,
    io::{self, BufWriter, Write},
};

pub use arguments::Arguments;

use super::CommandError;
use crate::output::{Destination, Json, Output, ReportOutput};
use crate::view::report::{Options, Owners};

/// Reads the captures and writes what they say.
pub fn run(arguments: &Arguments) -> Result<(), CommandError> {
    let mut outputs = outputs(arguments)?;
    let damage = read::run(arguments, &mut outputs)?;
    for output in &mut outputs {
        output.finish()?;
    }
    damage.map_or(Ok(()), |damage| Err(damage.into()))
}

/// What the arguments ask for; a report on standard output when they ask for nothing.
fn outputs(arguments: &Arguments) -> Result<Vec<Box<dyn Output>>, CommandError> {
    let mut outputs: Vec<Box<dyn Output>> = Vec::new();
    if arguments.json {
        outputs.push(Box::new(Json::new(BufWriter::with_capacity(1 << 20, io::stdout().lock()))));
    }
    if outputs.is_empty() {
        outputs.push(report(arguments, Destination::Terminal { plain: arguments.no_color })?);
    }
    Ok(outputs)
}

fn report(arguments: &Arguments, to: Destination) -> Result<Box<dyn Output>, CommandError> {
    let names = arguments.files.iter().map(|path| match path.to_str() {
        Some("-") => "standard input".to_owned(),
        _ => path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned(),
    });
    let mut source: Vec<String> = names.take(3).collect();
    if arguments.files.len() > source.len() {
        source.push(format!("{} more files", arguments.files.len() - source.len()));
    }
    let options = Options {
        sections: arguments.section.clone(),
        top: usize::from(arguments.top),
        owners: arguments.asn_db.as_deref().map(Owners::open).transpose()?,
        source: source.join(", "),
    };
    Ok(Box::new(ReportOutput::new(options, to)))
}

/// One line on standard error; the run goes on.
fn complain(what: &dyn Display) {
    // If standard error is gone there is nobody left to tell.
    drop(writeln!(io::stderr().lock(), "weir: {what}"));
}

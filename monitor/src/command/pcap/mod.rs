//! `weir pcap`: what a capture says.

mod arguments;
mod frame;
mod progress;
mod read;
mod screens;
mod select;

use std::{
    fmt::Display,
    io::{self, Write},
    path::{Path, PathBuf},
};

pub use arguments::Arguments;
use arguments::Wanted;

use progress::Progress;
use read::How;
use select::Selection;

use super::CommandError;
use monitor_core::{engine::EngineConfig, filter::Filter, record::AnyRecord};

use crate::{
    app,
    config::Config,
    sink::{
        Beside, Destination, Fields, Note, OutputError, PacketView, Packets, ReportOutput, Save, Sink, Tally,
        build::{Of, build},
        list_fields,
    },
    source::pcap::expand,
    terminal,
    view::report::{Options, Owners, SectionId},
};

/// Reads the captures and writes what they say.
pub fn run(arguments: &Arguments) -> Result<(), CommandError> {
    if arguments.fields == ["help"] {
        return super::print(&list_fields());
    }
    if arguments.section.contains(&Wanted::Help) {
        let sections = SectionId::ALL.iter().map(|id| format!("{:<14} {}\n", id.as_str(), id.title()));
        return super::print(&sections.collect::<String>());
    }
    if arguments.files.is_empty() {
        return Err(CommandError::NoCapture);
    }
    let paths = paths(&arguments.files)?;
    let filter: Option<Filter> =
        arguments.filter.as_deref().map(str::parse).transpose().map_err(CommandError::PcapFilter)?;
    if let Some(word) = filter.as_ref().and_then(Filter::owner_word) {
        return Err(CommandError::NoOwners { word: word.as_str() });
    }
    if arguments.tui && !terminal::is_capable() {
        return Err(CommandError::NoTerminal { instead: "without --tui the report is printed" });
    }
    let engine = engine(arguments.config_file.clone())?;
    let mut outputs = if arguments.tui { Vec::new() } else { outputs(arguments, &paths, &engine)? };
    let mut progress = Progress::new(arguments.json);
    if let Some(given) = &arguments.flow {
        outputs.push(Box::new(frame::life(given, &paths, &engine, &mut progress)?));
    }
    let selection = select::find(filter, &paths, &engine, &mut progress)?;
    let how = How {
        paths: &paths,
        strict: arguments.strict,
        complain: true,
        selection: &selection,
        page: arguments.prometheus,
        local: &arguments.local,
        engine: &engine,
    };
    if arguments.tui {
        return screens::run(how, screens::called(&paths), arguments.no_color, &mut progress);
    }
    let damage = read::run(how, &mut outputs, &mut progress)?;
    let mut tally = Tally::default();
    for output in &mut outputs {
        output.finish(&mut tally)?;
    }
    report_notes(&tally);
    damage.map_or(Ok(()), |damage| Err(damage.into()))
}

/// Writes the rows of the packets of one file. Returns how many there are.
pub(super) fn table(path: &Path, rows: Packets) -> Result<u64, CommandError> {
    let paths = [path.to_owned()];
    let engine = engine(None)?;
    let mut count = 0;
    let mut outputs: [Box<dyn Sink + '_>; 2] = [Box::new(rows), Box::new(Count(&mut count))];
    let how = How {
        paths: &paths,
        strict: false,
        complain: true,
        selection: &Selection::All,
        page: false,
        local: &[],
        engine: &engine,
    };
    let mut progress = Progress::new(false);
    read::run(how, &mut outputs, &mut progress)?;
    let mut tally = Tally::default();
    for output in &mut outputs {
        output.finish(&mut tally)?;
    }
    drop(outputs);
    Ok(count)
}

/// Counts packets.
struct Count<'a>(&'a mut u64);

impl Sink for Count<'_> {
    fn wants_packets(&self) -> bool {
        true
    }

    fn packet(&mut self, _: &PacketView<'_>) -> Result<(), OutputError> {
        *self.0 += 1;
        Ok(())
    }

    fn write(&mut self, _: &[AnyRecord], _: &mut Tally) -> Result<(), OutputError> {
        Ok(())
    }

    fn finish(&mut self, _: &mut Tally) -> Result<(), OutputError> {
        Ok(())
    }
}

/// What the configuration says of names and of what to look for: `[services]`, `[protocols]`, `public-names` and
/// `detection.*`. All else is for a running instance.
fn engine(file: Option<PathBuf>) -> Result<EngineConfig, CommandError> {
    let config = Config::of_capture(file)?;
    Ok(app::capture_engine(&config)?)
}

/// The files, patterns expanded.
fn paths(arguments: &[PathBuf]) -> Result<Vec<PathBuf>, CommandError> {
    let mut paths = Vec::new();
    for argument in arguments {
        paths.extend(expand(argument)?);
    }
    Ok(paths)
}

/// What the arguments ask for; a report on standard output when they ask for nothing. Files are created
/// before anything is read: what cannot be written is known at once.
fn outputs(
    arguments: &Arguments,
    paths: &[PathBuf],
    engine: &EngineConfig,
) -> Result<Vec<Box<dyn Sink>>, CommandError> {
    let fields = Fields::choose(&arguments.fields)?;
    let mut outputs: Vec<Box<dyn Sink>> = Vec::new();
    let mut tally = Tally::default();
    for (name, output) in app::named(Vec::new(), arguments.given())? {
        let sink = build(&output, Of::Capture { replace: arguments.force }, &mut tally)?;
        outputs.push(Box::new(Beside::start(&name, sink)?));
    }
    if let Some(path) = &arguments.packets {
        let files = read::files(paths);
        outputs.push(Box::new(Packets::create(path, &fields, files, arguments.force, &mut tally)?));
    }
    if outputs.is_empty() && !arguments.fields.is_empty() {
        return Err(OutputError::FieldsAlone.into());
    }
    if let Some(path) = &arguments.html {
        outputs.push(report(arguments, paths, engine, Destination::Html(path.clone()))?);
    }
    if let Some(path) = &arguments.write {
        outputs.push(Box::new(Save::create(path, arguments.force, &mut tally)?));
    }
    if outputs.is_empty() && !arguments.prometheus && arguments.flow.is_none() {
        outputs.push(report(arguments, paths, engine, Destination::Terminal { plain: arguments.no_color })?);
    }
    report_notes(&tally);
    Ok(outputs)
}

/// Says what outputs came across.
fn report_notes(tally: &Tally) {
    for note in tally.notes() {
        if let Note::Discarded { path } = note {
            complain(&format_args!("{}: an earlier run left this unfinished; removed", path.display()));
        }
    }
}

fn report(
    arguments: &Arguments,
    paths: &[PathBuf],
    engine: &EngineConfig,
    to: Destination,
) -> Result<Box<dyn Sink>, CommandError> {
    let options = Options {
        sections: arguments.sections(),
        top: arguments.top.map_or(if matches!(to, Destination::Html(_)) { 25 } else { 10 }, usize::from),
        owners: arguments.asn_db.as_deref().map(Owners::open).transpose()?,
        source: screens::called(paths),
        services: engine.services.clone(),
    };
    Ok(Box::new(ReportOutput::new(options, to)))
}

/// One line on standard error; the run goes on.
fn complain(what: &dyn Display) {
    // If standard error is gone there is nobody left to tell.
    drop(writeln!(io::stderr().lock(), "weir: {what}"));
}

//! From an output as it is configured to its sink.

use super::{
    Fields, OutputError, Sink, Tally,
    lines::Lines,
    net,
    table::Form,
    tables::{Style, Tables},
};
use crate::config::outputs::{Destination, Files, Output, STANDARD};

/// What the records are of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    /// Captures, whose records come once: files are whole at the end.
    Capture {
        /// Files that are there already go.
        replace: bool,
    },
    /// A running instance, whose records come as long as it runs.
    Run,
    /// A recording, whose files come when it has begun.
    Recording,
}

/// The sink of an output. What can be seen to fail fails here.
///
/// # Errors
/// When its place cannot be written to, or when it has no such fields.
pub fn build(output: &Output, of: Of, tally: &mut Tally) -> Result<Box<dyn Sink + Send>, OutputError> {
    let fields = Fields::choose(&output.fields)?;
    match &output.to {
        Destination::Json(files) => lines(files, &fields, of, tally),
        Destination::Csv(files) => tables(files, Form::Csv, &fields, of, tally),
        Destination::Parquet(files) => tables(files, Form::Parquet, &fields, of, tally),
        Destination::Network(network) if of != Of::Run => Err(OutputError::Live { kind: network.kind() }),
        Destination::Network(network) => Ok(Box::new(net::Output::new(network, &fields)?)),
    }
}

fn lines(
    files: &Files,
    fields: &Fields,
    of: Of,
    tally: &mut Tally,
) -> Result<Box<dyn Sink + Send>, OutputError> {
    if files.path.as_os_str() == STANDARD {
        return Ok(Box::new(Lines::standard(fields, of == Of::Run)));
    }
    let lines = match of {
        Of::Capture { replace } => Lines::whole(&files.path, fields, replace, tally),
        Of::Run => Lines::added(&files.path, fields, files.rotation),
        Of::Recording => Lines::later(&files.path, fields, files.rotation),
    };
    Ok(Box::new(lines?))
}

fn tables(
    files: &Files,
    form: Form,
    fields: &Fields,
    of: Of,
    tally: &mut Tally,
) -> Result<Box<dyn Sink + Send>, OutputError> {
    let style = match (of, files.rotation) {
        (Of::Capture { replace }, _) => Style::Whole { replace },
        (_, Some(rotation)) => Style::Rotated(rotation),
        (_, None) => Style::Once,
    };
    Ok(Box::new(Tables::create(&files.path, form, fields, style, tally)?))
}

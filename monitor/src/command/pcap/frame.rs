//! `--flow`: from a frame to the life of its flow.
//!
//! What came before the frame is told too, so the files are read twice, unless they come once.

use std::path::PathBuf;

use monitor_core::engine::EngineConfig;

use super::{
    CommandError,
    progress::Progress,
    read::{self, How},
    select::{self, Selection},
};
use crate::sink::{Find, Found, Life, OutputError, Sink};

/// The output that tells the life of the flow that `given` names: a frame, or one of a file.
pub(super) fn life(
    given: &str,
    paths: &[PathBuf],
    engine: &EngineConfig,
    progress: &mut Progress,
) -> Result<Life, CommandError> {
    let wrong = || OutputError::Frame { given: given.to_owned() };
    let (file, frame) = parse(given, paths).ok_or_else(wrong)?;
    if select::once(paths).is_some() {
        return Ok(Life::new(Found { file, frame, id: None, flow: None }));
    }
    let mut found = None;
    let mut outputs: [Box<dyn Sink + '_>; 1] = [Box::new(Find::new(file, frame, &mut found))];
    let how = How {
        paths,
        strict: false,
        complain: false,
        selection: &Selection::All,
        page: false,
        local: &[],
        engine,
    };
    read::run(how, &mut outputs, progress)?;
    drop(outputs);
    let found = found.ok_or(OutputError::NoFlow { frame })?;
    Ok(Life::new(found))
}

/// File and number of a frame.
fn parse(given: &str, paths: &[PathBuf]) -> Option<(u32, u64)> {
    if let Ok(frame) = given.parse() {
        return Some((0, frame));
    }
    let (name, frame) = given.rsplit_once(':')?;
    let named = |whole: bool| {
        paths.iter().position(|path| {
            path.as_os_str() == name || !whole && path.file_name().is_some_and(|last| last == name)
        })
    };
    Some((named(true).or_else(|| named(false))? as u32, frame.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_a_number_of_the_first_file_or_of_one_that_is_named() {
        let paths = ["a/x.pcap", "b/x.pcap", "y:1.pcap"].map(PathBuf::from);
        assert_eq!(parse("7", &paths), Some((0, 7)));
        assert_eq!(parse("b/x.pcap:7", &paths), Some((1, 7)));
        assert_eq!(parse("x.pcap:7", &paths), Some((0, 7)));
        assert_eq!(parse("y:1.pcap:7", &paths), Some((2, 7)));
        for wrong in ["z.pcap:7", "x.pcap", "x.pcap:", "-1", ""] {
            assert_eq!(parse(wrong, &paths), None, "{wrong}");
        }
    }
}

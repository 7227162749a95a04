//! `--tui`: a capture on the screens of `weir top`.

use std::{path::PathBuf, sync::mpsc::Sender};

use monitor_core::{filter::Filter, live::Window, record::AnyRecord};
use tokio::sync::watch;

use super::{
    CommandError,
    progress::Progress,
    read::{self, How},
};
use crate::{
    command::top::screen::{self, Input},
    sink::{Ending, OutputError, PacketView, Sink, Tally},
    view::top::{Browsed, News, Question, Tab, Top, Viewed},
};

/// Collects what the screens show.
struct Collector<'a>(&'a mut Browsed);

impl Sink for Collector<'_> {
    fn wants_packets(&self) -> bool {
        true
    }

    fn packet(&mut self, packet: &PacketView<'_>) -> Result<(), OutputError> {
        let captured = packet.captured.len();
        self.0.report.capture.packet(packet.frame, captured, packet.link_type, packet.outcome);
        Ok(())
    }

    fn write(&mut self, records: &[AnyRecord], _: &mut Tally) -> Result<(), OutputError> {
        for record in records {
            self.0.record(record);
        }
        Ok(())
    }

    fn ended(&mut self, ending: &Ending<'_>) -> Result<(), OutputError> {
        self.0.report.capture.files = ending.files;
        self.0.report.capture.truncated = ending.truncated;
        self.0.report.capture.skipped.clone_from(ending.unknown);
        Ok(())
    }

    fn finish(&mut self, _: &mut Tally) -> Result<(), OutputError> {
        self.0.settle();
        Ok(())
    }
}

/// Reads the captures, then shows them until the user has seen enough.
pub(super) fn run(
    how: How<'_>,
    source: String,
    plain: bool,
    progress: &mut Progress,
) -> Result<(), CommandError> {
    let mut browsed = Browsed::default();
    let mut outputs: [Box<dyn Sink + '_>; 1] = [Box::new(Collector(&mut browsed))];
    let damage = read::run(how, &mut outputs, progress)?;
    for output in &mut outputs {
        output.finish(&mut Tally::default())?;
    }
    drop(outputs);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let top = Top::new(Viewed::Capture(source), Tab::Flows, String::new(), Window::default());
    screen::run(top, plain, move |questions, to| {
        runtime.block_on(answer(&browsed, questions, &to));
        Ok(())
    })?;
    damage.map_or(Ok(()), |damage| Err(damage.into()))
}

/// Answers what is asked until nobody asks any more.
async fn answer(browsed: &Browsed, mut questions: watch::Receiver<Question>, to: &Sender<Input>) {
    let history = News::History(Box::new(browsed.history()));
    let mut asked: Option<String> = None;
    if to.send(Input::News(history)).is_err() {
        return;
    }
    loop {
        let Question { filter, .. } = questions.borrow_and_update().clone();
        if asked.as_ref() != Some(&filter) {
            // What is no filter was refused where it was written.
            let passes: Option<Filter> = filter.parse().ok();
            let live = News::Live(Box::new(browsed.picture(passes.as_ref())));
            if to.send(Input::News(live)).is_err() {
                return;
            }
            asked = Some(filter);
        }
        if questions.changed().await.is_err() {
            return;
        }
    }
}

/// What files are called on the screen.
pub(super) fn called(paths: &[PathBuf]) -> String {
    let names = paths.iter().map(|path| match path.to_str() {
        Some("-") => "standard input".to_owned(),
        _ => path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned(),
    });
    let mut source: Vec<String> = names.take(3).collect();
    if paths.len() > source.len() {
        source.push(format!("{} more files", paths.len() - source.len()));
    }
    source.join(", ")
}

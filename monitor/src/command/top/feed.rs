//! From a source of pictures to the screen.

use std::{sync::mpsc::Sender, time::Duration};

use tokio::{sync::watch, time::sleep};

use super::{instance, own, screen::Input};
use crate::{
    app::{OwnRun, RunError},
    client::Instance,
    command::CommandError,
    view::{
        live::History,
        top::{Live, Question},
    },
};

/// Between two looks at what counts in this process.
pub(super) const LOOK: Duration = Duration::from_millis(100);

/// Where pictures come from.
pub(super) enum Source {
    Instance(Box<Instance>),
    Own(Box<OwnRun>),
}

/// Hands on what comes until nobody takes it. What counts here ends with it.
pub(super) async fn run(
    source: Source,
    questions: watch::Receiver<Question>,
    to: &Sender<Input>,
) -> Result<(), CommandError> {
    match &source {
        Source::Instance(instance) => instance::run(instance, questions, to).await,
        Source::Own(run) => own::run(run, questions, to).await?,
    }
    Ok(())
}

/// What was before, and one picture, with rates where there can be some.
pub(super) async fn once(source: Source, question: Question) -> Result<(History, Live), CommandError> {
    match source {
        Source::Instance(instance) => instance::once(&instance, &question).await,
        Source::Own(run) => {
            let mut seen = own::Seen::default();
            loop {
                if !run.is_running() {
                    return Err(RunError::CounterEnded.into());
                }
                match own::look(&run, &question, &mut seen) {
                    // The first drain has nothing to compare with.
                    Some(live) if seen.drains > 1 => return Ok((History::default(), live)),
                    _ => sleep(LOOK).await,
                }
                // The picture that is kept has all of the history.
                seen.step = 0;
            }
        }
    }
}

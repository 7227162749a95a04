//! Pictures of what this process counts.

use std::sync::mpsc::Sender;

use monitor_core::{filter::Filter, flow::FlowId};
use tokio::{sync::watch, time::timeout};

use super::{feed::LOOK, screen::Input};
use crate::{
    app::{OwnRun, RunError},
    view::{
        listing::{self, Scope},
        live::{History, Life, Snapshot},
        top::{Live, News, Question},
    },
};

/// What was seen.
#[derive(Debug, Default)]
pub(super) struct Seen {
    last: u64,
    pub(super) drains: u64,
    /// The first step of the history that was not.
    pub(super) step: u64,
}

/// The picture of a drain that was not seen yet.
pub(super) fn look(run: &OwnRun, question: &Question, seen: &mut Seen) -> Option<Live> {
    let last = run.state().turn(|engine| engine.ledger().totals().last_drain);
    if last == seen.last || !run.state().is_ready() {
        return None;
    }
    (seen.last, seen.drains) = (last, seen.drains + 1);
    picture(run, question, seen)
}

fn picture(run: &OwnRun, question: &Question, seen: &mut Seen) -> Option<Live> {
    let snapshot = Snapshot::of(run.state(), question.window);
    // What is no filter was refused where it was written; those that Enter makes quote what they are made of.
    let filter: Option<Filter> = question.filter.parse().ok();
    let scope = Scope::default();
    let (ids, matched) =
        listing::select(run.state(), filter.as_ref(), &scope, question.sort, question.limit, &|| true)?;
    let flows = listing::rows(run.state(), &ids, &scope);
    let (history, next) = run.state().turn(|engine| History::since(engine, seen.step));
    seen.step = next;
    Some(Live { snapshot, matched, flows, history })
}

/// The flow that is looked at, if one is.
fn details(run: &OwnRun, question: &Question) -> Option<News> {
    let flow = question.flow.as_ref()?;
    let id: FlowId = flow.parse().ok()?;
    let life = run.state().turn(|engine| Life::of(engine, id));
    let Some(life) = life else { return Some(News::Details(flow.clone(), None)) };
    let life = serde_json::to_vec(&life).ok()?;
    serde_json::from_slice(&life).ok().map(|details| News::Details(flow.clone(), Some(details)))
}

/// Hands on a picture a drain, and one more when another is asked for.
pub(super) async fn run(
    run: &OwnRun,
    mut questions: watch::Receiver<Question>,
    to: &Sender<Input>,
) -> Result<(), RunError> {
    // The first picture brings all of the history.
    let mut seen = Seen::default();
    while run.is_running() {
        let question = questions.borrow_and_update().clone();
        if let Some(live) = look(run, &question, &mut seen) {
            let told = [Some(News::Live(Box::new(live))), details(run, &question)];
            if told.into_iter().flatten().any(|news| to.send(Input::News(news)).is_err()) {
                return Ok(());
            }
        }
        match timeout(LOOK, questions.changed()).await {
            Ok(Ok(())) => seen.last = 0,
            // The screen has ended.
            Ok(Err(_)) => return Ok(()),
            Err(_) => {}
        }
    }
    Err(RunError::CounterEnded)
}

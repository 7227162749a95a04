//! Pictures of what this process counts.

use std::sync::mpsc::Sender;

use monitor_core::{filter::Filter, flow::FlowId};
use tokio::{sync::watch, time::timeout};

use super::{feed::LOOK, screen::Input};
use crate::{
    app::{OwnRun, RunError},
    view::{
        flows::Flow,
        live::{History, Life, Snapshot},
        order::top,
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
    let last = run.state().engine().ledger().totals().last_drain;
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
    let engine = run.state().engine();
    let flows = engine.flows().filter(|flow| filter.as_ref().is_none_or(|filter| filter.matches(flow)));
    let (flows, matched) = top(flows, question.sort, question.limit);
    let flows: Vec<Flow<'_>> = flows.iter().map(Flow::from).collect();
    // Through the form in which instances elsewhere tell it: one way from a flow to the screen.
    let flows = serde_json::to_vec(&flows).ok()?;
    let (history, next) = History::since(&engine, seen.step);
    drop(engine);
    seen.step = next;
    Some(Live { snapshot, matched, flows: serde_json::from_slice(&flows).ok()?, history })
}

/// The flow that is looked at, if one is.
fn details(run: &OwnRun, question: &Question) -> Option<News> {
    let flow = question.flow.as_ref()?;
    let id: FlowId = flow.parse().ok()?;
    let life = Life::of(&mut run.state().engine(), id);
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

//! The flows of an answer, read in turns: which they are, and then what each of them says.

use monitor_core::filter::Filter;
use monitor_core::flow::FlowId;

use super::flows::Flow;
use super::order::{Ranking, Sort};
use crate::state::{FLOWS, SLOTS, State};

/// The first flows of an order, of those that a filter lets through, and how many it lets through. `None`: nobody
/// wants to know any more.
pub fn select(
    state: &State,
    filter: Option<&Filter>,
    sort: Sort,
    limit: usize,
    wanted: &dyn Fn() -> bool,
) -> Option<(Vec<FlowId>, usize)> {
    let mut ranking = Ranking::new(sort, limit);
    let mut from = 0;
    loop {
        if !wanted() {
            return None;
        }
        let slots = state.turn(|engine| {
            let flows = engine.flows_in(from..from.saturating_add(SLOTS));
            flows.filter(|flow| filter.is_none_or(|f| f.matches(flow))).for_each(|flow| ranking.offer(&flow));
            engine.slots()
        });
        from = from.saturating_add(SLOTS);
        if from >= slots {
            return Some(ranking.finish());
        }
    }
}

/// What these flows say now; those that have ended meanwhile are left out. At most [`FLOWS`] of them are looked at in
/// one turn.
pub fn rows(state: &State, ids: &[FlowId]) -> Vec<Flow<'static>> {
    let mut rows = Vec::with_capacity(ids.len());
    for ids in ids.chunks(FLOWS) {
        state.turn(|engine| {
            let flows = ids.iter().filter_map(|id| engine.flow(*id));
            rows.extend(flows.map(|flow| Flow::from(&flow).into_owned()));
        });
    }
    rows
}

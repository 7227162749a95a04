//! The flows of an answer, read in turns: which they are, and then what each of them says.

use monitor_core::filter::Filter;
use monitor_core::flow::{FlowId, FlowView};

use super::flows::Flow;
use super::order::{Ranking, Sort};
use crate::state::{FLOWS, SLOTS, State};

/// Which flows are meant beside what the filter says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Scope {
    /// Also the copies of flows that several interfaces see.
    pub copies: bool,
    /// Also those that ended a short while ago; where nothing is said, when the filter asks for a state that is an end.
    pub ended: Option<bool>,
    /// Those that this interface sees, and their directions as it sees them.
    pub interface: Option<String>,
}

impl Scope {
    fn admits(&self, flow: &FlowView<'_>) -> bool {
        let there = |name: &String| {
            flow.interface == name || flow.further_interfaces.iter().any(|further| further == name)
        };
        (self.copies || !flow.duplicate) && self.interface.as_ref().is_none_or(there)
    }
}

/// The first flows of an order, of those that a filter lets through, and how many it lets through. `None`: nobody
/// wants to know any more.
pub fn select(
    state: &State,
    filter: Option<&Filter>,
    scope: &Scope,
    sort: Sort,
    limit: usize,
    wanted: &dyn Fn() -> bool,
) -> Option<(Vec<FlowId>, usize)> {
    let mut ranking = Ranking::new(sort, limit);
    let mut from = 0;
    let passes = |flow: &FlowView<'_>| scope.admits(flow) && filter.is_none_or(|f| f.matches(flow));
    if scope.ended.unwrap_or_else(|| filter.is_some_and(Filter::asks_for_ended)) {
        state.turn(|engine| engine.ended_flows().filter(&passes).for_each(|flow| ranking.offer(&flow)));
    }
    loop {
        if !wanted() {
            return None;
        }
        let slots = state.turn(|engine| {
            let flows = engine.flows_in(from..from.saturating_add(SLOTS));
            flows.filter(&passes).for_each(|flow| ranking.offer(&flow));
            engine.slots()
        });
        from = from.saturating_add(SLOTS);
        if from >= slots {
            return Some(ranking.finish());
        }
    }
}

/// What these flows say now; those that are gone meanwhile are left out. At most [`FLOWS`] of them are looked at in
/// one turn.
pub fn rows(state: &State, ids: &[FlowId], scope: &Scope) -> Vec<Flow<'static>> {
    let mut rows = Vec::with_capacity(ids.len());
    for ids in ids.chunks(FLOWS) {
        state.turn(|engine| {
            let flows = ids.iter().filter_map(|id| match &scope.interface {
                Some(interface) => engine.flow_at(*id, interface),
                None => engine.flow(*id),
            });
            rows.extend(flows.map(|flow| Flow::from(&flow).into_owned()));
        });
    }
    rows
}

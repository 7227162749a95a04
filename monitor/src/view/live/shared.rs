//! What several watchers want of the same drain is made once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use monitor_core::filter::Filter;
use monitor_core::live::Window;

use super::{History, Snapshot};
use crate::state::{State, lock};
use crate::view::flows::{Answer, Flow};
use crate::view::order::{Sort, top};

/// What a watcher wants to see.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Query {
    /// Of the sums.
    pub window: Window,
    /// Of the flows.
    pub sort: Sort,
    /// Most flows.
    pub limit: usize,
    /// Which flows, as [`Filter`] reads it.
    pub filter: Option<String>,
}

/// Different questions for flows whose answers are kept until the next drain.
const QUESTIONS: usize = 64;

/// JSON of one drain.
type Json = Arc<str>;

/// Of which flows: all but the window.
type Which = (Sort, usize, Option<String>);

#[derive(Debug, Default)]
struct Made {
    drain: u64,
    snapshots: HashMap<Window, Json>,
    /// Members of an object, without its braces.
    flows: HashMap<Which, Json>,
}

/// What was made since the last drain.
#[derive(Debug, Default)]
pub struct Shared(Mutex<Made>);

impl Shared {
    /// The data of a `live` event, and from where on the history goes on next time. `filter` is that of the
    /// query; `from` is the first step of the history that the watcher has not.
    pub fn live(&self, state: &State, query: &Query, filter: Option<&Filter>, from: u64) -> (String, u64) {
        let (snapshot, flows) = {
            // One at a time: who comes while something is made finds it made.
            let mut made = lock(&self.0);
            let drain = state.drains();
            if made.drain != drain {
                *made = Made { drain, ..Made::default() };
            }
            let snapshot = made
                .snapshots
                .entry(query.window)
                .or_insert_with(|| json(&Snapshot::of(state, query.window)).into());
            let snapshot = Arc::clone(snapshot);
            let which = (query.sort, query.limit, query.filter.clone());
            let flows = if let Some(flows) = made.flows.get(&which) {
                Arc::clone(flows)
            } else {
                let flows: Json = flows(state, query, filter).into();
                if made.flows.len() < QUESTIONS {
                    made.flows.insert(which, Arc::clone(&flows));
                }
                flows
            };
            (snapshot, flows)
        };
        let (history, next) = History::since(&state.engine(), from);
        (format!("{{\"snapshot\":{snapshot},\"history\":{},{flows}}}", json(&history)), next)
    }
}

fn flows(state: &State, query: &Query, filter: Option<&Filter>) -> String {
    let answer = {
        let engine = state.engine();
        let flows = engine.flows().filter(|flow| filter.is_none_or(|f| f.matches(flow)));
        let (flows, matched) = top(flows, query.sort, query.limit);
        json(&Answer { matched, flows: flows.iter().map(Flow::from).collect() })
    };
    answer.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap_or_default().to_owned()
}

/// What is written here has texts for keys and numbers that are none as null: it cannot fail.
pub(crate) fn json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

//! What several watchers want of the same drain is made once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use monitor_core::filter::Filter;
use monitor_core::live::Window;

use super::{History, Snapshot};
use crate::state::State;
use crate::sync::lock;
use crate::view::flows::Answer;
use crate::view::listing::{self, Scope};
use crate::view::order::Sort;

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
    /// Which beside that.
    pub scope: Scope,
}

/// Different questions for flows whose answers are kept until the next drain.
const QUESTIONS: usize = 64;

/// JSON of one drain.
type Json = Arc<str>;

/// Of which flows: all but the window.
type Which = (Sort, usize, Option<String>, Scope);

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
    /// query; `from` is the first step of the history that the watcher has not. `None`: nobody wants it any more.
    ///
    /// What was made since the last drain is taken as it is. Others may make the same meanwhile: nobody waits for
    /// them, so that one who leaves keeps none from the rest.
    pub fn live(
        &self,
        state: &State,
        query: &Query,
        filter: Option<&Filter>,
        from: u64,
        wanted: &dyn Fn() -> bool,
    ) -> Option<(String, u64)> {
        let snapshot = self.snapshot(state, query.window);
        let which = (query.sort, query.limit, query.filter.clone(), query.scope.clone());
        let known = self.made(state, |made| made.flows.get(&which).cloned());
        let flows = if let Some(flows) = known {
            flows
        } else {
            let drain = state.drains();
            let flows: Json = flows(state, query, filter, wanted)?.into();
            self.made(state, |made| {
                if made.drain == drain && made.flows.len() < QUESTIONS {
                    made.flows.insert(which, Arc::clone(&flows));
                }
            });
            flows
        };
        let (history, next) = state.turn(|engine| History::since(engine, from));
        Some((format!("{{\"snapshot\":{snapshot},\"history\":{},{flows}}}", json(&history)), next))
    }

    /// The snapshot of a window, as JSON.
    pub fn snapshot(&self, state: &State, window: Window) -> Arc<str> {
        if let Some(snapshot) = self.made(state, |made| made.snapshots.get(&window).cloned()) {
            return snapshot;
        }
        let drain = state.drains();
        let snapshot: Json = json(&Snapshot::of(state, window)).into();
        self.made(state, |made| {
            if made.drain == drain {
                made.snapshots.insert(window, Arc::clone(&snapshot));
            }
        });
        snapshot
    }

    /// What was made since the last drain. The lock is held for a look alone.
    fn made<T>(&self, state: &State, look: impl FnOnce(&mut Made) -> T) -> T {
        let mut made = lock(&self.0);
        let drain = state.drains();
        if made.drain != drain {
            *made = Made { drain, ..Made::default() };
        }
        look(&mut made)
    }
}

fn flows(state: &State, query: &Query, filter: Option<&Filter>, wanted: &dyn Fn() -> bool) -> Option<String> {
    let (ids, matched) = listing::select(state, filter, &query.scope, query.sort, query.limit, wanted)?;
    let answer = json(&Answer { matched, flows: listing::rows(state, &ids, &query.scope) });
    Some(answer.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap_or_default().to_owned())
}

/// What is written here has texts for keys and numbers that are none as null: it cannot fail.
pub(crate) fn json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

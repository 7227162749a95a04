//! What comes in, and what is asked for.

use monitor_core::live::Window;
use serde::Deserialize;

use crate::view::{
    flows::Flow,
    live::{FlowEvent, History, Snapshot, Timeline},
    order,
};

/// Where the numbers come from, as the screen says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Viewed {
    /// An instance elsewhere, by its address.
    Instance(String),
    /// This process counts itself.
    Own,
    /// A capture, by the names of its files.
    Capture(String),
}

/// One picture.
#[derive(Debug, Deserialize)]
pub struct Live {
    /// The state of the engine.
    pub snapshot: Snapshot,
    /// Flows that pass the filter.
    pub matched: usize,
    /// The first of them.
    pub flows: Vec<Flow<'static>>,
    /// Steps of the history since the picture before.
    #[serde(default)]
    pub history: History,
}

/// Most rows that a picture has of anything: what an instance tells is fewer, but it may be no instance of ours.
pub(super) const MANY: usize = 1_000;

impl Live {
    /// Cuts what is longer than any instance tells: all of it is looked at for each picture.
    pub(super) fn bound(&mut self) {
        let Snapshot { interfaces, domains, services, dns, tcp, events, flows, .. } = &mut self.snapshot;
        self.flows.truncate(MANY);
        interfaces.truncate(MANY);
        domains.truncate(MANY);
        services.truncate(MANY);
        dns.names.truncate(MANY);
        events.truncate(MANY);
        for counts in [&mut dns.responses, &mut tcp.connections, &mut tcp.attempts, &mut flows.by_transport] {
            while counts.len() > MANY {
                counts.pop_last();
            }
        }
    }
}

/// All that is known of a flow.
#[derive(Clone, Debug, Deserialize)]
pub struct Details {
    /// The flow.
    pub flow: Flow<'static>,
    /// Its bytes over time, where they were kept.
    #[serde(default)]
    pub timeline: Option<Timeline>,
    /// What happened to it, oldest first.
    #[serde(default)]
    pub events: Vec<FlowEvent>,
}

/// What comes in.
#[derive(Debug)]
pub enum News {
    /// Somebody answers.
    Connected,
    /// Nobody does any more, and why.
    Lost(String),
    /// What was before.
    History(Box<History>),
    /// What is now.
    Live(Box<Live>),
    /// The flow with this id, which was asked for; `None`: it is gone.
    Details(String, Option<Box<Details>>),
}

impl News {
    /// Reads an event of an instance's stream; `None`: it is another one.
    pub fn read(name: &str, data: &[u8]) -> Result<Option<Self>, serde_json::Error> {
        Ok(match name {
            "history" => Some(Self::History(serde_json::from_slice(data)?)),
            "live" => Some(Self::Live(serde_json::from_slice(data)?)),
            _ => None,
        })
    }
}

/// What is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Of the sums.
    pub window: Window,
    /// Of the flows.
    pub sort: order::Sort,
    /// Most flows.
    pub limit: usize,
    /// Which flows; empty: all.
    pub filter: String,
    /// Also all that is known of this flow, by its id.
    pub flow: Option<String>,
}

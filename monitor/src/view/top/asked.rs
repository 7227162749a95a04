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
    /// A flow that was asked for; `None`: it is gone.
    Details(Option<Box<Details>>),
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

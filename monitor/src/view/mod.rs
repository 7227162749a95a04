//! What is known, for those who ask: each view reads one state of the engine.

pub mod detections;
pub mod fanout;
pub mod flows;
pub mod listing;
pub mod live;
pub mod order;
pub mod overflow;
pub mod prometheus;
pub mod report;
pub mod text;
pub mod top;
pub mod units;

//! Weir's engine: readings of flows in, numbers, records and series out.
//!
//! Nothing here opens a socket or a file, reads a clock or starts a thread. Time is an argument: a
//! `u64` in nanoseconds of the flow clock (`CLOCK_MONOTONIC` live, nanoseconds since the epoch
//! offline), so that a live host and a capture file go through the same code.

#![forbid(unsafe_code)]

pub mod application;
pub mod detection;
pub mod engine;
pub mod fanout;
pub mod filter;
pub mod finding;
pub mod flow;
pub mod histogram;
pub mod host;
pub mod label;
pub mod live;
pub mod lru;
pub mod names;
pub mod network;
pub mod offline;
pub mod parse;
pub mod payload;
pub mod protocol;
#[cfg(test)]
mod random;
pub mod reassembly;
pub mod record;
pub mod report;
pub mod row;
pub mod schema;
pub mod series;
pub mod services;
mod time;
pub mod top;
pub mod totals;

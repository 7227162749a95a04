//! The agent: everything of Weir that touches the world.
//!
//! The binary `weir` is [`cli::main`]; this library exists so that tests and benches reach the parts.

pub mod app;
pub mod cli;
pub mod client;
pub mod clock;
pub mod command;
pub mod config;
pub mod confine;
pub mod files;
pub mod host;
pub mod lock;
pub mod lookup;
pub mod pem;
pub mod sink;
pub mod source;
pub mod state;
pub mod sync;
pub mod systemd;
pub mod telemetry;
pub mod terminal;
pub mod view;
pub mod web;

//! Connections: whole, cut, one-sided, hostile.

mod connections;
mod lines;

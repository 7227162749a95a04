//! Real clients against real servers: each flow has the name that its client asked for, with its source and
//! exactly the bytes that it moved. What was asked for and moved is what tshark reads in a capture beside.

mod browser;
mod dns;
mod quic;
mod servers;
mod tls;
mod truth;
mod tunnels;
mod web;

pub(crate) use servers::python;

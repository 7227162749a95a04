//! Where packets come from.

pub mod ebpf;
pub mod pcap;

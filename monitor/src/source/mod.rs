//! Where packets come from.

pub mod ebpf;
pub mod packet;
pub mod pcap;

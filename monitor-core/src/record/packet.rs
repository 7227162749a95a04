//! Packets of a capture, one row each.

use std::net::IpAddr;

use super::{Protocol, Text, Time};
use crate::schema::record;

record! {
    record "packet"
    /// A packet of a capture. Addresses, ports and all below are those of the innermost IP layer; a packet
    /// without IP has none of them.
    PacketRecord {
        /// Its number in its capture file, from 1, as Wireshark numbers it.
        frame: u64;
        /// Its capture file, where several are read together.
        file: Option<Text>;
        /// When it was captured.
        time: Time;
        /// Length on the wire, from the link layer on.
        length: u32, Bytes;
        /// Transport protocol: `tcp`, `udp`, `icmp`, `icmpv6`, `sctp`, else the IP protocol number.
        transport: Option<Protocol>;
        /// Address of the sender.
        source_ip: Option<IpAddr>;
        /// Port of the sender; absent where the protocol has none.
        source_port: Option<u16>;
        /// Address of the receiver.
        destination_ip: Option<IpAddr>;
        /// Port of the receiver; absent where the protocol has none.
        destination_port: Option<u16>;
        /// Time to live or hop limit.
        ttl: Option<u8>;
        /// TCP or UDP payload.
        payload_bytes: Option<u32>, Bytes;
        /// TCP flags, such as `SYN ACK`.
        flags: Option<Text>;
        /// TCP sequence number as on the wire.
        seq: Option<u32>;
        /// TCP acknowledgment number as on the wire; absent without the flag.
        ack: Option<u32>;
        /// TCP window as on the wire, not scaled.
        window: Option<u16>;
        /// TCP maximum segment size option.
        mss: Option<u16>, Bytes;
        /// TCP window scale option (a shift).
        window_scale: Option<u8>;
        /// TCP timestamp option (RFC 7323): the sender's clock.
        timestamp: Option<u32>;
        /// TCP timestamp option: the clock that it echoes.
        timestamp_echo: Option<u32>;
        /// Its flow: number of the flow's first frame, as in `first_frame` of the flow's record.
        flow: Option<u64>;
        /// Capture file of that frame, where several are read together.
        flow_file: Option<Text>;
        /// Name of its flow, also on packets from before the name was known.
        name: Option<Text>;
        /// Registrable domain of that name.
        domain: Option<Text>;
        /// Application protocol of its flow.
        application: Option<Text>;
    }
}

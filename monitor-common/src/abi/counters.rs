//! What is counted of TCP segments, each counter declared once.
//!
//! [`tcp_counters`](crate::tcp_counters) hands the list to whoever makes something of it: the words of a slot
//! here, and in user space the fields of records, the words of filters, sums and metrics.

use crate::cell::Cell32;

/// Hands every counter of TCP to the macro that is named, as
/// `DOC name: Variant, Unit;`, and behind the unit `, flag` of what the header has a flag for, or
/// `, metric "name" "help"` of what has a family of metrics.
#[macro_export]
macro_rules! tcp_counters {
    ($with:ident) => {
        $with! {
            /// Segments with SYN and without ACK.
            syn: Syn, Packets, flag;
            /// Segments with SYN and ACK.
            syn_ack: SynAck, Packets, flag;
            /// Segments with FIN.
            fin: Fin, Packets, flag;
            /// Segments with RST.
            rst: Rst, Packets, flag;
            /// Segments with PSH.
            psh: Psh, Packets, flag;
            /// Segments with URG.
            urg: Urg, Packets, flag;
            /// Segments with ECE (RFC 3168).
            ece: Ece, Packets, flag;
            /// Segments with CWR (RFC 3168).
            cwr: Cwr, Packets, flag;
            /// Segments sent again.
            retransmissions: Retransmissions, Packets, metric
                "weir_tcp_retransmitted_packets" "TCP segments sent again.";
            /// Segments that came after a later one.
            out_of_order: OutOfOrder, Packets, metric
                "weir_tcp_out_of_order_packets" "TCP segments that came after a later one.";
            /// Duplicate acknowledgments.
            duplicate_acks: DuplicateAcks, Packets, metric
                "weir_tcp_duplicate_acks" "TCP acknowledgments that repeat the one before and carry nothing.";
            /// Segments that advertise a window of zero.
            zero_windows: ZeroWindows, Packets, metric
                "weir_tcp_zero_windows" "TCP segments that advertise a window of zero.";
            /// Keep-alive probes.
            keep_alives: KeepAlives, Packets;
            /// Gaps in the sequence: segments that did not pass here.
            lost_segments: LostSegments, None;
            /// SYN or SYN-ACK sent again.
            syn_retransmissions: SynRetransmissions, Packets;
        }
    };
}

/// Makes the words of a slot.
macro_rules! words {
    ($(
        $(#[doc = $doc:literal])+
        $field:ident: $variant:ident, $unit:ident $(, $kind:ident $($metric:literal $help:literal)?)?;
    )+) => {
        /// Rarer events of a direction: one cache line.
        #[cfg_attr(not(target_arch = "bpf"), derive(Debug, Default))]
        #[repr(C, align(64))]
        pub struct Counters {
            $($(#[doc = $doc])+ pub $field: Cell32,)+
            /// IP fragments.
            pub fragments: Cell32,
        }

        impl Counters {
            /// How many are counters of TCP.
            pub const TCP: usize = [$(stringify!($field)),+].len();

            /// The counters of TCP, in the order in which they are declared.
            pub fn tcp(&self) -> [u32; Self::TCP] {
                [$(self.$field.get()),+]
            }
        }
    };
}

tcp_counters!(words);

const _: () = assert!(size_of::<Counters>() == 64);

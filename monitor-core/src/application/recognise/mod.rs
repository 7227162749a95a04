//! Recognisers: one a protocol, in families, each from the protocol's specification.
//!
//! A recogniser looks at the first payloads of a direction, no more than a few of them, and says yes only where
//! lengths, versions, checksums or fixed words agree. A port alone never suffices here; some protocols have so few
//! marks that theirs is wanted beside the bytes. The order of the list is that of certainty: fixed words first.

#![expect(clippy::unnecessary_wraps, reason = "all have one type, also those that need no byte by its place")]
#![expect(clippy::verbose_bit_mask, reason = "masks are written as the specifications draw them")]

mod asn1;
mod crypto;
mod data;
mod directory;
mod files;
mod industry;
mod media;
mod messaging;
mod network;
mod observe;
mod plain;
mod remote;
mod sight;

#[cfg(test)]
mod tests;

use std::sync::LazyLock;

use monitor_common::abi::Transport;

use super::Application;
pub use sight::Sight;

/// Says whether bytes are a protocol's; `None`: too few bytes to be.
type Check = fn(&Sight<'_>) -> Option<bool>;

/// One way in which a protocol is recognised.
struct Recogniser {
    application: Application,
    transport: Transport,
    is: Check,
}

/// Over TCP.
const fn tcp(application: Application, is: Check) -> Recogniser {
    Recogniser { application, transport: Transport::Tcp, is }
}

/// In datagrams.
const fn udp(application: Application, is: Check) -> Recogniser {
    Recogniser { application, transport: Transport::Udp, is }
}

/// All families.
const FAMILIES: [&[Recogniser]; 10] = [
    crypto::ALL,
    data::ALL,
    messaging::ALL,
    directory::ALL,
    files::ALL,
    remote::ALL,
    network::ALL,
    observe::ALL,
    industry::ALL,
    media::ALL,
];

/// What a payload says. Ports of sender and receiver only support what the bytes say.
pub fn recognise(transport: Transport, sight: &Sight<'_>) -> Option<Application> {
    let plain = match transport {
        Transport::Tcp => plain::stream(sight.bytes),
        Transport::Udp => plain::datagram(sight.bytes, sight.ports),
        _ => return None,
    };
    let rest = if transport == Transport::Tcp { &*OF_TCP } else { &*OF_UDP };
    plain.or_else(|| rest.iter().find(|one| (one.is)(sight) == Some(true)).map(|one| one.application))
}

/// Those of a transport, in their order.
static OF_TCP: LazyLock<Vec<&'static Recogniser>> = LazyLock::new(|| of(Transport::Tcp));
static OF_UDP: LazyLock<Vec<&'static Recogniser>> = LazyLock::new(|| of(Transport::Udp));

fn of(transport: Transport) -> Vec<&'static Recogniser> {
    FAMILIES.into_iter().flatten().filter(|one| one.transport == transport).collect()
}

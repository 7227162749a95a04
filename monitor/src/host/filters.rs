//! Filters of an interface's clsact qdisc, in the order in which they run (`tc-bpf(8)`;
//! `include/uapi/linux/pkt_cls.h`).

use monitor_common::abi::Direction;

use super::{
    HostError,
    netlink::{attributes, dump, u32_at},
};

const RTM_NEWTFILTER: u16 = 44;
const RTM_GETTFILTER: u16 = 46;

/// `struct tcmsg`.
const BODY: usize = 20;
const TCA_KIND: u16 = 1;
const TCA_OPTIONS: u16 = 2;
const TCA_BPF_NAME: u16 = 7;

/// A filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Filter {
    /// Those of a lower one run first.
    pub(crate) priority: u16,
    /// Tells it from others of its priority.
    pub(crate) handle: u32,
    /// That of a BPF program; of others their kind.
    pub(crate) name: String,
}

/// The filters of one direction, first to last.
pub(crate) fn filters(ifindex: u32, direction: Direction) -> Result<Vec<Filter>, HostError> {
    // TC_H_CLSACT with TC_H_MIN_INGRESS or TC_H_MIN_EGRESS (include/uapi/linux/pkt_sched.h).
    let parent: u32 = match direction {
        Direction::Receive => 0xffff_fff2,
        Direction::Transmit => 0xffff_fff3,
    };
    let mut body = [0; BODY];
    body[4..8].copy_from_slice(&ifindex.to_ne_bytes());
    body[12..16].copy_from_slice(&parent.to_ne_bytes());
    let mut found: Vec<Filter> = Vec::new();
    dump(RTM_GETTFILTER, &body, "listing filters", RTM_NEWTFILTER, &mut found, |found, m| {
        found.extend(filter(m));
    })?;
    // A stable sort: those of one priority stay as they came.
    found.sort_by_key(|filter| filter.priority);
    Ok(found)
}

/// A filter; `None`: it is only the head of a list of them.
fn filter(message: &[u8]) -> Option<Filter> {
    let (handle, info) = (u32_at(message, 8)?, u32_at(message, 16)?);
    if handle == 0 {
        return None;
    }
    let text = |value: &[u8]| String::from_utf8_lossy(value.strip_suffix(&[0]).unwrap_or(value)).into_owned();
    let (mut kind, mut name) = (None, None);
    for (what, value) in attributes(message.get(BODY..)?) {
        match what {
            TCA_KIND => kind = Some(text(value)),
            TCA_OPTIONS => {
                name =
                    attributes(value).find(|(what, _)| *what == TCA_BPF_NAME).map(|(_, value)| text(value));
            }
            _ => {}
        }
    }
    // aya gives names without their zero; whoever gives none is known by its kind.
    let name = name.filter(|name| !name.is_empty()).or(kind)?;
    Some(Filter { priority: (info >> 16) as u16, handle, name })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_prefix_of_a_message_is_read_without_harm() {
        let mut message = vec![0; BODY];
        message[8] = 1;
        message[16..20].copy_from_slice(&(7_u32 << 16).to_ne_bytes());
        message.extend([8, 0, 1, 0, b'b', b'p', b'f', 0, 12, 0, 2, 0, 8, 0, 7, 0, b'a', b'b', b'c', 0]);
        assert_eq!(filter(&message), Some(Filter { priority: 7, handle: 1, name: "abc".to_owned() }));
        for end in 0..message.len() {
            drop(filter(&message[..end]));
        }
    }
}

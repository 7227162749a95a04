//! What a DNS response that was asked for tells.

use std::net::IpAddr;

use super::{NameCache, PublicNames};
use crate::{
    parse::dns::{self, Entry, Message, Record, Section},
    record::Text,
};

/// Aliases that are followed from a question; resolvers give up earlier.
const ALIASES_MAX: usize = 16;

/// Addresses that one response may name.
const ADDRESSES_MAX: usize = 64;

/// What [`learn`] found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Learnt {
    /// Addresses that got a name.
    pub addresses: usize,
}

/// Gives the addresses in a response the name that was asked for, whatever aliases lie between, for the
/// client that asked. Only for responses whose [verdict](dns::Verdict::names) allows it.
pub fn learn(
    message: &Message<'_>,
    client: IpAddr,
    now: u64,
    cache: &mut NameCache,
    public: &mut PublicNames,
) -> Learnt {
    let mut learnt = Learnt::default();
    let Some(question) = message.only_question() else { return learnt };
    if message.is_update() {
        return learnt;
    }
    // Aliases may stand in any order: each walk over them that finds one makes way for the next.
    let mut owners = [question.name; ALIASES_MAX + 1];
    let mut count = 1;
    let mut ttl = u32::MAX;
    let answers = || {
        message.entries().map_while(Result::ok).filter_map(|entry| match entry {
            Entry::Record(record) if record.section == Section::Answer => Some(record),
            _ => None,
        })
    };
    let mut aliases: [Option<(dns::Name<'_>, dns::Name<'_>, u32)>; ALIASES_MAX] = [None; ALIASES_MAX];
    let found = answers().filter_map(|record: Record<'_>| {
        record.alias().map(|target| (record.name, target, record.ttl.unwrap_or(0)))
    });
    for (place, alias) in aliases.iter_mut().zip(found) {
        *place = Some(alias);
    }
    while let Some(at) = aliases.iter().position(|alias| {
        alias.is_some_and(|(owner, ..)| owners.iter().take(count).any(|known| known.is_same(owner)))
    }) {
        let Some((_, target, alias_ttl)) = aliases.get_mut(at).and_then(Option::take) else { break };
        ttl = ttl.min(alias_ttl);
        let Some(place) = owners.get_mut(count) else { break };
        *place = target;
        count += 1;
    }
    let mut name: Option<Text> = None;
    for record in answers() {
        if !owners.iter().take(count).any(|known| known.is_same(record.name)) {
            continue;
        }
        dns::public_names(&record).for_each(|shown| public.learn(shown));
        let Some(address) = record.address() else { continue };
        if learnt.addresses == ADDRESSES_MAX {
            break;
        }
        learnt.addresses += 1;
        let name = name.get_or_insert_with(|| Text::from(&question.name.text().to_lowercase()));
        cache.insert(client, address, name.clone(), ttl.min(record.ttl.unwrap_or(0)), now);
    }
    learnt
}

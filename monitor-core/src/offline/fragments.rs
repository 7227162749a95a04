//! Later fragments count on the flow of their first.

use std::collections::{HashMap, VecDeque};

use foldhash::fast::RandomState;
use monitor_common::{
    abi::{FRAGMENTED_DATAGRAMS, FragmentFlow, FragmentKey},
    account::FragmentTable,
};

/// Flows of first fragments; the oldest are forgotten first.
#[derive(Debug, Default)]
pub(super) struct Fragments {
    flows: HashMap<FragmentKey, FragmentFlow, RandomState>,
    order: VecDeque<FragmentKey>,
}

impl FragmentTable for Fragments {
    fn get(&self, key: &FragmentKey) -> Option<FragmentFlow> {
        self.flows.get(key).copied()
    }

    fn insert(&mut self, key: &FragmentKey, flow: &FragmentFlow) {
        if self.flows.insert(*key, *flow).is_some() {
            return;
        }
        self.order.push_back(*key);
        if self.order.len() > FRAGMENTED_DATAGRAMS as usize
            && let Some(oldest) = self.order.pop_front()
        {
            self.flows.remove(&oldest);
        }
    }
}

//! The heaviest set of places of which none is stacked on another.

use super::devices::Place;

/// Sets that are tried at most where the graph is neither stacked nor side by side.
const SETS: usize = 64;
/// So many places are tried in all their sets.
const FEW: usize = 10;

/// How the weights of places make the weight of the heaviest set: built once for a graph, used for each counter.
#[derive(Clone, Debug)]
pub(crate) enum Plan {
    Place(usize),
    Sum(Vec<Self>),
    Max(Vec<Self>),
}

/// What is known of places: which are stacked, and which get copies of the same packets: (of what, by which way).
pub(crate) struct Graph<'a> {
    pub(crate) stacked: &'a [Vec<bool>],
    pub(crate) copies: &'a [Option<(u32, u32)>],
}

impl Plan {
    /// For these places, by index. Where the graph is made of stacks and of things side by side, as devices are,
    /// it is split along both in turn, and the set is exactly the heaviest; else a bounded number of sets is
    /// tried.
    pub(crate) fn new(graph: &Graph<'_>, places: &[usize]) -> Self {
        if let [place] = places {
            return Self::Place(*place);
        }
        let side_by_side = graph.parts(places, true);
        if side_by_side.len() > 1 {
            return Self::Sum(graph.copies_apart(side_by_side));
        }
        let stacked = graph.parts(places, false);
        if stacked.len() > 1 {
            return Self::Max(stacked.iter().map(|part| Self::new(graph, part)).collect());
        }
        Self::Max(graph.sets(places))
    }

    /// Weight of the heaviest set.
    pub(crate) fn weigh(&self, weight: &impl Fn(usize) -> u64) -> u64 {
        match self {
            Self::Place(place) => weight(*place),
            Self::Sum(parts) => parts.iter().fold(0, |sum, part| sum.saturating_add(part.weigh(weight))),
            Self::Max(parts) => parts.iter().map(|part| part.weigh(weight)).max().unwrap_or(0),
        }
    }
}

impl Graph<'_> {
    fn is_stacked(&self, a: usize, b: usize) -> bool {
        self.stacked.get(a).and_then(|row| row.get(b)) == Some(&true)
    }

    /// The parts that hang together by what is stacked, or by what is not.
    fn parts(&self, places: &[usize], by_stack: bool) -> Vec<Vec<usize>> {
        let mut left = places.to_vec();
        let mut parts = Vec::new();
        while let Some(first) = left.pop() {
            let mut part = vec![first];
            let mut next = 0;
            while let Some(&at) = part.get(next) {
                next += 1;
                left.retain(|other| {
                    let joined = self.is_stacked(at, *other) == by_stack;
                    if joined {
                        part.push(*other);
                    }
                    !joined
                });
            }
            part.sort_unstable();
            parts.push(part);
        }
        parts
    }

    /// Plans for parts side by side. Of those that get copies of the same packets by different ways, the
    /// fullest way counts.
    fn copies_apart(&self, parts: Vec<Vec<usize>>) -> Vec<Plan> {
        let mut plans = Vec::new();
        let mut ways: Vec<(u32, u32, Vec<Plan>)> = Vec::new();
        for part in parts {
            let of = |place: &usize| self.copies.get(*place).copied().flatten();
            let first = part.first().and_then(of);
            let same = first.filter(|_| part.iter().all(|place| of(place) == first));
            let plan = Plan::new(self, &part);
            let Some((what, way)) = same else {
                plans.push(plan);
                continue;
            };
            match ways.iter_mut().find(|w| (w.0, w.1) == (what, way)) {
                Some(found) => found.2.push(plan),
                None => ways.push((what, way, vec![plan])),
            }
        }
        ways.sort_by_key(|way| way.0);
        for same in ways.chunk_by(|a, b| a.0 == b.0) {
            plans.push(Plan::Max(same.iter().map(|(_, _, plans)| Plan::Sum(plans.clone())).collect()));
        }
        plans
    }

    /// Sets of places none of which is stacked on another: all that matter of a few places, else one that
    /// begins with each.
    fn sets(&self, places: &[usize]) -> Vec<Plan> {
        let fits = |set: &[usize], place: usize| set.iter().all(|other| !self.is_stacked(*other, place));
        let plan = |set: &[usize]| Plan::Sum(set.iter().map(|place| Plan::Place(*place)).collect());
        if places.len() <= FEW {
            let mut sets: Vec<Vec<usize>> = vec![Vec::new()];
            for &place in places {
                let with: Vec<_> = sets.iter().filter(|set| fits(set, place)).cloned().collect();
                sets.extend(with.into_iter().map(|mut set| {
                    set.push(place);
                    set
                }));
            }
            return sets.iter().filter(|set| !set.is_empty()).map(|set| plan(set)).collect();
        }
        let begins = places.iter().take(SETS);
        begins
            .map(|first| {
                let mut set = vec![*first];
                for &place in places {
                    if place != *first && fits(&set, place) {
                        set.push(place);
                    }
                }
                plan(&set)
            })
            .collect()
    }
}

/// Indices of places.
pub(crate) fn all(places: &[Place]) -> Vec<usize> {
    (0..places.len()).collect()
}

//! What pins are of: version, sizes and settings. Pins of others are refused, never read as one's own.

use std::{io, mem::size_of, path::Path};

use aya::maps::MapData;

use monitor_common::{
    abi::{
        self, COARSE_ENTRIES, CoarseCounters, CoarseKey, FRAGMENTED_DATAGRAMS, Flow, FlowKey, FlowOwners,
        FragmentFlow, FragmentKey, HookCounters, Reported, SampleState, Sampling, SocketOwner,
    },
    cell::Cell64,
};

use super::{CONFIG, REPORTED, STATE, failed, links, namespace, state};
use crate::source::ebpf::{
    Error, Ingress, Options, TcAttach,
    probe::Features,
    sys::{self, Mapping},
};

/// Maps of the object that are pinned, under their names.
pub(in crate::source::ebpf) const MAPS: [&str; 12] = [
    "FLOWS",
    "SLOTS",
    "FREE",
    "HIGH_WATER",
    "HOOKS",
    "FRAGMENTS",
    "COARSE",
    "SAMPLES",
    "SAMPLE_STATE",
    "SAMPLING",
    "OWNERS",
    "SOCKETS",
];

/// "weir" and "pins".
const MAGIC: u64 = u64::from_le_bytes(*b"weirpins");
/// In the place of the first, as long as not all pins are there.
const UNFINISHED: u64 = u64::from_le_bytes(*b"weirpin?");
/// Words of the map; the first two are of every version.
const WORDS: usize = 16;

/// What a directory holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::source::ebpf) enum Found {
    /// No pin of ours, and nothing under their names.
    Nothing,
    /// Pins that a process which was killed had begun to make or to remove.
    Unfinished,
    /// Pins, of whatever version.
    Pins,
}

/// Looks what a directory holds. Refuses what is under a name of ours and not ours: all of ours stand with
/// [`CONFIG`], the first to come and the last to go.
pub(super) fn find(directory: &Path) -> Result<Found, Error> {
    let path = directory.join(CONFIG);
    let not_ours = |path: &Path| Error::NotOurs { path: path.to_owned() };
    if !path.exists() {
        let others = MAPS.into_iter().chain([STATE, REPORTED]).map(|name| directory.join(name));
        return others
            .filter(|path| path.exists())
            .chain(links::of(directory)?)
            .next()
            .map_or(Ok(Found::Nothing), |path| Err(not_ours(&path)));
    }
    let words = open(&path).and_then(|map| Ok((sizes_of(&map)?, Mapping::<Cell64>::new(&map, WORDS)?)));
    let kind = match words {
        Ok(([4, 8, entries], words)) if entries == WORDS as u32 => words.get(0).map(Cell64::get),
        Err(e) if e.kind() == io::ErrorKind::PermissionDenied => {
            return Err(failed("opening", &path)(e));
        }
        _ => None,
    };
    match kind {
        Some(MAGIC) => Ok(Found::Pins),
        Some(UNFINISHED) => Ok(Found::Unfinished),
        _ => Err(not_ours(&path)),
    }
}

/// Opens a map by its pin.
pub(super) fn open(path: &Path) -> io::Result<MapData> {
    MapData::from_pin(path).map_err(sys::cause)
}

/// Gives a map a name in a BPF file system.
pub(super) fn pin(map: &MapData, path: &Path) -> io::Result<()> {
    map.pin(path).map_err(sys::pin_cause)
}

/// Sizes of a map: key and value in bytes, entries.
fn sizes_of(map: &MapData) -> io::Result<[u32; 3]> {
    let info = map.info().map_err(sys::cause)?;
    Ok([info.key_size(), info.value_size(), info.max_entries()])
}

/// Cells for interfaces that the maps in a directory have; `None`: there are no maps.
pub(in crate::source::ebpf) fn cells(directory: &Path) -> Option<u32> {
    let [_, _, entries] = open(&directory.join("HOOKS")).and_then(|map| sizes_of(&map)).ok()?;
    Some(entries / 2)
}

/// What must be the same, in the order of the words.
fn facts(options: &Options, features: Features) -> [(&'static str, u64); 8] {
    let tcx = match options.tc_attach {
        TcAttach::Auto => features.tcx,
        TcAttach::Tcx => true,
        TcAttach::Clsact => false,
    };
    let ingress = match options.ingress {
        Ingress::Tc => 0,
        Ingress::Xdp => 1,
        Ingress::XdpGeneric => 2,
    };
    [
        ("kind", MAGIC),
        ("ABI version", abi::VERSION.into()),
        ("--max-flows", options.max_flows.into()),
        ("size of the sample ring", options.ring_bytes.into()),
        ("--ingress", ingress),
        ("way to attach", tcx.into()),
        ("--promiscuous", options.mirror.into()),
        ("network namespace", namespace()),
    ]
}

/// A fact as its setting is written.
fn said(what: &str, value: u64) -> String {
    let words: &[&str] = match what {
        "--ingress" => &["tc", "xdp", "xdp-generic"],
        "way to attach" => &["clsact", "TCX"],
        "--promiscuous" => &["false", "true"],
        _ => &[],
    };
    let word = usize::try_from(value).ok().and_then(|at| words.get(at));
    word.map_or_else(|| value.to_string(), |word| (*word).to_owned())
}

/// Sizes of each map: key, value, entries.
fn sizes(options: &Options) -> [(&'static str, [usize; 3]); MAPS.len() + 2] {
    let flows = options.max_flows as usize;
    [
        ("FLOWS", [size_of::<FlowKey>(), 4, flows]),
        ("SLOTS", [4, size_of::<Flow>(), flows]),
        ("FREE", [0, 4, flows]),
        ("HIGH_WATER", [4, 4, 1]),
        ("HOOKS", [4, size_of::<HookCounters>(), options.cells as usize * 2]),
        ("FRAGMENTS", [size_of::<FragmentKey>(), size_of::<FragmentFlow>(), FRAGMENTED_DATAGRAMS as usize]),
        ("COARSE", [size_of::<CoarseKey>(), size_of::<CoarseCounters>(), COARSE_ENTRIES as usize]),
        ("SAMPLES", [0, 0, options.ring_bytes as usize]),
        ("SAMPLE_STATE", [4, size_of::<SampleState>(), 1]),
        ("SAMPLING", [4, size_of::<Sampling>(), 1]),
        ("OWNERS", [4, size_of::<FlowOwners>(), flows]),
        ("SOCKETS", [4, size_of::<SocketOwner>(), 0]),
        (REPORTED, [4, size_of::<Reported>(), flows]),
        (STATE, [4, 8, state::WORDS]),
    ]
}

/// Whether pins can be gone on from.
pub(super) fn check(directory: &Path, options: &Options, features: Features) -> Result<(), Error> {
    let other = |what: &str, theirs: String, ours: String| Error::PinnedOtherwise {
        directory: directory.to_owned(),
        what: what.to_owned(),
        theirs,
        ours,
    };
    let words = words(directory)?;
    for (at, (what, ours)) in facts(options, features).into_iter().enumerate() {
        let theirs = words.get(at).map_or(0, Cell64::get);
        if theirs != ours {
            return Err(other(what, said(what, theirs), said(what, ours)));
        }
    }
    // However many interfaces there were when the maps were made: their cells are gone on with.
    let cells = cells(directory).filter(|cells| cells.is_power_of_two()).unwrap_or(options.cells);
    for (name, ours) in sizes(&Options { cells, ..options.clone() }) {
        let path = directory.join(name);
        let map = open(&path).map_err(failed("opening", &path))?;
        let theirs = sizes_of(&map).map_err(failed("reading", &path))?;
        if theirs.map(|n| n as usize) != ours {
            return Err(other(&format!("size of {name}"), format!("{theirs:?}"), format!("{ours:?}")));
        }
    }
    Ok(())
}

fn words(directory: &Path) -> Result<Mapping<Cell64>, Error> {
    let path = directory.join(CONFIG);
    let map = open(&path).map_err(failed("opening", &path))?;
    Mapping::new(&map, WORDS).map_err(failed("mapping", &path))
}

/// Makes what says that pins are ours, before the first of them.
pub(super) fn begin(directory: &Path) -> Result<(), Error> {
    let path = directory.join(CONFIG);
    let map = sys::create_array(8, WORDS as u32, sys::BPF_F_MMAPABLE).map_err(failed("making", &path))?;
    let words = Mapping::<Cell64>::new(&map, WORDS).map_err(failed("mapping", &path))?;
    if let Some(kind) = words.get(0) {
        kind.set(UNFINISHED);
    }
    pin(&map, &path).map_err(failed("pinning", &path))
}

/// Says what the pins are of, once all are there: its first word last.
pub(super) fn finish(directory: &Path, options: &Options, features: Features) -> Result<(), Error> {
    let words = words(directory)?;
    for (at, (_, value)) in facts(options, features).into_iter().enumerate().rev() {
        if let Some(word) = words.get(at) {
            word.set(value);
        }
    }
    Ok(())
}

/// From now on the pins are not to be used any more, but to be removed.
pub(super) fn give_up(directory: &Path) -> Result<(), Error> {
    if let Some(kind) = words(directory)?.get(0) {
        kind.set(UNFINISHED);
    }
    Ok(())
}

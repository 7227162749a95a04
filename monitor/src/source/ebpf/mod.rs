//! The kernel side as a source: load, attach, drain.
//!
//! [`Source`] owns the programs, the maps and the attachments; dropping it leaves nothing behind.

mod attach;
mod batch;
mod clsact;
mod coarse;
mod drain;
mod error;
mod expedite;
mod grace;
mod hooks;
mod limits;
mod log;
mod object;
mod owners;
mod pin;
pub mod probe;
mod samples;
mod slots;
mod stats;
mod supply;
mod sys;

use std::collections::BTreeMap;
use std::path::PathBuf;

use aya::{Ebpf, EbpfLoader, VerifierLogLevel};
use monitor_common::{
    abi::{KernelConfig, MIN_CELLS, Sampling, bench_flags, index_lines},
    wire::TunnelPorts,
};

pub use attach::Interface;
pub use error::Error;
pub use expedite::Hurry;
pub use limits::raise_descriptors;
pub use object::{is_embedded, object_bytes};
pub use owners::{Resolver, Root};
pub use pin::{Removed, end as end_pins, make as make_pins, remove as remove_pins};
pub use samples::{LostSamples, Sample};
pub use stats::{MapStats, ProgramStats};

use attach::Attachment;
use grace::Grace;
use hooks::Hooks;
use monitor_core::engine::{Carried, Engine};
use pin::Pins;
use slots::Slots;

/// Which hook sees packets that come in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ingress {
    /// Traffic control: sees what the host sees, GRO super-packets split by arithmetic.
    #[default]
    Tc,
    /// XDP in the driver: sees frames before the stack.
    Xdp,
    /// XDP in the stack, for drivers without it.
    XdpGeneric,
}

/// How programs hang at traffic control.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TcAttach {
    /// TCX where the kernel has it (6.6), else clsact.
    #[default]
    Auto,
    /// TCX links.
    Tcx,
    /// Filters of a clsact qdisc.
    Clsact,
}

/// What to load and how. See the configuration's documentation for each.
#[derive(Clone, Debug)]
pub struct Options {
    /// Hook for packets that come in.
    pub ingress: Ingress,
    /// How TC programs are attached.
    pub tc_attach: TcAttach,
    /// Slots of the flow table.
    pub max_flows: u32,
    /// Bounds of payload samples; `None`: none are taken.
    pub sampling: Option<Sampling>,
    /// Cells for interfaces: see [`monitor_common::abi::cells_for`]. Pins that are there keep theirs.
    pub cells: u32,
    /// Size of the ring of samples in bytes, a power of two of whole pages.
    pub ring_bytes: u32,
    /// UDP ports of tunnels.
    pub tunnels: TunnelPorts,
    /// Root of the control groups, to find out whose the flows are; `None`: nobody asks.
    pub owners: Option<Root>,
    /// All interfaces are mirror ports: pins are for this or for that.
    pub mirror: bool,
    /// Directory of a BPF file system where maps and links stay when the source goes.
    pub pin: Option<PathBuf>,
    /// Time stands still until a test moves it.
    pub test_clock: bool,
    /// Benchmarks: see [`KernelConfig::bench_mask`].
    pub bench_mask: u32,
    /// Tests of races: see [`KernelConfig::bench_hold`].
    pub bench_hold: u32,
    /// Benchmarks: see [`monitor_common::abi::bench_flags`].
    pub bench_flags: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            ingress: Ingress::Tc,
            tc_attach: TcAttach::Auto,
            max_flows: 131_072,
            sampling: None,
            cells: MIN_CELLS,
            ring_bytes: 4 << 20,
            tunnels: TunnelPorts::KERNEL,
            owners: None,
            mirror: false,
            pin: None,
            test_clock: false,
            bench_mask: 0,
            bench_hold: 0,
            bench_flags: 0,
        }
    }
}

impl Options {
    /// Kernel memory of the flow table in bytes: slots, an estimate of the hash's elements
    /// (kernel/bpf/hashtab.c: 48 bytes of header, key and value rounded up to 8), and what pins keep
    /// beside the slots.
    pub fn table_bytes(&self) -> u64 {
        let slot = size_of::<monitor_common::abi::Flow>() as u64;
        let element = 48 + (size_of::<monitor_common::abi::FlowKey>() as u64).next_multiple_of(8) + 8;
        let table = u64::from(self.max_flows) * (slot + element + 4)
            + u64::from(self.max_flows.next_power_of_two()) * 16
            + u64::from(index_lines(self.max_flows)) * size_of::<monitor_common::abi::IndexLine>() as u64;
        let owners =
            if self.owners.is_some() { size_of::<monitor_common::abi::FlowOwners>() as u64 } else { 0 };
        let table = table + u64::from(self.max_flows) * owners;
        table + if self.pin.is_some() { pin::bytes(self.max_flows) } else { 0 }
    }
}

/// Whether pins of an earlier instance are there to go on from; nothing changes.
///
/// # Errors
/// When the directory cannot have pins, or has some that these options cannot go on from.
pub fn find_pins(options: &Options) -> Result<bool, Error> {
    let features = probe::kernel_features()?;
    let Some(directory) = &options.pin else { return Ok(false) };
    Ok(pin::look(directory, options, features)? == pin::Found::Pins)
}

/// The loaded kernel side and what it is attached to.
pub struct Source {
    options: Options,
    ebpf: Ebpf,
    slots: Slots,
    supply: supply::Supply,
    hooks: Hooks,
    grace: Grace,
    expedite: expedite::Expedite,
    features: probe::Features,
    attachments: BTreeMap<u32, Attachment>,
    samples: Option<samples::Reader>,
    coarse: coarse::Victims,
    log: log::KernelLog,
    /// Slots given back so far minus slots taken, as user space sees it: entries of the table.
    live: u32,
    pins: Option<Pins>,
    /// What a predecessor left for the engine.
    carried: Option<Carried>,
    /// The first drain reads slots that a predecessor has read.
    adopts: bool,
    ending: drain::Ending,
    owners: Option<owners::Owners>,
    /// Why owners that were asked for are not followed, or not from their first call.
    unowned: Option<Error>,
    translations: Option<Translations>,
}

/// See [`Source::set_translations`].
pub type Translations = Box<dyn FnMut(&mut Engine) + Send>;

impl Source {
    /// Loads maps and programs. Nothing is attached yet. A kernel that refuses the programs for what they ask of
    /// sockets has them without that: see [`Self::unowned`].
    pub fn open(options: Options) -> Result<Self, Error> {
        let without = Options { owners: None, ..options.clone() };
        match Self::load(options) {
            Err(refused @ Error::Program { .. }) => {
                let mut this = Self::load(without)?;
                this.unowned = Some(refused);
                Ok(this)
            }
            other => other,
        }
    }

    fn load(mut options: Options) -> Result<Self, Error> {
        let object = object::bytes()?;
        limits::raise_locked_memory();
        hooks::cpus()?;
        let features = probe::kernel_features()?;
        options.cells = options.pin.as_deref().and_then(pin::cells).unwrap_or(options.cells);
        let config = KernelConfig {
            coarse_clock: features.coarse_clock.into(),
            test_clock: options.test_clock.into(),
            samples: options.sampling.is_some().into(),
            xdp_load_bytes: features.xdp_frags.into(),
            bench_mask: options.bench_mask,
            bench_hold: options.bench_hold,
            bench_flags: options.bench_flags,
            cells: options.cells,
            owners: options.owners.is_some().into(),
            tunnels: options.tunnels,
        };
        let found = match &options.pin {
            Some(directory) => pin::prepare(directory, &options, features)?,
            None => false,
        };
        let plain = if options.bench_flags & bench_flags::PLAIN == 0 { 1 } else { options.max_flows };
        // Pins are gone on from with and without.
        let owned = if options.owners.is_some() || options.pin.is_some() { options.max_flows } else { 1 };
        let mut loader = EbpfLoader::new();
        loader
            .override_global("CONFIG", &config, true)
            .map_max_entries("FLOWS", options.max_flows)
            .map_max_entries("SLOTS", options.max_flows)
            .map_max_entries("FREE", options.max_flows)
            .map_max_entries("INDEX", index_lines(options.max_flows))
            .map_max_entries("OWNERS", owned)
            .map_max_entries("HOOKS", options.cells * 2)
            .map_max_entries("SAMPLES", options.ring_bytes)
            .map_max_entries("PLAIN", plain)
            .map_max_entries("PLAIN_SLOTS", plain)
            .verifier_log_level(VerifierLogLevel::STATS);
        if let Some(directory) = &options.pin {
            for name in pin::MAPS {
                loader.map_pin_path(name, directory.join(name));
            }
        }
        let mut ebpf = loader.load(object).map_err(|e| Error::load(&options, e))?;
        let log = log::KernelLog::new(&mut ebpf)?;
        attach::load_all(&mut ebpf, &attach::programs(&options, features))?;
        let mut unowned = None;
        let mut owners = None;
        if let Some(root) = &options.owners {
            owners = Some(owners::Owners::new(&ebpf, options.max_flows)?);
            unowned = owners::attach(&mut ebpf, root).err();
        }
        let mut slots = Slots::new(&mut ebpf, &options, found)?;
        let supply = supply::Supply::new(&mut ebpf)?;
        let mut hooks = Hooks::new(&mut ebpf, options.cells)?;
        let samples = options.sampling.map(|s| samples::Reader::new(&mut ebpf, s)).transpose()?;
        let grace = Grace::new()?;
        let (mut pins, mut carried, mut lost) = (None, None, Vec::new());
        if let Some(directory) = &options.pin {
            let (opened, legacy) = Pins::open(directory, &options, features, found)?;
            pins = Some(opened);
            if let Some(legacy) = legacy {
                hooks.adopt()?;
                lost = pin::recover(&mut slots, &grace, legacy.generation)?;
                carried = Some(legacy.carried);
            }
        }
        Ok(Self {
            options,
            ebpf,
            slots,
            supply,
            hooks,
            grace,
            expedite: expedite::Expedite::new(),
            features,
            attachments: BTreeMap::new(),
            samples,
            coarse: coarse::Victims::default(),
            log,
            live: 0,
            adopts: carried.is_some(),
            pins,
            carried,
            ending: drain::Ending::of(lost),
            owners,
            unowned,
            translations: None,
        })
    }

    /// What a predecessor left for the engine, once, before the first drain: for
    /// [`monitor_core::engine::Succession::take_over`].
    pub fn take_carried(&mut self) -> Option<Carried> {
        self.carried.take()
    }

    /// Whether maps and links stay when the source goes.
    pub const fn is_pinned(&self) -> bool {
        self.pins.is_some()
    }

    /// Everything has begun well: pins stay from now on.
    pub const fn keep_pins(&mut self) {
        if let Some(pins) = &mut self.pins {
            pins.keep();
        }
    }

    /// Who names the owners of flows, from now on.
    pub fn set_resolver(&mut self, resolver: Box<dyn Resolver>) {
        if let Some(owners) = &mut self.owners {
            owners.set_resolver(resolver);
        }
    }

    /// Whether it is asked whose the flows are.
    pub const fn asks_owners(&self) -> bool {
        self.owners.is_some()
    }

    /// Why owners that were asked for are known only in part.
    pub const fn unowned(&self) -> Option<&Error> {
        self.unowned.as_ref()
    }

    /// Who tells an engine which addresses this host translates, each time after slots were read.
    pub fn set_translations(&mut self, translations: Translations) {
        self.translations = Some(translations);
    }

    /// What was asked for.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Changes the bounds of payload samples while programs run.
    pub fn set_sampling(&mut self, sampling: Sampling) -> Result<(), Error> {
        samples::set_bounds(&mut self.ebpf, sampling)
    }

    /// Every slot that was ever taken, live or not, for tests that read the table themselves.
    #[doc(hidden)]
    pub fn slots(&self) -> Result<&[monitor_common::abi::Flow], Error> {
        Ok(self.slots.first(self.slots.high_water()?))
    }

    /// The hooks' counters now, for tests.
    #[doc(hidden)]
    pub fn hook_readings(&self) -> Result<Vec<monitor_core::engine::HookReading>, Error> {
        self.hooks.read()
    }

    /// The kernel side itself, for tests that run programs on made-up packets.
    #[doc(hidden)]
    pub fn ebpf(&mut self) -> &mut Ebpf {
        &mut self.ebpf
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        // Those that are pinned stay, once all has begun well.
        if self.pins.as_ref().is_none_or(Pins::is_fresh) {
            let attached: Vec<u32> = self.attachments.keys().copied().collect();
            let _hurry = self.hurry(attached.len());
            for ifindex in attached {
                self.detach(ifindex);
            }
        }
    }
}

//! The thread that counts: it owns the kernel side, drains it, and follows the host's interfaces.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::mpsc::TryRecvError;
use std::time::Duration;

use monitor_common::abi::{Direction, cells_for};
use monitor_core::host;

use super::RunError;
use super::difference::Difference;
use super::orders::{Order, Received};
use super::settings;
use super::told::Told;
use crate::clock::{self, Stopwatch};
use crate::config::Config;
use crate::host::{Conntrack, Host, Link, Promiscuous, Selection, Watcher};
use crate::lock::{InterfaceLock, LockError, Locks, PinLock};
use crate::lookup::{Cgroup2, Lookup, Runtime};
use crate::sink::{Recorder, Tap, run::Feed};
use crate::source::ebpf::{self, Interface, Source, probe};
use crate::state::{State, deadline};
use crate::sync::lock;
use crate::systemd::Watchdog;
use crate::telemetry::Event;
use crate::telemetry::{KernelStatus, MapUse, ProgramRuns};

/// Drains between two looks at the listening sockets.
const LISTENERS_EVERY: u64 = 10;
/// How long a start attaches to interfaces before it goes on with those that it has; the others come between drains.
const AT_START: Duration = Duration::from_millis(700);
/// How long interfaces are attached to before somebody looks whether there is something else to do.
const TURN: Duration = Duration::from_millis(200);

/// The shortest time between two drains when slots run out, and as a part of what the last one took: whoever floods the
/// table does not have this thread to himself.
const REST: Duration = Duration::from_millis(10);
const REST_PART: u32 = 2;

/// Why a wait ended.
enum Waited {
    Told(Order),
    /// Nobody is left to give orders.
    Alone,
    /// A drain is due.
    Due,
    /// Free slots run out: a drain is due before its time.
    Early,
}

/// The kernel side and what it hangs on.
pub(super) struct Counter {
    state: Arc<State>,
    config: Config,
    source: Source,
    watcher: Watcher,
    host: Host,
    /// Interfaces that are counted, by index.
    counted: BTreeMap<u32, Counted>,
    /// Interfaces that are to be counted and wait for their turn.
    waiting: VecDeque<Waiting>,
    /// Interfaces that could not be attached to, and the names under which that was said.
    refused: BTreeMap<u32, String>,
    /// Where records go, if anywhere.
    records: Option<Feed>,
    /// Whether they were handed anything, be it nothing.
    wrote: bool,
    /// Where packets go, if anywhere.
    packets: Option<Recorder>,
    /// The configuration was read again.
    reselect: bool,
    /// It chooses interfaces by other names than before, or by none.
    chosen_anew: bool,
    /// Interfaces that a predecessor counted and this one does not: one drain more is theirs.
    left: Vec<u32>,
    /// Names by index under which a predecessor counted: the packets in its slots are theirs, so that a new name
    /// comes into force after the first drain.
    inherited: BTreeMap<u32, String>,
    drains: u64,
    told: Told,
    locks: Locks,
    _pins: Option<PinLock>,
    /// Where control groups are read, if anywhere.
    groups: Option<Cgroup2>,
}

/// An interface that waits for its turn to be attached to.
struct Waiting {
    link: Link,
    /// Taken at the start, before anything is loaded.
    lock: Option<InterfaceLock>,
}

/// An interface that is counted.
struct Counted {
    link: Link,
    _lock: InterfaceLock,
    /// Frames for other hosts come in as long as this is there.
    _promiscuous: Option<Promiscuous>,
    /// Its packets are written as long as this is there.
    _tap: Option<Tap>,
    /// What hooks and device had counted when both were first read together under this name.
    baseline: Option<[Difference; 2]>,
}

impl Counter {
    /// Loads the kernel side and attaches it to the interfaces that are meant.
    pub(super) fn open(
        state: Arc<State>,
        config: Config,
        records: Option<Feed>,
        packets: Option<Recorder>,
    ) -> Result<Self, RunError> {
        ebpf::raise_descriptors();
        // Changes are listened to before the first look, so that none falls between.
        let mut watcher = Watcher::new()?;
        let host = watcher.read()?;
        let selection = Selection { include: &config.interface, exclude: &config.exclude };
        if let Some(name) = selection.missing(&host) {
            return Err(RunError::NoSuchInterface { name: name.to_owned(), known: names(&host) });
        }
        let meant: Vec<Link> = selection.of(&host).into_iter().cloned().collect();
        if meant.is_empty() && config.interface.is_empty() {
            return Err(RunError::NoInterface { known: names(&host) });
        }
        // Locks first: they cost nothing, and no program may be attached beside another instance's.
        let locks = Locks::open();
        let (mut named, mut waiting) = (Vec::new(), VecDeque::with_capacity(meant.len()));
        let mut refused = Vec::new();
        for link in meant {
            match locks.take(link.ifindex, &link.name) {
                Ok(lock) if selection.names(&link) => named.push((link, lock)),
                Ok(lock) => waiting.push_back(Waiting { link, lock: Some(lock) }),
                Err(error) if selection.names(&link) => return Err(error.into()),
                Err(error) => refused.push((link, error.into())),
            }
        }
        if let Some(directory) = &config.pin {
            // What is locked is the directory.
            ebpf::make_pins(directory)?;
        }
        let pins = config.pin.as_deref().map(PinLock::take).transpose()?;
        let cells = cells_for(host.links.len() as u32);
        let opened = config.owners_enabled.then(Cgroup2::open).transpose();
        let (cgroup2, unowned) = match opened {
            Ok(found) => (found, None),
            Err(error) => (None, Some(error)),
        };
        let root = cgroup2.as_ref().map(|found| Arc::clone(&found.directory));
        let options = ebpf::Options { cells, owners: root, ..settings::source(&config) };
        if let Some(directory) = config.pin.as_deref().filter(|_| config.pin_replace)
            && let Err(ebpf::Error::PinnedOtherwise { what, .. }) = ebpf::find_pins(&options)
        {
            let locked = named.iter().map(|(link, _)| link).chain(waiting.iter().map(|w| &w.link));
            ebpf::end_pins(directory, &locked.collect::<Vec<_>>())?;
            state.events.emit(&Event::PinsReplaced { what: &what });
        }
        let mut source = Source::open(options)?;
        // Who cannot count at all is told why in one line, and not this besides.
        if let Some(error) = &unowned {
            state.events.emit(&Event::Unowned { error });
        }
        if let Some(found) = &cgroup2 {
            let mut runtimes = Vec::new();
            for path in &config.owners_runtimes {
                match Runtime::open(path) {
                    Ok(runtime) => runtimes.push(runtime),
                    Err(error) => state.events.emit(&Event::Unnamed { path, error: &error }),
                }
            }
            let logs = config.owners_pod_logs.as_deref();
            source.set_resolver(Box::new(Lookup::open(&found.path, logs, runtimes)));
            if source.asks_owners() {
                state.set_owns();
            }
        }
        if let Some(error) = source.unowned() {
            state.events.emit(&Event::Unowned { error });
        }
        if config.owners_conntrack {
            match Conntrack::open() {
                Ok(mut conntrack) => source.set_translations(Box::new(move |engine| {
                    conntrack.hear(|news| engine.surroundings().translate(news));
                })),
                Err(error) => state.events.emit(&Event::Untranslated { error: &error }),
            }
        }
        let mut engine = state.engine();
        if source.is_pinned() {
            engine.succession().keep_watermarks();
        }
        let carried = source.take_carried();
        let mut inherited = BTreeMap::new();
        if let Some(carried) = carried {
            inherited = carried.attachments.iter().map(|a| (a.ifindex, a.name.clone())).collect();
            state.events.emit(&Event::TakenOver { interfaces: carried.attachments.len() });
            engine.succession().take_over(carried);
        }
        drop(engine);
        let mut counter = Self {
            state,
            config,
            source,
            watcher,
            host,
            counted: BTreeMap::new(),
            waiting,
            refused: BTreeMap::new(),
            records,
            wrote: false,
            packets,
            reselect: false,
            chosen_anew: false,
            left: Vec::new(),
            inherited,
            drains: 0,
            told: Told::default(),
            locks,
            _pins: pins,
            groups: cgroup2,
        };
        for (link, lock) in named {
            counter.attach(link, lock)?;
        }
        // What a predecessor counts on is taken over before anything else of it is left.
        let most = if counter.source.is_pinned() { Duration::MAX } else { AT_START };
        refused.append(&mut counter.attach_waiting(most));
        counter.bear(refused)?;
        counter.leave_others()?;
        counter.tell_engine();
        counter.source.keep_pins();
        if let Some(reason) = counter.locks.lack() {
            counter.state.events.emit(&Event::Unlocked { reason });
        }
        Ok(counter)
    }

    /// Directory of the control groups, which is read as long as this counts.
    pub(super) fn groups(&self) -> Option<std::path::PathBuf> {
        self.groups.as_ref().map(|groups| groups.path.clone())
    }

    /// Directories whose names are read as long as this counts.
    pub(super) fn named(&self) -> Vec<std::path::PathBuf> {
        let logs = self.config.owners_pod_logs.iter();
        logs.flat_map(|logs| ["pods", "containers"].map(|name| logs.join(name))).collect()
    }

    /// Names of the interfaces that are counted, or are about to be.
    pub(super) fn interfaces(&self) -> Vec<String> {
        let waiting = self.waiting.iter().map(|w| &w.link);
        self.counted.values().map(|c| &c.link).chain(waiting).map(|link| link.name.clone()).collect()
    }

    /// Goes on without interfaces that nobody asked for by name: they come and go. Not without a single one for
    /// another reason than that it went away, and not without rights.
    fn bear(&mut self, refused: Vec<(Link, RunError)>) -> Result<(), RunError> {
        let none = self.counted.is_empty() && self.waiting.is_empty();
        for (link, error) in refused {
            let gone = matches!(error, RunError::Source(ebpf::Error::NoInterface { .. }));
            if matches!(error, RunError::Source(ebpf::Error::NotPermitted(_))) || (none && !gone) {
                return Err(error);
            }
            self.refuse(&link, &error);
        }
        Ok(())
    }

    /// Says that an interface is not counted, unless it was said before.
    fn refuse(&mut self, link: &Link, error: &RunError) {
        if self.refused.insert(link.ifindex, link.name.clone()).as_ref() != Some(&link.name) {
            self.state.events.emit(&Event::AttachFailed { interface: &link.name, error });
        }
    }

    /// Attaches to interfaces that wait, for so long or to one of them. Returns those that cannot be attached to.
    fn attach_waiting(&mut self, most: Duration) -> Vec<(Link, RunError)> {
        let watch = Stopwatch::start();
        let _hurry = self.source.hurry(self.waiting.len());
        let mut refused = Vec::new();
        while let Some(Waiting { link, lock }) = self.waiting.pop_front() {
            let lock = match lock {
                Some(lock) => Ok(lock),
                None => self.locks.take(link.ifindex, &link.name).map_err(RunError::from),
            };
            match lock.and_then(|lock| self.attach(link.clone(), lock)) {
                Ok(()) => drop(self.refused.remove(&link.ifindex)),
                Err(error) => refused.push((link, error)),
            }
            if watch.elapsed() >= most {
                break;
            }
        }
        refused
    }

    /// Kernel memory of the flow table, bytes.
    pub(super) fn table_bytes(&self) -> u64 {
        self.source.options().table_bytes()
    }

    /// Ends the counting where a predecessor counted and this configuration does not mean it.
    fn leave_others(&mut self) -> Result<(), RunError> {
        self.left = self.source.unclaimed();
        for ifindex in &self.left {
            let name = self.host.links.iter().find(|l| l.ifindex == *ifindex).map(|l| l.name.as_str());
            self.source.abandon(*ifindex, name)?;
        }
        Ok(())
    }

    fn attach(&mut self, link: Link, lock: InterfaceLock) -> Result<(), RunError> {
        self.is_free(&link, &lock)?;
        let promiscuous = self.promiscuous(&link)?;
        // Before the hook: what is counted is also in the file.
        let tap = self.tap(&link)?;
        self.source.attach(&Interface {
            ifindex: link.ifindex,
            name: link.name.clone(),
            layer_3: link.is_layer_3(),
            loopback: link.loopback,
            mirror: self.config.promiscuous,
        })?;
        self.state.events.emit(&Event::Attached { interface: &link.name });
        let counted = Counted { link, _lock: lock, _promiscuous: promiscuous, _tap: tap, baseline: None };
        self.counted.insert(counted.link.ifindex, counted);
        Ok(())
    }

    /// Refuses an interface to which programs of ours are attached that are not ours: locks are not seen from
    /// everywhere. Where that cannot be asked for, it is taken as free. Pins of this instance are its own. Filters of
    /// clsact stay when their process ends: they are somebody's as long as somebody says so.
    fn is_free(&self, link: &Link, lock: &InterfaceLock) -> Result<(), LockError> {
        if self.source.unclaimed().contains(&link.ifindex) {
            return Ok(());
        }
        let filters = || {
            let of = |direction| self.watcher.filters(link.ifindex, direction).unwrap_or_default();
            Direction::ALL.into_iter().flat_map(of).any(|name| probe::is_ours(&name))
        };
        if probe::is_counted(&link.name, &link.xdp) || lock.is_claimed() && filters() {
            return Err(LockError::Attached { interface: link.name.clone(), claimant: lock.claimant() });
        }
        Ok(())
    }

    fn promiscuous(&self, link: &Link) -> Result<Option<Promiscuous>, RunError> {
        if !self.config.promiscuous || link.loopback {
            return Ok(None);
        }
        let refused = |source| RunError::Promiscuous { interface: link.name.clone(), source };
        Promiscuous::new(link.ifindex).map(Some).map_err(refused)
    }

    fn tap(&self, link: &Link) -> Result<Option<Tap>, RunError> {
        let refused = |source| RunError::Tap { interface: link.name.clone(), source };
        self.packets.as_ref().map(|packets| packets.tap(link).map_err(refused)).transpose()
    }

    /// Counts until it is told to stop, or whoever could tell is gone.
    pub(super) fn run(mut self, orders: &Received, watchdog: &mut Watchdog) {
        self.expect_drains(watchdog);
        loop {
            let watch = Stopwatch::start();
            if self.tick() {
                watchdog.drained(clock::now());
            }
            match self.wait(orders, watch.elapsed() / REST_PART) {
                Waited::Told(Order::Reconfigure(config, records)) => {
                    self.reconfigure(*config, records);
                    self.expect_drains(watchdog);
                }
                Waited::Told(Order::Stop) | Waited::Alone => break,
                Waited::Due => {}
                Waited::Early => self.state.own.early_drains.inc(),
            }
        }
        // What came since the last drain is counted; then the programs leave with the source.
        self.tick();
        if self.source.is_pinned() {
            // They stay: flows go on, and the next instance with them.
            if let Err(error) = self.source.suspend(&self.state.engine, clock::now()) {
                self.state.events.emit(&Event::DrainFailed { error: &error });
            }
        } else {
            self.state.engine().shutdown(clock::now());
        }
        self.write_records();
    }

    /// Says how often the flows will be read, to those who notice when they are not.
    fn expect_drains(&self, watchdog: &mut Watchdog) {
        let interval = self.config.drain_interval.get();
        self.state.expect_drains(interval);
        self.state.set_shows_created(self.config.series_created);
        watchdog.expect_every(deadline(interval));
    }

    /// Waits until the next drain is due, and meanwhile attaches to what waits for that. `rest`: the least that it
    /// waits even if slots run out.
    fn wait(&mut self, orders: &Received, rest: Duration) -> Waited {
        let (watch, interval) = (Stopwatch::start(), self.config.drain_interval.get());
        let rest = rest.max(REST);
        let mut short = false;
        loop {
            match orders.next() {
                Ok(order) => return Waited::Told(order),
                Err(TryRecvError::Disconnected) => return Waited::Alone,
                Err(TryRecvError::Empty) => {}
            }
            short |= self.source.is_short();
            let passed = watch.elapsed();
            let left = interval.saturating_sub(passed);
            if left.is_zero() {
                return Waited::Due;
            }
            if short && passed >= rest {
                return Waited::Early;
            }
            if self.waiting.is_empty() {
                if short {
                    orders.wait(None, left.min(rest.saturating_sub(passed)));
                } else {
                    orders.wait(Some(self.source.alarm()), left);
                }
                continue;
            }
            for (link, error) in self.attach_waiting(left.min(TURN)) {
                self.refuse(&link, &error);
            }
            self.tell_engine();
        }
    }

    fn reconfigure(&mut self, config: Config, records: bool) {
        self.chosen_anew |= self.config.interface != config.interface;
        self.config = config;
        self.reselect = true;
        match settings::engine(&self.config, clock::wall_offset(), records) {
            Ok(config) => self.state.engine().reconfigure(config),
            Err(error) => {
                self.state.events.emit(&Event::ReloadFailed { error: &error });
                self.state.set_config_ok(false);
            }
        }
        if self.config.samples_enabled
            && let Err(error) = self.source.set_sampling(settings::sampling(&self.config))
        {
            self.state.events.emit(&Event::DrainFailed { error: &error });
        }
    }

    /// One round; `false`: the flows could not be read.
    fn tick(&mut self) -> bool {
        // Both are asked: a change of the host is not to wait behind one of the configuration.
        let asked = std::mem::take(&mut self.reselect);
        let changed = self.watcher.changed() | asked;
        let mut gone = if changed { self.follow(asked) } else { Vec::new() };
        gone.append(&mut self.left);
        if self.drains.is_multiple_of(LISTENERS_EVERY) {
            let listeners = self.watcher.listeners();
            self.state.engine().surroundings().set_listeners(&listeners);
        }
        let state = Arc::clone(&self.state);
        let reading = state.begin_drain();
        self.correct_clock();
        self.drains += 1;
        let drained = self.drain();
        if drained && !std::mem::take(&mut self.inherited).is_empty() {
            self.tell_engine();
        }
        for ifindex in gone {
            // Its last packets are counted now: another interface may have its place.
            if let Err(error) = self.source.release(ifindex) {
                self.state.events.emit(&Event::DrainFailed { error: &error });
            }
            self.state.engine().surroundings().forget_interface(ifindex);
        }
        self.write_records();
        let flows = self.state.engine().ledger().totals().flows.slots as usize;
        drop(reading);
        self.report();
        self.state.drained();
        if drained {
            self.state.counted(self.source.attached().count(), flows);
        }
        if drained && self.waiting.is_empty() {
            // Whoever asks from now on finds a page of a whole drain, attachments included.
            self.state.set_ready();
        }
        drained
    }

    /// Hands the outputs what was written since the last time.
    fn write_records(&mut self) {
        if let Some(feed) = &self.records {
            let records = self.state.engine().outbox_mut().take_records();
            // The first batch is the sign that counting has begun.
            if !records.is_empty() || !std::mem::replace(&mut self.wrote, true) {
                feed.send(records);
            }
        }
    }

    /// `CLOCK_MONOTONIC` stands still while a host sleeps, and the wall clock may be set.
    fn correct_clock(&self) {
        let offset = clock::wall_offset();
        let mut engine = self.state.engine();
        if clock_is_off(engine.config().wall_offset, offset) {
            engine.surroundings().set_wall_offset(offset);
        }
    }

    /// Brings the engine up to date; `false`: the flows could not be read.
    fn drain(&mut self) -> bool {
        let watch = Stopwatch::start();
        let drained = match self.source.drain(&self.state.engine, clock::now()) {
            Ok(report) => {
                self.state.own.drain_seconds.observe(watch.elapsed().as_secs_f64());
                for violation in &report.violations {
                    self.state.events.emit(&Event::ConservationBroken { violation });
                }
                true
            }
            Err(error) => {
                self.state.events.emit(&Event::DrainFailed { error: &error });
                false
            }
        };
        self.told.tell(&self.state);
        for message in self.source.take_log() {
            self.state.events.emit(&Event::KernelSide { message: &message });
        }
        let overflow = self.state.engine().interfaces().overflow_packets();
        if let Some(Ok(coarse)) = self.source.coarse_after(overflow) {
            self.state.engine().set_coarse(coarse);
        }
        drained
    }

    /// Looks at the host anew, `asked` to or because it changed. Returns the interfaces that are not counted any
    /// more.
    fn follow(&mut self, asked: bool) -> Vec<u32> {
        match self.watcher.read() {
            Ok(host) => self.host = host,
            Err(error) => {
                self.state.events.emit(&Event::HostFailed { error: &error });
                return Vec::new();
            }
        }
        let selection = Selection { include: &self.config.interface, exclude: &self.config.exclude };
        let meant: Vec<Link> = selection.of(&self.host).into_iter().cloned().collect();
        if let Some(name) = selection.missing(&self.host).filter(|_| asked) {
            let error = RunError::NoSuchInterface { name: name.to_owned(), known: names(&self.host) };
            self.state.events.emit(&Event::AttachFailed { interface: name, error: &error });
        }
        // A default route that moves does not end the counting of where it was: only what is gone
        // or is out of the selection by name does, and all else that another selection does not mean.
        let anew = std::mem::take(&mut self.chosen_anew);
        let keep = |ifindex: u32| {
            self.host.links.iter().find(|l| l.ifindex == ifindex).is_some_and(|l| selection.admits(l))
                && (!anew || meant.iter().any(|l| l.ifindex == ifindex))
        };
        let gone: Vec<u32> = self.counted.keys().copied().filter(|ifindex| !keep(*ifindex)).collect();
        let _hurry = self.source.hurry(gone.len());
        for ifindex in &gone {
            self.source.detach(*ifindex);
            if let Some(counted) = self.counted.remove(ifindex) {
                self.state.events.emit(&Event::Detached { interface: &counted.link.name });
            }
        }
        for link in &self.host.links {
            if let Some(counted) = self.counted.get_mut(&link.ifindex) {
                if counted.link.name != link.name {
                    // The hooks' numbers begin anew under a new name, the device's go on.
                    counted.baseline = None;
                }
                counted.link = link.clone();
            }
        }
        // Those that are new are attached to between drains, however many there are.
        let mut locks: BTreeMap<u32, Option<InterfaceLock>> =
            self.waiting.drain(..).map(|w| (w.link.ifindex, w.lock)).collect();
        let new = meant.into_iter().filter(|link| !self.counted.contains_key(&link.ifindex));
        self.waiting =
            new.map(|link| Waiting { lock: locks.remove(&link.ifindex).flatten(), link }).collect();
        self.refused.retain(|ifindex, _| self.host.links.iter().any(|link| link.ifindex == *ifindex));
        self.tell_engine();
        gone
    }

    fn tell_engine(&self) {
        let interfaces: Vec<_> = self
            .counted
            .values()
            .map(|c| host::Interface {
                ifindex: c.link.ifindex,
                name: self.inherited.get(&c.link.ifindex).unwrap_or(&c.link.name).clone(),
                loopback: c.link.loopback,
                one_sided: c.link.loopback || self.config.promiscuous,
            })
            .collect();
        let mut engine = self.state.engine();
        let devices: Vec<_> = self.host.links.iter().map(|link| link.device.clone()).collect();
        engine.surroundings().set_interfaces(&interfaces);
        engine.surroundings().set_devices(&devices);
        engine.surroundings().set_local_networks(&self.host.networks);
        engine.surroundings().set_uplinks(&self.host.uplinks(&self.config.wan));
    }

    /// Leaves for the page what only this thread can know.
    fn report(&mut self) {
        let attached = self
            .source
            .attached()
            .flat_map(|(ifindex, name, hooks)| {
                let name = self.counted.get(&ifindex).map_or(name, |c| &c.link.name);
                hooks.iter().map(|hook| (name.to_owned(), *hook))
            })
            .collect();
        let programs = self.source.program_stats().into_iter().filter(|p| p.runs > 0);
        let lost = self.source.lost_samples().unwrap_or_default();
        self.state
            .own
            .interface_overruns
            .inc_by(self.watcher.overruns() - self.state.own.interface_overruns.get());
        let status = KernelStatus {
            attached,
            differences: self.differences(),
            programs: programs
                .map(|p| ProgramRuns { name: p.name, runs: p.runs, seconds: p.run_seconds })
                .collect(),
            maps: self
                .source
                .map_stats()
                .into_iter()
                .map(|m| MapUse { name: m.name.to_owned(), entries: m.entries, max_entries: m.max_entries })
                .collect(),
            lost_samples: vec![
                ("ring_full", lost.ring_full),
                ("over_budget", lost.over_budget),
                ("unreadable", lost.unreadable),
            ],
        };
        *lock(&self.state.kernel) = status;
    }

    /// The hooks' numbers against the devices' own.
    fn differences(&mut self) -> Vec<(String, Direction, f64)> {
        let ifindexes: Vec<u32> = self.counted.keys().copied().collect();
        let Ok(devices) = self.watcher.device_packets(&ifindexes) else { return Vec::new() };
        let mut differences = Vec::new();
        let engine = self.state.engine();
        let totals: BTreeMap<_, _> =
            engine.interfaces().totals().iter().filter_map(|i| Some((i.ifindex?, i))).collect();
        for (ifindex, packets) in devices {
            let Some(counted) = self.counted.get_mut(&ifindex) else { continue };
            let Some(totals) = totals.get(&ifindex) else { continue };
            let link = &counted.link;
            let now = Direction::ALL.map(|direction| {
                let i = direction.index();
                Difference::new(&totals.hooks[i], packets[i])
            });
            let baseline = *counted.baseline.get_or_insert(now);
            // Every packet of loopback passes both ways: only the way in has a hook.
            let hooks = Direction::ALL.into_iter().filter(|d| !link.loopback || *d == Direction::Receive);
            for direction in hooks {
                let i = direction.index();
                let packets = now[i].since(baseline[i], link.software);
                differences.push((link.name.clone(), direction, packets as f64));
            }
        }
        differences
    }
}

fn names(host: &Host) -> String {
    host.links.iter().map(|l| l.name.as_str()).collect::<Vec<_>>().join(", ")
}

/// How long the last drain, and what is written of it, may take when the program stops: of a large table on a busy
/// machine that is seconds. Less than systemd waits.
pub(super) const LAST_DRAIN: Duration = Duration::from_mins(1);

/// Whether the wall clock moved against the flow clock by more than reading them can explain.
const fn clock_is_off(held: i64, now: i64) -> bool {
    held.abs_diff(now) > 50_000_000
}

//! Records that leave the host, taken by the real peers: what each has must be what our own JSON says.

mod brokers;
mod collectors;
mod faults;
mod lake;
mod traces;

use std::{
    fs,
    net::{TcpListener, UdpSocket},
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
};

use monitor::{
    config::outputs::Given,
    confine::{Confinement, Role},
    sink::{
        Dialer,
        build::Of,
        run::{Named, Outputs, Prepared},
    },
    state::State,
    telemetry::Own,
};
use monitor_common::{abi::hook_flags, wire::Link};
use monitor_core::{
    engine::{Engine, EngineConfig},
    offline::{Frame, Session, SessionConfig},
    record::AnyRecord,
};
use serde_json::Value;

/// Records of the capture of these tests.
fn records() -> Vec<AnyRecord> {
    let capture = super::capture::capture();
    let mut session = Session::new(SessionConfig::default());
    let (mut records, mut rest, mut number) = (Vec::new(), &capture[24..], 0);
    while let Some((head, after)) = rest.split_first_chunk::<16>() {
        let word = |at: usize| u32::from_le_bytes(head[at..at + 4].try_into().unwrap());
        let (bytes, next) = after.split_at(word(8) as usize);
        number += 1;
        let frame = Frame {
            bytes,
            link: Link::Ethernet,
            length: word(12),
            before: 0,
            ifindex: 1,
            hook_flags: hook_flags::ONE_SIDED,
            direction: monitor_common::abi::Direction::Receive,
            way: None,
            time: u64::from(word(0)) * 1_000_000_000 + u64::from(word(4)),
            number,
            file: 0,
        };
        let done: Result<(), ()> = session.packets(&[frame], &mut records, |_, _, _, _| Ok(()));
        done.unwrap();
        rest = next;
    }
    session.finish(&mut records);
    assert!(records.len() > 5);
    records
}

/// What our own JSON says of them.
fn json(records: &[AnyRecord]) -> Vec<Value> {
    let line = |record: &AnyRecord| {
        let mut line = Vec::new();
        record.to_json(&mut line).unwrap();
        serde_json::from_slice(&line).unwrap()
    };
    records.iter().map(line).collect()
}

/// Outputs of a run, as `weir run` has them.
struct Run {
    state: Arc<State>,
    outputs: Option<Outputs>,
}

fn output(text: &str) -> Named {
    let mut output = Given::read(text).unwrap().output;
    output.read_files().unwrap();
    (output.to.kind().to_owned(), output)
}

impl Run {
    fn start(outputs: &[String]) -> Self {
        let outputs: Vec<Named> = outputs.iter().map(|text| output(text)).collect();
        let own = Own::new().unwrap();
        let state = Arc::new(State::new(Engine::new(EngineConfig::default(), 0), own));
        let networks: Vec<_> = outputs.iter().filter_map(|(_, output)| output.to.network()).collect();
        // With the rights that these threads have in `weir run`.
        let plan = Confinement {
            outputs: outputs
                .iter()
                .filter_map(|(_, output)| output.to.directory().map(Path::to_owned))
                .collect(),
            ports: networks.iter().flat_map(|network| &network.to).map(|peer| peer.port).collect(),
            ..Confinement::default()
        };
        let (dialer, _) = Dialer::start(&plan, &networks).unwrap();
        let prepared = Prepared::new(outputs.clone(), Of::Run).unwrap();
        let start = || Outputs::start(Arc::clone(&state), prepared, Some(dialer));
        let (outputs, report) = plan.within(Role::Outputs, start).unwrap();
        assert!(report.is_some_and(|report| report.syscalls.is_ok()));
        Self { state, outputs: Some(outputs.unwrap()) }
    }

    fn send(&self, records: &[AnyRecord]) {
        self.outputs.as_ref().unwrap().feed().send(records.to_vec());
    }

    fn acknowledged(&self, kind: &str) -> u64 {
        self.state.own.output_acknowledged.with_label_values(&[kind, kind]).get()
    }

    fn faults(&self, kind: &str, fault: &str) -> u64 {
        self.state.own.output_faults.with_label_values(&[kind, kind, fault]).get()
    }

    fn lost(&self) -> u64 {
        self.state.own.lost_records()
    }

    /// Waits until a peer has so many.
    fn wait(&self, kind: &str, records: u64) {
        testing::wait::wait_for(&format!("{records} records at {kind}"), || {
            (self.acknowledged(kind) >= records).then_some(())
        });
    }

    fn end(mut self) {
        self.outputs.take().unwrap().end();
    }
}

/// A process that ends with the test.
struct Peer(Child);

impl Peer {
    fn start(command: &mut Command) -> Self {
        Self(command.stdin(Stdio::null()).spawn().unwrap())
    }

    /// With what it says in a file.
    fn logged(command: &mut Command, log: &Path) -> Self {
        let file = fs::File::create(log).unwrap();
        Self::start(command.stdout(file.try_clone().unwrap()).stderr(file))
    }

    fn kill(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }

    /// Asks it to end, and waits until it has.
    fn end(&mut self) {
        let id = nix::unistd::Pid::from_raw(self.0.id() as i32);
        let _ = nix::sys::signal::kill(id, nix::sys::signal::Signal::SIGTERM);
        testing::wait::wait_for("a peer to end", || self.0.try_wait().unwrap());
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A port of TCP that nobody has.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn wait_for_port(port: u16) {
    testing::wait::wait_for("a peer to listen", || std::net::TcpStream::connect(("127.0.0.1", port)).ok());
}

/// Whether a program is here; else it is said that a test is left out.
fn has(name: &str) -> bool {
    let found = std::env::var_os("PATH").is_some_and(|path| {
        let there = |directory: std::path::PathBuf| directory.join(name).exists();
        std::env::split_paths(&path).chain(["/usr/sbin".into()]).any(there)
    });
    if !found {
        testing::skip::skip(name, "it is not installed; `cargo xtask setup` does it");
    }
    found
}

/// A peer that takes long to build and is kept for all clones, if it is there.
fn kept(path: &str) -> Option<std::path::PathBuf> {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(std::path::PathBuf::from);
    let cache = cache.or_else(|| Some(std::path::PathBuf::from(std::env::var_os("HOME")?).join(".cache")))?;
    Some(cache.join("weir").join(path)).filter(|path| path.exists())
}

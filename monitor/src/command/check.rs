//! `weir check`: what this kernel, these rights and these interfaces allow.

mod named;
mod owners;

use std::fmt::Write;

use monitor_common::abi::Direction;
use rustix::process::{Resource, getrlimit};
use serde::Serialize;

use super::CommandError;
use crate::config::types::Ingress;
use crate::config::{Config, Overrides};
use crate::confine::{self, Confinement, Role};
use crate::host::{Link, Selection, Watcher};
use crate::lock::Locks;
use crate::source::ebpf::{self, Source, probe};

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// As it should be.
    Ok,
    /// It works, with less.
    Limited,
    /// It does not work.
    Missing,
}

impl Outcome {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Limited => "limited",
            Self::Missing => "missing",
        }
    }
}

/// One thing that was looked at.
#[derive(Clone, Debug, Serialize)]
pub struct Check {
    /// What.
    pub name: String,
    /// How it came out.
    pub outcome: Outcome,
    /// What was found, and what to do about it.
    pub detail: String,
}

/// All that was looked at.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// In the order in which `weir run` needs them.
    pub checks: Vec<Check>,
}

/// Descriptors that a run needs: maps, programs, links of a few interfaces, connections.
const DESCRIPTORS: u64 = 1024;

impl Report {
    fn new() -> Self {
        Self { checks: Vec::new() }
    }

    fn add(&mut self, name: impl Into<String>, outcome: Outcome, detail: impl Into<String>) {
        self.checks.push(Check { name: name.into(), outcome, detail: detail.into() });
    }

    fn kernel(&mut self) {
        let release = probe::kernel_release();
        match probe::kernel_features() {
            Ok(features) => {
                self.add("kernel", Outcome::Ok, release);
                let has = |yes: bool| if yes { Outcome::Ok } else { Outcome::Limited };
                let say = |yes: bool, with: &str, without: &str| if yes { with } else { without }.to_owned();
                let f = features.tcx;
                self.add(
                    "tcx",
                    has(f),
                    say(
                        f,
                        "programs are detached on exit",
                        "needs Linux 6.6; clsact filters are used instead",
                    ),
                );
                let f = features.xdp_frags;
                self.add(
                    "xdp fragments",
                    has(f),
                    say(f, "frames of several buffers", "needs Linux 5.18; single buffers only"),
                );
                let f = features.coarse_clock;
                self.add(
                    "coarse clock",
                    has(f),
                    say(f, "timestamps are cheap", "needs Linux 5.11; 30 ns more per packet"),
                );
            }
            Err(error) => self.add("kernel", Outcome::Missing, error.to_string()),
        }
    }

    fn rights(&mut self, config: &Config) {
        for (name, held) in probe::capabilities() {
            if held {
                self.add(name, Outcome::Ok, "held");
            } else {
                self.add(name, Outcome::Missing, "run as root, or grant it");
            }
        }
        let raw = confine::held().contains(&"CAP_NET_RAW");
        let needed = if config.promiscuous { Outcome::Missing } else { Outcome::Limited };
        self.add(
            "CAP_NET_RAW",
            if raw { Outcome::Ok } else { needed },
            if raw { "held" } else { "needed only by --promiscuous and `weir record --packets`" },
        );
        self.confinement(config);
        match getrlimit(Resource::Nofile).current {
            Some(n) if n < DESCRIPTORS => {
                self.add(
                    "open files",
                    Outcome::Limited,
                    format!("{n}; raise the limit to {DESCRIPTORS} (ulimit -n)"),
                );
            }
            limit => {
                let text = limit.map_or_else(|| "no limit".to_owned(), |n| format!("at most {n}"));
                self.add("open files", Outcome::Ok, text);
            }
        }
    }

    /// What is given up after the start. The surest way to know whether it can be is to do it, on a thread.
    fn confinement(&mut self, config: &Config) {
        let confinement = Confinement { off: !config.confine, ..Confinement::default() };
        let report = match confinement.within(Role::Counter, || ()) {
            Ok(((), Some(report))) => report,
            Ok(((), None)) => return self.add("confinement", Outcome::Limited, "switched off by confine"),
            Err(error) => return self.add("confinement", Outcome::Limited, error.to_string()),
        };
        let held = confine::held();
        let list = |names: &[&str]| if names.is_empty() { "none".to_owned() } else { names.join(" ") };
        let detail = match &report.capabilities {
            Ok(()) => {
                format!(
                    "held: {}; after startup the counting thread keeps {}, other threads none",
                    list(&held),
                    list(&report.kept)
                )
            }
            Err(error) => format!("cannot be dropped: {error}"),
        };
        let outcome = |well: bool| if well { Outcome::Ok } else { Outcome::Limited };
        self.add("capabilities", outcome(report.capabilities.is_ok()), detail);
        let detail = report.syscalls.as_ref().err().map_or("system calls are filtered after startup", |e| e);
        self.add("seccomp", outcome(report.syscalls.is_ok()), detail);
        let (well, detail) = match &report.files {
            Ok(landlock) => (
                landlock.lack().is_none(),
                landlock.lack().unwrap_or("file access is restricted after startup"),
            ),
            Err(error) => (false, error.as_str()),
        };
        self.add("landlock", outcome(well), detail);
    }

    /// The surest way to know whether it loads is to load it, with a table that costs nothing.
    fn kernel_side(&mut self, config: &Config) {
        let groups = self.groups(config);
        let root = groups.as_ref().map(|(root, _)| root.clone());
        let options = ebpf::Options { max_flows: 64, owners: root, ..ebpf::Options::default() };
        match Source::open(options) {
            Ok(source) => {
                self.add("kernel side", Outcome::Ok, "loads");
                if let Some((_, groups)) = &groups {
                    self.owners(config, groups, source.unowned().map(ToString::to_string).as_deref());
                }
                // What locks the kernel against root need not stand in the way; if it does, the error says so.
                match probe::lockdown().as_deref() {
                    None | Some("none") => {}
                    Some(level) => {
                        self.add(
                            "lockdown",
                            Outcome::Ok,
                            format!("{level}; it restricts nothing that Weir needs"),
                        );
                    }
                }
            }
            Err(error) => self.add("kernel side", Outcome::Missing, error.to_string()),
        }
    }

    fn statistics(&mut self) {
        let on = std::fs::read_to_string("/proc/sys/kernel/bpf_stats_enabled").is_ok_and(|s| s.trim() == "1");
        if on {
            self.add("program statistics", Outcome::Ok, "on, at some cost per packet");
        } else {
            let detail = "off; `sysctl kernel.bpf_stats_enabled=1` counts runs, at some cost per packet";
            self.add("program statistics", Outcome::Limited, detail);
        }
    }

    fn interfaces(&mut self, config: &Config) {
        let mut watcher = match Watcher::new() {
            Ok(watcher) => watcher,
            Err(error) => return self.add("interfaces", Outcome::Missing, error.to_string()),
        };
        let host = match watcher.read() {
            Ok(host) => host,
            Err(error) => return self.add("interfaces", Outcome::Missing, error.to_string()),
        };
        let selection = Selection { include: &config.interface, exclude: &config.exclude };
        if let Some(name) = selection.missing(&host) {
            self.add(
                format!("interface {name}"),
                Outcome::Missing,
                "no such interface; `ip link` lists them",
            );
        }
        let meant = selection.of(&host);
        if meant.is_empty() && !config.interface.is_empty() {
            if selection.missing(&host).is_none() {
                let detail = "no interface has such a name; `weir run` waits for one";
                self.add("interfaces", Outcome::Limited, detail);
            }
        } else if meant.is_empty() {
            self.add("interfaces", Outcome::Missing, "no interface is selected; name one with --interface");
        }
        let locks = Locks::open();
        if let Some(lack) = locks.lack() {
            self.add("locks", Outcome::Limited, lack);
        }
        for link in meant {
            let name = format!("interface {}", link.name);
            self.xdp(link, config.ingress);
            self.order(&watcher, link);
            match locks.take(link.ifindex, &link.name) {
                Err(error) => self.add(name, Outcome::Missing, error.to_string()),
                Ok(_) if !link.up => self.add(name, Outcome::Limited, "free, and down"),
                Ok(_) => {
                    let kind = if link.is_layer_3() { "no link header" } else { "link header" };
                    self.add(name, Outcome::Ok, format!("free, up, {kind}"));
                }
            }
        }
    }

    /// Who has the interface's XDP hook: it sees packets before all others, and there is one place.
    fn xdp(&mut self, link: &Link, ingress: Ingress) {
        if link.xdp.is_empty() {
            return;
        }
        let name = format!("programs {} xdp", link.name);
        let names: Vec<String> =
            link.xdp.iter().map(|id| probe::program_name(*id).unwrap_or_else(|| format!("#{id}"))).collect();
        let names = names.join(", ");
        if probe::is_ours(&names) {
            self.add(name, Outcome::Ok, names);
        } else if ingress == Ingress::Tc {
            let detail = format!("{names}; packets that it drops or sends elsewhere never reach ours");
            self.add(name, Outcome::Limited, detail);
        } else {
            self.add(
                name,
                Outcome::Missing,
                format!("taken by {names}: use --ingress tc, or remove that program"),
            );
        }
    }

    /// Who runs at the interface's TC hooks, first to last: TCX, then filters.
    fn order(&mut self, watcher: &Watcher, link: &Link) {
        for direction in Direction::ALL {
            let mut order = probe::tcx_order(&link.name, direction).unwrap_or_default();
            order.extend(watcher.filters(link.ifindex, direction).unwrap_or_default());
            if order.is_empty() {
                continue;
            }
            let name = format!("programs {} {}", link.name, direction.as_str());
            if probe::is_hidden(&order) {
                let detail = format!("{}; what runs before ours may hide packets from it", order.join(", "));
                self.add(name, Outcome::Limited, detail);
            } else {
                self.add(name, Outcome::Ok, order.join(", "));
            }
        }
    }

    fn table(&self) -> String {
        let width = self.checks.iter().map(|c| c.name.chars().count()).max().unwrap_or(0);
        self.checks.iter().fold(String::new(), |mut out, check| {
            // Writing to a string cannot fail.
            let _ = writeln!(out, "{:<width$}  {:<7}  {}", check.name, check.outcome.as_str(), check.detail);
            out
        })
    }
}

/// Looks at everything and prints it; an error if `weir run` would not start.
pub fn run(overrides: &Overrides, json: bool) -> Result<(), CommandError> {
    let config = overrides.load()?.config;
    let mut report = Report::new();
    report.kernel();
    report.rights(&config);
    report.kernel_side(&config);
    report.statistics();
    report.pins(&config);
    report.interfaces(&config);
    report.web(&config);
    if json {
        let text = serde_json::to_string_pretty(&report).map_err(CommandError::Answer)?;
        super::print(&format_args!("{text}\n"))?;
    } else {
        super::print(&report.table())?;
    }
    let missing = report.checks.iter().filter(|c| c.outcome == Outcome::Missing);
    let names: Vec<_> = missing.map(|c| c.name.clone()).collect();
    if names.is_empty() { Ok(()) } else { Err(CommandError::NotReady { missing: names.join(", ") }) }
}

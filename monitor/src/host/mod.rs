//! The host as its kernel describes it: interfaces, addresses, listening sockets.

mod conntrack;
mod device;
mod filters;
mod listeners;
pub mod names;
pub(crate) mod netlink;
mod promiscuous;

use std::io;

use monitor_common::abi::Direction;
use monitor_core::host::{Device, Listener, LocalNetwork, Translating};
use monitor_core::record::Text;

use crate::config::types::Pattern;
pub use conntrack::Conntrack;
pub(crate) use filters::{Filter, filters};
pub use promiscuous::Promiscuous;

/// Name of this host, made harmless; empty where the kernel does not tell.
pub fn name() -> String {
    let name = std::fs::read("/proc/sys/kernel/hostname").unwrap_or_default();
    Text::escaped(name.trim_ascii()).into_owned()
}

/// Reads bytes as each of the kernel's messages; the connections among them whose addresses are translated. For tests
/// that read any bytes.
pub fn read_all(bytes: &[u8]) -> Vec<Translating> {
    netlink::read_any(bytes);
    conntrack::read_any(bytes)
}

/// An interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The kernel's index.
    pub ifindex: u32,
    /// Its name.
    pub name: String,
    /// Its type: `ARPHRD_…` of `include/uapi/linux/if_arp.h`.
    pub kind: u16,
    /// Whether it is switched on.
    pub up: bool,
    /// Whether it is the loopback device.
    pub loopback: bool,
    /// Whether it is made by software: such devices count buffers, not packets on a wire.
    pub software: bool,
    /// Whether a default route leaves through it.
    pub default_route: bool,
    /// Numbers of the programs at its XDP hooks.
    pub xdp: Vec<u32>,
    /// What it is among others.
    pub device: Device,
}

/// Ethernet, its 802 relatives and loopback: frames begin with a link header.
const LAYER_2: [u16; 5] = [1, 6, 772, 801, 803];

impl Link {
    /// Whether frames begin with the IP header (tun, ipip, wireguard, ppp).
    pub fn is_layer_3(&self) -> bool {
        !LAYER_2.contains(&self.kind)
    }
}

/// Interfaces and addresses of the network namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Host {
    /// All interfaces.
    pub links: Vec<Link>,
    /// All addresses with their networks.
    pub networks: Vec<LocalNetwork>,
}

impl Host {
    /// Indexes of the interfaces that lead outwards: those of these names, or those with a default route.
    pub fn uplinks(&self, named: &[Pattern]) -> Vec<u32> {
        let leads = |link: &&Link| {
            if named.is_empty() { link.default_route } else { named.iter().any(|p| p.matches(&link.name)) }
        };
        self.links.iter().filter(leads).map(|link| link.ifindex).collect()
    }
}

/// The host cannot be read.
#[derive(Debug, thiserror::Error)]
#[error(
    "{operation}: {source}; netlink sockets must be allowed (seccomp, AF_NETLINK in RestrictAddressFamilies)"
)]
pub struct HostError {
    /// What was tried.
    pub operation: &'static str,
    /// Why it failed.
    pub source: io::Error,
}

/// Follows a network namespace: that of the thread that makes it.
#[derive(Debug)]
pub struct Watcher {
    changes: netlink::Changes,
    /// Interfaces that default routes leave through, as they were when they were read last.
    leaves: Vec<u32>,
    /// They are to be read anew: a router has hundreds of thousands of routes, and there is no asking for a few.
    stale: bool,
    overruns: u64,
}

impl Watcher {
    /// Begins to follow.
    pub fn new() -> Result<Self, HostError> {
        let changes = netlink::Changes::new()?;
        Ok(Self { changes, leaves: Vec::new(), stale: true, overruns: 0 })
    }

    /// Names of an interface's clsact filters, first to last.
    pub fn filters(&self, ifindex: u32, direction: Direction) -> Result<Vec<String>, HostError> {
        Ok(filters(ifindex, direction)?.into_iter().map(|filter| filter.name).collect())
    }

    /// Whether interfaces, addresses or default routes changed since the last call.
    pub fn changed(&mut self) -> bool {
        let heard = self.changes.heard(&self.leaves);
        self.stale |= heard.routes;
        self.overruns += u64::from(heard.lost);
        heard.any
    }

    /// How often changes came faster than [`Self::changed`] was asked, and were lost.
    pub const fn overruns(&self) -> u64 {
        self.overruns
    }

    /// How everything is now.
    pub fn read(&mut self) -> Result<Host, HostError> {
        let (mut links, addresses) = (netlink::links()?, netlink::networks()?);
        for address in addresses.iter().filter(|address| address.routed) {
            if let Some(link) = links.iter_mut().find(|link| link.ifindex == address.ifindex) {
                link.device.addressed = true;
            }
        }
        let networks = addresses.into_iter().map(|address| address.network).collect();
        if self.stale {
            self.leaves = netlink::default_routes()?;
            self.stale = false;
        }
        for link in &mut links {
            link.default_route = self.leaves.binary_search(&link.ifindex).is_ok();
        }
        Ok(Host { links, networks })
    }

    /// Packets that the devices of interfaces counted: index, received, transmitted. There may be others among them.
    pub fn device_packets(&self, of: &[u32]) -> Result<Vec<(u32, [u64; 2])>, HostError> {
        netlink::device_packets(of)
    }

    /// Ports with a listening socket.
    pub fn listeners(&self) -> Vec<Listener> {
        listeners::read()
    }
}

/// Which interfaces to watch.
#[derive(Clone, Debug)]
pub struct Selection<'a> {
    /// Names and globs; none: those with a default route, else all that are up and not loopback.
    pub include: &'a [Pattern],
    /// Names and globs to leave out.
    pub exclude: &'a [Pattern],
}

impl Selection<'_> {
    /// The interfaces that are meant.
    pub fn of<'h>(&self, host: &'h Host) -> Vec<&'h Link> {
        let named = |patterns: &[Pattern], link: &Link| patterns.iter().any(|p| p.matches(&link.name));
        let links = host.links.iter().filter(|l| !named(self.exclude, l));
        if !self.include.is_empty() {
            return links.filter(|l| named(self.include, l)).collect();
        }
        let links: Vec<_> = links.filter(|l| l.up && !l.loopback).collect();
        if links.iter().any(|l| l.default_route) {
            links.into_iter().filter(|l| l.default_route).collect()
        } else {
            links
        }
    }

    /// Whether an interface is chosen by its name, or could be without one: none that is left out.
    pub fn admits(&self, link: &Link) -> bool {
        let named = |patterns: &[Pattern]| patterns.iter().any(|p| p.matches(&link.name));
        !named(self.exclude) && (self.include.is_empty() || named(self.include))
    }

    /// Whether an interface is named, and not only meant by a pattern.
    pub fn names(&self, link: &Link) -> bool {
        self.include.iter().any(|pattern| pattern.exact() == Some(link.name.as_str()))
    }

    /// A plain name that no interface has.
    pub fn missing(&self, host: &Host) -> Option<&str> {
        self.include.iter().filter_map(Pattern::exact).find(|name| host.links.iter().all(|l| l.name != *name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::value::Scalar;

    fn link(name: &str, up: bool, default_route: bool) -> Link {
        Link {
            ifindex: 1,
            name: name.to_owned(),
            kind: 1,
            up,
            loopback: name == "lo",
            software: false,
            default_route,
            xdp: Vec::new(),
            device: Device::default(),
        }
    }

    fn names(include: &[&str], exclude: &[&str], links: &[Link]) -> Vec<String> {
        let patterns = |names: &[&str]| names.iter().map(|n| Pattern::read(n).unwrap()).collect::<Vec<_>>();
        let host = Host { links: links.to_vec(), networks: Vec::new() };
        let (include, exclude) = (patterns(include), patterns(exclude));
        let selection = Selection { include: &include, exclude: &exclude };
        selection.of(&host).iter().map(|l| l.name.clone()).collect()
    }

    #[test]
    fn without_names_the_default_routes_decide() {
        let links = [link("lo", true, false), link("eth0", true, true), link("eth1", true, false)];
        assert_eq!(names(&[], &[], &links), ["eth0"]);
        assert_eq!(names(&[], &["eth0"], &links), ["eth1"]);
        let links = [link("lo", true, false), link("eth0", true, false), link("eth1", false, false)];
        assert_eq!(names(&[], &[], &links), ["eth0"]);
    }

    #[test]
    fn what_leads_outwards_is_named_or_has_the_default_route() {
        let links = [link("lan0", true, false), link("wan0", true, true), link("ppp0", true, false)];
        let links = (1..).zip(links).map(|(ifindex, link)| Link { ifindex, ..link }).collect();
        let host = Host { links, networks: Vec::new() };
        assert_eq!(host.uplinks(&[]), [2]);
        assert_eq!(host.uplinks(&[Pattern::read("ppp*").unwrap()]), [3]);
        assert!(host.uplinks(&[Pattern::read("none").unwrap()]).is_empty());
    }

    #[test]
    fn names_globs_and_any_choose() {
        let links = [link("lo", true, false), link("eth0", true, true), link("veth1", false, false)];
        assert_eq!(names(&["lo"], &[], &links), ["lo"]);
        assert_eq!(names(&["*eth*"], &[], &links), ["eth0", "veth1"]);
        assert_eq!(names(&["any"], &["lo", "veth*"], &links), ["eth0"]);
    }
}

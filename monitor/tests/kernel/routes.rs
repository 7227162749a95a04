//! The routes of a host are followed: only those that decide which interfaces are counted are looked at.

use monitor::host::Watcher;

use crate::netns::{Namespace, wait_for};

#[test]
fn only_default_routes_are_a_change_and_they_are_known_as_they_come_and_go() {
    let ns = Namespace::new();
    for device in ["e0", "e1"] {
        ns.ip(&format!("link add {device} type veth peer name {device}-peer"));
        ns.ip(&format!("link set {device} up"));
        ns.ip(&format!("link set {device}-peer up"));
    }
    ns.ip("addr add 10.1.0.1/24 dev e0");
    ns.ip("addr add 10.2.0.1/24 dev e1");
    let mut watcher = ns.enter(|| Watcher::new().expect("a watcher"));
    let mut leaves = || {
        // Duplicate address detection and carriers come later, from queues of the kernel.
        while watcher.changed() {}
        let host = ns.enter(|| watcher.read().expect("the host"));
        let leaves: Vec<_> = host.links.iter().filter(|l| l.default_route).map(|l| l.name.clone()).collect();
        leaves
    };
    assert_eq!(leaves(), [""; 0]);
    let mut expect = |change: &str, expected: &[&str]| {
        ns.ip(change);
        wait_for(change, || (leaves() == expected).then_some(()));
    };
    expect("route add default via 10.1.0.2", &["e0"]);
    expect("route replace default via 10.2.0.2", &["e1"]);
    expect("route add default via 10.1.0.2 metric 7", &["e0", "e1"]);
    // The kernel says nothing of the routes that go with an interface that goes down, or with an address.
    expect("link set e0 down", &["e1"]);
    expect("link set e0 up", &["e1"]);
    expect("addr del 10.2.0.1/24 dev e1", &[]);
    expect("-6 route add default dev e0", &["e0"]);
    expect("link del e0", &[]);

    let mut watcher = ns.enter(|| Watcher::new().expect("a watcher"));
    while watcher.changed() {}
    ns.sh("for n in $(seq 250); do echo route add 192.0.2.$n/32 dev e1; done | ip -batch -");
    assert!(!watcher.changed(), "other routes are no change");
    assert_eq!(watcher.overruns(), 0);
    ns.ip("route add default dev e1");
    assert!(watcher.changed());
}

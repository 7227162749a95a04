//! The service with the files of packaging/ for pins: it counts on while it restarts and while it is stopped, for a
//! user who owns nothing of it meanwhile.

use std::{fs, net::UdpSocket, os::unix::fs::MetadataExt as _, path::Path, process::Command};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use super::{CHANGES, Cable, answer, process, property, ready, systemctl};
use crate::{
    agent::HERE,
    exposition::Page,
    netns::{run, wait_for},
    pins::Exchange,
};

const MOUNT: &str = include_str!("../../../../../packaging/run-weir.mount");
const CHANGE: &str = include_str!("../../../../../packaging/weir-pins.conf");

/// Where they are, as the change names it.
const PINS: &str = "/run/weir/pins";

/// Datagrams that pass at least while an instance runs, and while none does.
const MORE: u64 = 100;

fn install() {
    fs::write("/etc/systemd/system/run-weir.mount", MOUNT).expect("a unit");
    fs::create_dir_all(CHANGES).expect("a directory");
    fs::write(Path::new(CHANGES).join("weir-pins.conf"), CHANGE).expect("a change");
    fs::write("/etc/weir/weir.toml", "max-flows = 16384\n").expect("settings");
    systemctl("daemon-reload");
}

/// Packets of UDP each way.
fn counted() -> [f64; 2] {
    let page = Page::text(&answer("/metrics", "").body);
    assert_eq!(page.sum("weir_conservation_violations_total", &[]), 0.0);
    ["receive", "transmit"].map(|way| {
        let udp = [("interface", "eth0"), ("transport", "udp"), ("direction", way)];
        page.sum("weir_network_io_packets_total", &udp)
    })
}

/// Who has the directory, and each pin of a map or a link in it.
fn owners() -> Vec<u32> {
    let owner = |path: &Path| fs::metadata(path).expect("its owner").uid();
    let mut owners = vec![owner(Path::new(PINS))];
    owners.extend(fs::read_dir(PINS).expect("pins").flatten().map(|pin| owner(&pin.path())));
    owners.dedup();
    owners
}

/// `weir unpin`, which is root's: whether it did so.
fn unpin() -> bool {
    let flag = format!("--pin={PINS}");
    Command::new("/usr/bin/weir").args(["unpin", &flag]).output().expect("weir").status.success()
}

fn has_programs() -> bool {
    let check = run("/usr/bin/weir", &["check", "--interface=eth0"]).stdout;
    String::from_utf8_lossy(&check).contains("programs eth0")
}

/// Restarted, killed, stopped and started again under traffic it has counted each packet once.
pub(super) fn go_on(cable: &Cable) {
    install();
    systemctl("start weir");
    ready();
    let before = counted();
    let user = fs::metadata(format!("/proc/{}", process())).expect("its process").uid();
    assert_ne!(user, 0);
    assert_eq!(owners(), [user], "its own while it runs");
    assert_eq!(
        fs::metadata("/run/weir").expect("the mount").uid(),
        0,
        "what else the kernel has there is not"
    );
    let server = UdpSocket::bind((HERE, 0)).expect("a socket");
    let sent = Exchange::during(&server, &cable.there, &[0, 20], |exchange| {
        exchange.wait_for_more(MORE);
        let first = process();
        systemctl("restart weir");
        assert_ne!(process(), first);
        exchange.wait_for_more(MORE);
        kill(Pid::from_raw(process()), Signal::SIGKILL).expect("a signal");
        wait_for("the next one", || (property("NRestarts") == "1").then_some(()));
        wait_for("the next one", || (property("SubState") == "running").then_some(()));
        exchange.wait_for_more(MORE);
        systemctl("stop weir");
        assert_eq!(owners(), [0], "nobody's who is given the user's number");
        assert!(has_programs());
        exchange.wait_for_more(MORE);
        systemctl("start weir");
        exchange.wait_for_more(MORE);
    });
    let expected = before.map(|packets| packets + sent as f64);
    wait_for("the count", || (counted() == expected).then_some(()));
    eprintln!("pins: {sent} datagrams each way");
    assert!(!unpin(), "not while it runs");
    systemctl("stop weir");
    assert!(has_programs());
    assert!(unpin());
    assert!(!has_programs() && !Path::new(PINS).exists());
    fs::remove_file(Path::new(CHANGES).join("weir-pins.conf")).expect("its end");
    systemctl("daemon-reload");
}

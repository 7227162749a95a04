//! The pages of `docs/tasks`: each is done as it is written, with traffic of which the answer is known.

mod page;
mod ports;
mod scanner;
mod shares;
mod slow;

use std::{path::Path, process::Command};

use crate::{
    agent::Running,
    netns::{Namespace, wait_for},
};

/// A script of these tests.
fn script(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kernel_agent/tasks").join(name);
    path.to_str().expect("a path").to_owned()
}

/// Web servers on these ports of all addresses of a namespace; see the script.
struct Servers {
    _process: Running,
    _directory: tempfile::TempDir,
}

impl Servers {
    fn start(ns: &Namespace, ports: &[&str]) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let path = |name: &str| directory.path().join(name).to_str().expect("a path").to_owned();
        let (certificate, key) = (path("certificate.pem"), path("key.pem"));
        ns.sh(&format!(
            "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=www.example.com -keyout {key} \
             -out {certificate} 2>/dev/null"
        ));
        let script = script("server.py");
        let arguments = [&[&*script, &certificate, &key], ports].concat();
        let process = Running::start(prompt(ns, &arguments));
        for port in ports {
            wait_for("a listener", || {
                (!ns.sh(&format!("ss -Hlnt 'sport = :{port}'")).is_empty()).then_some(())
            });
        }
        Self { _process: process, _directory: directory }
    }
}

/// Python that goes before the others: how long it takes to answer is what is measured.
fn prompt(ns: &Namespace, arguments: &[&str]) -> Command {
    ns.command("nice", &[&["--adjustment=-20", "python3"], arguments].concat())
}

/// More addresses on a device, all in its network.
fn addresses(ns: &Namespace, device: &str, all: &[&str]) {
    for address in all {
        ns.ip(&format!("addr add {address}/24 dev {device}"));
    }
}

/// Fetches from a name at an address: so many bytes, after so many milliseconds.
fn fetch(ns: &Namespace, name: &str, port: u16, address: &str, bytes: usize, milliseconds: u32) {
    let scheme = if port % 1000 == 443 { "https" } else { "http" };
    ns.sh(&format!(
        "curl -sfk -o /dev/null --resolve {name}:{port}:{address} {scheme}://{name}:{port}/{bytes}/{milliseconds}"
    ));
}

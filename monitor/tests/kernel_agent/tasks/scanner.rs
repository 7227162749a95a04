//! "Find the scanner".

use super::{Servers, addresses, fetch, page::Page};
use crate::agent::{Agent, THERE, cable};

/// Ports that the scanner tries.
const PORTS: u32 = 1_000;
const SCANNER: &str = "10.7.0.66";

#[test]
fn the_scanner_stands_out_from_busy_clients() {
    let (here, there) = cable();
    let clients = ["10.7.0.21", "10.7.0.22", "10.7.0.23"];
    addresses(&there, "eth1", &clients);
    addresses(&there, "eth1", &[SCANNER]);
    let _servers = Servers::start(&here, &["443", "80"]);
    let _agent = Agent::start(&here, &["--interface=eth0"]);
    let mut page = Page::open("find-the-scanner");
    page.capture(&here, THERE, || {
        for client in clients {
            // Many connections, and all of them come about.
            there.sh(&format!(
                "curl -sf -H 'Connection: close' --interface {client} -o /dev/null 'http://10.7.0.1/[1-40]/0'"
            ));
        }
        fetch(&there, "www.example.com", 443, "10.7.0.1", 10_000, 0);
        there.sh(&format!(
            "nmap -n -Pn -sS -T5 --max-retries 0 -S {SCANNER} -e eth1 -p 1-{PORTS} 10.7.0.1 >/dev/null"
        ));
    });
    let outputs = page.follow(&here);
    let [sources, tcp, open, when, live] = &outputs[..] else { panic!("{} commands", outputs.len()) };
    let suspects: Vec<&str> = sources.lines().filter(|line| line.contains("scan?")).collect();
    let [suspect] = suspects[..] else { panic!("{sources}") };
    let cells: Vec<&str> = suspect.split_whitespace().collect();
    assert_eq!(cells[0], SCANNER, "{sources}");
    let ports: u32 = cells[2].trim_start_matches('~').replace(',', "").parse().expect("a count");
    assert!(ports.abs_diff(PORTS) <= PORTS / 20, "{sources}");
    let refused = tcp.lines().find_map(|line| line.trim().strip_prefix("Refused")).expect("a line");
    assert_eq!(refused.trim(), "998, 99.8 %", "{tcp}");
    let open: Vec<&str> = open.lines().collect();
    assert_eq!(open, ["10.7.0.1 80", "10.7.0.1 443"]);
    assert!(when.starts_with("1000 attempts, 20"), "{when}");
    assert!(live.contains(SCANNER) && live.contains("ports"), "{live}");
}

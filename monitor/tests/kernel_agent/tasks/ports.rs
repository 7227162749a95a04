//! "Which ports does this site use".

use super::{Servers, addresses, fetch, page::Page};
use crate::agent::{Agent, THERE, cable};

#[test]
fn the_ports_of_a_site_are_listed_and_no_others() {
    let (here, there) = cable();
    addresses(&there, "eth1", &["10.7.0.11", "10.7.0.12", "10.7.0.13"]);
    let _servers = Servers::start(&there, &["443", "8443", "8080", "80"]);
    let _agent = Agent::start(&here, &["--interface=eth0"]);
    let mut page = Page::open("ports-of-a-site");
    page.capture(&here, THERE, || {
        for (name, port, address, bytes) in [
            ("www.example.com", 443, "10.7.0.11", 200_000),
            ("api.example.com", 8443, "10.7.0.12", 20_000),
            ("api.example.com", 8443, "10.7.0.12", 30_000),
            ("updates.example.com", 8080, "10.7.0.12", 90_000),
            ("www.example.org", 80, "10.7.0.13", 50_000),
        ] {
            fetch(&here, name, port, address, bytes, 0);
        }
    });
    let outputs = page.follow(&here);
    let [report, list, live] = &outputs[..] else { panic!("{} commands", outputs.len()) };
    for (port, listed) in [("443/tcp", true), ("8443/tcp", true), ("8080/tcp", true), ("80/tcp", false)] {
        let shown = report.lines().any(|line| line.split_whitespace().next() == Some(port));
        assert_eq!(shown, listed, "{port}: {report}");
    }
    let listed: Vec<&str> = list.lines().map(str::trim).collect();
    assert_eq!(
        listed,
        [
            "1 443/tcp tls www.example.com",
            "1 8080/tcp http updates.example.com",
            "2 8443/tcp tls api.example.com"
        ]
    );
    assert!(live.contains("10.7.0.12:8443") && !live.contains("10.7.0.13"), "{live}");
}

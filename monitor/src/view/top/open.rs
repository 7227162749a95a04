//! What Enter opens: of a flow all that is known, of a domain, a service or a name its flows.

use monitor_core::filter::{Expression, Pattern, Test, TextField};

use super::{
    model::{Cover, Opened, Top},
    tab::{Tab, owners},
};
use crate::view::live::{Domain, DomainKind, Service};

impl Top {
    /// Opens what is chosen.
    pub(super) fn open(&mut self) {
        self.follow();
        // Without a choice it is the first row that is seen.
        if self.cursor(self.tab).chosen.is_none() && !self.tab.columns().is_empty() {
            self.choose(self.cursor(self.tab).offset);
        }
        let cursor = self.cursor(self.tab);
        let rows = self.rows(self.tab);
        let Some(at) = cursor.chosen.as_ref().and_then(|_| rows.get(cursor.at)).map(|row| row.at) else {
            return;
        };
        if self.tab == Tab::Flows {
            if let Some(flow) = self.flows().get(at).cloned() {
                self.scrolled = 0;
                self.cover = Cover::Flow(Box::new(Opened::new(flow)));
            }
        } else if let Some(filter) = self.behind(at) {
            self.filter = filter;
            self.go(Tab::Flows);
            let cursor = self.cursor_mut();
            (cursor.chosen, cursor.at, cursor.offset) = (None, 0, 0);
        }
    }

    /// The filter for the flows behind a row; `None`: they are not told apart.
    fn behind(&self, at: usize) -> Option<String> {
        let snapshot = self.snapshot()?;
        match self.tab {
            Tab::Domains => of_domain(snapshot.domains.get(at)?),
            Tab::Services => of_service(snapshot.services.get(at)?, self.is_capture()),
            Tab::Dns => {
                let name = &*snapshot.dns.names.get(at)?.name;
                // Nobody has the name of the root.
                (!name.is_empty()).then(|| text(TextField::Name, name))
            }
            Tab::Hosts => {
                let address = &*snapshot.hosts.get(at)?.address;
                address.parse::<std::net::IpAddr>().ok().map(|ip| format!("host {ip}"))
            }
            Tab::Owners => owners::filter(snapshot.owners.get(at)?),
            Tab::Flows | Tab::Tcp | Tab::Events => None,
        }
    }
}

pub(super) fn text(field: TextField, pattern: &str) -> String {
    Expression::Test(Test::Text { field, negated: false, pattern: Pattern::new(pattern) }).to_string()
}

fn of_domain(domain: &Domain) -> Option<String> {
    match domain.kind {
        DomainKind::Domain => Some(text(TextField::Domain, &domain.domain)),
        DomainKind::Unresolved => Some("not name *".to_owned()),
        DomainKind::Other => None,
    }
}

/// Of a host a service is the name of a port, or its number; of a capture what is spoken, the number, or both.
fn of_service(service: &Service, capture: bool) -> Option<String> {
    if service.transport.is_empty() {
        return None;
    }
    let mut tests = vec![format!("transport {}", service.transport)];
    let name = &*service.service;
    let (name, port) = match name.rsplit_once(' ') {
        Some((name, port)) if capture => (name, port.parse::<u16>().ok()),
        // A name that several ports have.
        _ if !capture && name.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok()) => {
            let (name, port) = name.rsplit_once(':').unwrap_or((name, ""));
            (name, port.parse().ok())
        }
        _ => match name.parse::<u16>() {
            Ok(port) => ("", Some(port)),
            Err(_) => (name, None),
        },
    };
    if !name.is_empty() {
        tests.push(text(if capture { TextField::Application } else { TextField::Service }, name));
    }
    tests.extend(port.map(|port| format!("server port {port}")));
    Some(tests.join(" and "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use monitor_core::filter::Filter;

    #[test]
    fn a_service_is_a_filter_of_its_flows() {
        for (service, transport, capture, filter) in [
            ("https", "tcp", false, Some("transport tcp and service https")),
            ("8443", "udp", false, Some("transport udp and server port 8443")),
            ("intranet:8001", "tcp", false, Some("transport tcp and service intranet and server port 8001")),
            ("my net 2", "tcp", false, Some("transport tcp and service \"my net 2\"")),
            ("tls 443", "tcp", true, Some("transport tcp and application tls and server port 443")),
            ("5000", "sctp", true, Some("transport sctp and server port 5000")),
            ("dns", "udp", true, Some("transport udp and application dns")),
            ("", "icmp", true, Some("transport icmp")),
            ("other", "", false, None),
        ] {
            let row = Service {
                service: service.to_owned(),
                transport: transport.to_owned(),
                ..Service::default()
            };
            let made = of_service(&row, capture);
            assert_eq!(made.as_deref(), filter);
            assert!(made.is_none_or(|filter| filter.parse::<Filter>().is_ok()), "{service}");
        }
    }
}

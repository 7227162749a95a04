//! What `weir run` says when it has started.

use std::fmt::Write;
use std::net::SocketAddr;
use std::path::PathBuf;

/// What there is to say.
pub(super) struct Hello<'a> {
    pub(super) interfaces: &'a [String],
    pub(super) addresses: &'a [SocketAddr],
    pub(super) sockets: &'a [PathBuf],
    pub(super) telemetry_path: &'a str,
    pub(super) tls: bool,
    pub(super) password: bool,
    pub(super) max_flows: u32,
    pub(super) table_bytes: u64,
    /// Name of this host, for addresses that are all of them.
    pub(super) host: &'a str,
}

impl Hello<'_> {
    /// The whole text.
    pub(super) fn text(&self) -> String {
        let scheme = if self.tls { "https" } else { "http" };
        let mut out = String::new();
        // Writing to a string cannot fail.
        let _ = self.write(&mut out, scheme);
        out
    }

    /// What others can ask: an address that stands for all of them is none, so this host's name is.
    fn place(&self, address: SocketAddr) -> String {
        if address.ip().is_unspecified() && !self.host.is_empty() {
            format!("{}:{}", self.host, address.port())
        } else {
            address.to_string()
        }
    }

    fn write(&self, out: &mut String, scheme: &str) -> std::fmt::Result {
        let waiting = if self.interfaces.is_empty() { "none yet, waiting" } else { "" };
        writeln!(out, "Counting on {}{waiting}", self.interfaces.join(", "))?;
        writeln!(
            out,
            "Flow table: {} flows in {} MiB of kernel memory (--max-flows)",
            self.max_flows,
            self.table_bytes.div_ceil(1 << 20)
        )?;
        for address in self.addresses {
            let place = self.place(*address);
            writeln!(out, "Live page: {scheme}://{place}/")?;
            writeln!(out, "Metrics: {scheme}://{place}{}", self.telemetry_path)?;
        }
        for path in self.sockets {
            let path = path.display();
            writeln!(
                out,
                "Socket: {path}; weir top --url unix:{path}, curl --unix-socket {path} http://localhost{}",
                self.telemetry_path
            )?;
        }
        if self.addresses.is_empty() {
            return Ok(());
        }
        let targets: Vec<String> = self.addresses.iter().map(|a| format!("\"{}\"", self.place(*a))).collect();
        writeln!(out, "\nFor prometheus.yml:\n\nscrape_configs:\n  - job_name: weir")?;
        if self.tls {
            writeln!(out, "    scheme: https")?;
        }
        if self.password {
            writeln!(out, "    basic_auth: {{ username: USER, password_file: FILE }}")?;
        }
        if self.telemetry_path != "/metrics" {
            writeln!(out, "    metrics_path: {}", self.telemetry_path)?;
        }
        writeln!(out, "    static_configs:\n      - targets: [{}]\n", targets.join(", "))?;
        if self.addresses.iter().all(|a| a.ip().is_loopback()) {
            writeln!(
                out,
                "Only this host can read it. For others: --web.listen-address=:{}, with TLS and a password by \
                 --web.config.file",
                self.addresses.first().map_or(10058, SocketAddr::port)
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_where_the_page_is_and_how_to_open_it_to_others() {
        let hello = Hello {
            interfaces: &["eth0".to_owned()],
            addresses: &[SocketAddr::from(([127, 0, 0, 1], 10058))],
            sockets: &[PathBuf::from("/run/weir-web/weir.sock")],
            telemetry_path: "/metrics",
            tls: false,
            password: false,
            max_flows: 131_072,
            table_bytes: 75 << 20,
            host: "gate",
        };
        let text = hello.text();
        for expected in [
            "Counting on eth0\n",
            "131072 flows in 75 MiB",
            "Live page: http://127.0.0.1:10058/\n",
            "Metrics: http://127.0.0.1:10058/metrics\n",
            "scrape_configs:\n  - job_name: weir\n    static_configs:\n      - targets: [\"127.0.0.1:10058\"]\n",
            "--web.listen-address=:10058",
            "weir top --url unix:/run/weir-web/weir.sock",
        ] {
            assert!(text.contains(expected), "{expected} in {text}");
        }
        let open = Hello { addresses: &[SocketAddr::from(([0, 0, 0, 0], 1))], tls: true, ..hello };
        assert!(!open.text().contains("Only this host") && open.text().contains("    scheme: https\n"));
        let all = Hello { addresses: &["[::]:10058".parse().unwrap()], ..open };
        let text = all.text();
        assert!(text.contains("Live page: https://gate:10058/\n") && !text.contains("[::]"), "{text}");
        assert!(text.contains("targets: [\"gate:10058\"]"), "{text}");
    }
}

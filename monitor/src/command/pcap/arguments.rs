//! The flags of `weir pcap`.

use std::path::{Path, PathBuf};

use clap::Args;
use monitor_core::{
    engine::Timeouts,
    network::Network,
    offline::{CROWD, PATIENCE},
};

use crate::{
    app::short_forms,
    config::outputs::{Given, STANDARD},
    view::report::SectionId,
};

/// What `--help` says of filters.
fn after_help() -> String {
    let timeouts = Timeouts::default();
    let [tcp, udp, other, fin, rst] =
        [timeouts.idle_tcp, timeouts.idle_udp, timeouts.idle_other, timeouts.fin, timeouts.rst]
            .map(|timeout| timeout / 1_000_000_000);
    format!(
        "{}\n\n\
  A flow passes by all that is known of it when it is over. Its messages (tls, dns, http, finding) and its
  packets pass with it; what belongs to no flow does not. Filters by host, net, port, transport and IP
  version are decided packet by packet; others read the files twice, which standard input cannot be.
  Role, scope and rate are not known of captures.

  Each flow is told once. A closed connection ends 60 seconds of capture time after its last packet, all
  others end with the capture. Only while more than {PATIENCE} flows are held do they end as live ones do by
  default, whatever the configuration says: after {tcp} s without a packet (UDP {udp} s, others {other} s), {fin} s after
  both FINs, {rst} s after a RST; closed ones sooner where {CROWD} others began since their last packets.

Examples:
  weir pcap --filter 'net 10.0.0.0/8 and not port 53' capture.pcapng
  weir pcap --json --filter 'domain example.com or retransmissions > 10' 'captures/*.pcap.gz'
  weir pcap --filter 'name *.example.com' -w example.pcapng capture.pcapng",
        crate::command::flows::FILTERS
    )
}

fn network(text: &str) -> Result<Network, &'static str> {
    Network::parse(text).ok_or("not an address or a network such as 192.168.0.0/16 or 2001:db8::/32")
}

/// A section, or a list of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    Section(SectionId),
    Help,
}

fn section(text: &str) -> Result<Wanted, String> {
    if text == "help" { Ok(Wanted::Help) } else { text.parse().map(Wanted::Section) }
}

/// What to read and how to write it.
#[derive(Debug, Args)]
#[command(after_long_help = after_help())]
pub struct Arguments {
    /// pcap or pcapng files, plain, gzip or zstd, also as a directory or a pattern with * and ?; `-` is standard
    /// input. Several are read together, in the order of time.
    #[arg(required_unless_present_any = ["fields", "section"], value_name = "FILE")]
    pub(super) files: Vec<PathBuf>,
    /// Print records as JSON lines.
    #[arg(long)]
    pub(super) json: bool,
    /// Write the report as a page that needs nothing else.
    #[arg(long, value_name = "FILE")]
    pub(super) html: Option<PathBuf>,
    /// Browse flows, domains, services, TCP and DNS on the screens of `weir top`.
    #[arg(long, conflicts_with_all = ["json", "html", "section", "csv", "parquet", "output", "packets", "flow",
        "write", "prometheus", "top", "asn_db"])]
    pub(super) tui: bool,
    /// Show these sections of the report alone, such as `domains,tcp`; `help` lists them.
    #[arg(long, value_name = "SECTION", value_delimiter = ',', conflicts_with_all = ["json", "html"],
        value_parser = section)]
    pub(super) section: Vec<Wanted>,
    /// Show this many rows of each table of the report [default: 10, of a page 25].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(super) top: Option<u16>,
    /// Do not use colours; so does the variable `NO_COLOR`.
    #[arg(long)]
    pub(super) no_color: bool,
    /// Name the owners of addresses from a `MaxMind` DB file, such as GeoLite2-ASN.mmdb.
    #[arg(long, value_name = "FILE")]
    pub(super) asn_db: Option<PathBuf>,
    /// Write records as CSV: one file per kind of record, such as flow.csv.
    #[arg(long, value_name = "DIR")]
    pub(super) csv: Option<PathBuf>,
    /// Write records as Apache Parquet: one file per kind of record, such as flow.parquet.
    #[arg(long, value_name = "DIR")]
    pub(super) parquet: Option<PathBuf>,
    /// Write records to an output of this kind, such as `kind=json,path=FILE`; may be given several times. `--json`,
    /// `--csv` and `--parquet` are short for it.
    #[arg(long, value_name = "kind=KIND,…", value_parser = crate::app::given)]
    pub(super) output: Vec<Given>,
    /// Write one row per packet, as CSV or Parquet by the end of the file's name.
    #[arg(long, value_name = "FILE.csv|FILE.parquet")]
    pub(super) packets: Option<PathBuf>,
    /// Print the life of the flow that has this frame, by its number as Wireshark shows it; of several files
    /// the first, else `FILE:FRAME`. From standard input the flow's first frame.
    #[arg(long, value_name = "FRAME", conflicts_with_all = ["json", "filter"])]
    pub(super) flow: Option<String>,
    /// Fields to write, such as `start,name,sent.bytes`; `sent` is all below it, `help` prints a list.
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    pub(super) fields: Vec<String>,
    /// Take only flows that pass, such as `port 443 and bytes > 1M`, and what belongs to them; see below.
    #[arg(long, value_name = "EXPRESSION")]
    pub(super) filter: Option<String>,
    /// Write the packets of flows that pass the filter as pcapng.
    #[arg(short, long, value_name = "FILE", requires = "filter")]
    pub(super) write: Option<PathBuf>,
    /// Print the metrics that a live run would have after the last packet. All packets stand
    /// under the interface `capture`; those whose direction neither the capture nor --local says count as
    /// received.
    #[arg(long, conflicts_with_all = ["json", "filter"])]
    pub(super) prometheus: bool,
    /// Look from this network, such as `192.168.0.0/16`: what its addresses send is `transmit` where the capture
    /// does not say so itself. May be given several times.
    #[arg(long, value_name = "NET", value_parser = network, requires = "prometheus")]
    pub(super) local: Vec<Network>,
    /// Read names of services and what to look for (`[services]`, `[protocols]`, `public-names`, `detection.*`) from this
    /// TOML file [default: /etc/weir/weir.toml, where it can be read].
    #[arg(long = "config.file", value_name = "FILE")]
    pub(super) config_file: Option<PathBuf>,
    /// Replace files that are there already.
    #[arg(long)]
    pub(super) force: bool,
    /// Exit with an error when a file is damaged or, of several, no capture, after what stands before.
    #[arg(long, overrides_with = "lenient")]
    pub(super) strict: bool,
    /// Report a damaged file on standard error and count what stands before the damage, which the summary calls
    /// truncated; of several files pass over those that are no captures. Exit without an error (default).
    #[arg(long)]
    pub(super) lenient: bool,
}

impl Arguments {
    /// Sections of the report; none: all.
    pub(super) fn sections(&self) -> Vec<SectionId> {
        let section = |wanted: &Wanted| match wanted {
            Wanted::Section(section) => Some(*section),
            Wanted::Help => None,
        };
        self.section.iter().filter_map(section).collect()
    }

    /// Where records go.
    pub(super) fn given(&self) -> Vec<Given> {
        let json = self.json.then_some(Path::new(STANDARD));
        let mut given = short_forms(json, self.csv.as_deref(), self.parquet.as_deref(), &self.fields, None);
        given.extend(self.output.iter().cloned());
        given
    }
}

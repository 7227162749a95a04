//! Units and processes of hosts: who sends, who receives, and with whom.

use super::model::{Board, Filter, Panel, Row, Unit};
use super::query::{directed, increase, rate, top_increase, top_rate};

const OWNERS: &str = "weir_owner_io_bytes_total";
const UNITS: &str = "weir_unit_io_bytes_total";
const PROCESSES: &str = "weir_process_io_bytes_total";
const ATTEMPTS: &str = "weir_unit_connection_attempts_total";
const DOMAINS: &str = "weir_unit_domain_io_bytes_total";
const NAMED: &str = "$host, unit!=\"\"";

pub(crate) fn board() -> Board {
    Board {
        name: "processes",
        title: "Processes and units",
        description: "Whose the traffic of a host is: units of systemd and processes, their sites, and who tries in vain.",
        filters: &[Filter::Top],
        rows: vec![whose(), units(), processes(), sites()],
    }
}

fn whose() -> Row {
    let share = |owner: &str| {
        format!(
            "(sum(rate({OWNERS}{{$host, owner=\"{owner}\"}}[$rate])) or vector(0)) / (sum(rate({OWNERS}{{$host}}[$rate])) > 0)"
        )
    };
    Row {
        title: "Owners",
        panels: vec![
            Panel::number(
                Unit::Share,
                "Owned by processes",
                "Bytes of sockets of processes, as a share of all. The rest is the kernel's, passes, or has no known owner.",
            )
            .query("owned", share("user"))
            .width(6),
            Panel::number(
                Unit::Share,
                "Owner unknown",
                "Bytes of this host whose socket was not found: `weir check` says what is missing.",
            )
            .query("unknown", share("unknown"))
            .limits(0.01, 0.1)
            .width(6),
            Panel::lines(
                Unit::BytesPerSecond,
                "Bytes by kind of owner",
                "`user`: processes; `kernel`: resets, ICMP, tunnels; `forwarded`: only passes; `unknown`: not found. All flows, each byte once.",
            )
            .query("{{owner}}", rate("owner", OWNERS, "$host"))
            .stacked(),
        ],
    }
}

fn units() -> Row {
    Row {
        title: "Units",
        panels: vec![
            Panel::lines(Unit::BytesPerSecond, "Top senders", "Bytes out, of the units with most in the time range.")
                .query("{{unit}}", top_rate("unit", UNITS, &directed(NAMED, "transmit"))),
            Panel::lines(Unit::BytesPerSecond, "Top receivers", "Bytes in, of the units with most in the time range.")
                .query("{{unit}}", top_rate("unit", UNITS, &directed(NAMED, "receive"))),
            Panel::lines(
                Unit::PerSecond,
                "Failed connections by unit",
                "Attempts that were refused, reset or not answered, of the units with most: who tries in vain.",
            )
            .query("{{unit}}", top_rate("unit", ATTEMPTS, "$host, unit!=\"\", result=\"failed\"")),
            Panel::bars(Unit::Bytes, "Bytes by unit", "Both directions, in the time range.")
                .query("{{unit}}", top_increase("unit", UNITS, NAMED)),
            Panel::table("Units", "Units with most bytes in the time range, by host.")
                .column("Bytes", Unit::Bytes, top_increase("instance, unit", UNITS, NAMED))
                .column("Sent", Unit::Bytes, kept(&increase("instance, unit", UNITS, &directed(NAMED, "transmit"))))
                .column(
                    "Connections",
                    Unit::Count,
                    kept(&increase("instance, unit", ATTEMPTS, "$host, unit!=\"\", result=\"established\"")),
                )
                .column(
                    "Failed",
                    Unit::Count,
                    kept(&increase("instance, unit", ATTEMPTS, "$host, unit!=\"\", result=\"failed\"")),
                )
                .link("instance", "overview", "instance"),
        ],
    }
}

/// Of the units in the table alone.
fn kept(by_unit: &str) -> String {
    format!("({by_unit}) and {}", top_increase("instance, unit", UNITS, NAMED))
}

fn processes() -> Row {
    let named = "$host, process!=\"\"";
    Row {
        title: "Processes",
        panels: vec![
            Panel::lines(Unit::BytesPerSecond, "Top sending processes", "Bytes out by name of the process.")
                .query("{{process}}", top_rate("process", PROCESSES, &directed(named, "transmit"))),
            Panel::lines(Unit::BytesPerSecond, "Top receiving processes", "Bytes in by name of the process.")
                .query("{{process}}", top_rate("process", PROCESSES, &directed(named, "receive"))),
        ],
    }
}

fn sites() -> Row {
    Row {
        title: "Sites",
        panels: vec![
            Panel::bars(
                Unit::Bytes,
                "Bytes by unit and domain",
                "Which service talks to which site, in the time range. Needs `owners.unit-domains = true`.",
            )
            .query(
                "{{unit}} {{domain}}",
                top_increase("unit, domain", DOMAINS, "$host, unit!=\"\", domain!=\"\""),
            )
            .width(24),
        ],
    }
}

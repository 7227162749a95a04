//! Containers and pods: who sends, who receives, and with whom.

use super::model::{Board, Filter, Panel, Row, Unit};
use super::query::{directed, increase, top_increase, top_rate};

const BYTES: &str = "weir_container_io_bytes_total";
const PACKETS: &str = "weir_container_io_packets_total";
const DOMAINS: &str = "weir_container_domain_io_bytes_total";
const NAMED: &str = "$host, name!=\"\"";
const PODS: &str = "$host, pod!=\"\"";

pub(crate) fn board() -> Board {
    Board {
        name: "containers",
        title: "Containers and pods",
        description: "Traffic of containers, pods and namespaces, and the sites that they talk to. Needs `owners.containers = true`.",
        filters: &[Filter::Top],
        rows: vec![containers(), pods(), sites()],
    }
}

fn containers() -> Row {
    Row {
        title: "Containers",
        panels: vec![
            Panel::lines(Unit::BytesPerSecond, "Top senders", "Bytes out by container, of those with most in the time range.")
                .query("{{name}}", top_rate("name", BYTES, &directed(NAMED, "transmit"))),
            Panel::lines(Unit::BytesPerSecond, "Top receivers", "Bytes in by container, of those with most in the time range.")
                .query("{{name}}", top_rate("name", BYTES, &directed(NAMED, "receive"))),
            Panel::bars(
                Unit::Bytes,
                "Bytes by image",
                "Both directions, in the time range. Images are known where a runtime is asked: `owners.runtimes`.",
            )
            .query("{{image}}", top_increase("image", BYTES, "$host, image!=\"\"")),
            Panel::lines(Unit::PacketsPerSecond, "Packets by container", "Both directions, of those with most in the time range.")
                .query("{{name}}", top_rate("name", PACKETS, NAMED)),
            Panel::table("Containers", "Containers with most bytes in the time range, by host.")
                .column("Bytes", Unit::Bytes, top_increase("instance, name, image", BYTES, NAMED))
                .column("Sent", Unit::Bytes, sent())
                .link("instance", "overview", "instance"),
        ],
    }
}

/// Of the containers in the table alone.
fn sent() -> String {
    format!(
        "({}) and {}",
        increase("instance, name, image", BYTES, &directed(NAMED, "transmit")),
        top_increase("instance, name, image", BYTES, NAMED)
    )
}

fn pods() -> Row {
    Row {
        title: "Pods",
        panels: vec![
            Panel::lines(
                Unit::BytesPerSecond,
                "Bytes by namespace",
                "Both directions, of the namespaces with most.",
            )
            .query("{{namespace}}", top_rate("namespace", BYTES, PODS)),
            Panel::lines(Unit::BytesPerSecond, "Bytes by pod", "Both directions, of the pods with most.")
                .query("{{namespace}} {{pod}}", top_rate("namespace, pod", BYTES, PODS)),
        ],
    }
}

fn sites() -> Row {
    Row {
        title: "Sites",
        panels: vec![
            Panel::bars(
                Unit::Bytes,
                "Bytes by container and domain",
                "Which container talks to which site, in the time range. Needs `owners.container-domains = true`.",
            )
            .query("{{name}} {{domain}}", top_increase("name, domain", DOMAINS, "$host, name!=\"\", domain!=\"\""))
            .width(24),
        ],
    }
}

//! Whose the traffic is: rows by unit and process.

use monitor_core::live::{Sums, Taken, Who};
use monitor_core::record::{OwnerClass, Text};
use monitor_core::totals::OTHER;
use serde::{Deserialize, Serialize};

/// Owners with a row of their own.
const ROWS: usize = 100;

/// What an owner took: each byte is of whoever sent it, or of this host's end where the other is elsewhere.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct OwnerRow {
    /// `user` (a process), `kernel`, `forwarded`, `unknown`, or `other`: all without a row.
    pub owner: String,
    /// Unit of systemd, or the path of the control group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// Name of the process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<String>,
    /// Name of the container, else its identifier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// Namespace of the pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod: Option<String>,
    /// Bytes received.
    pub received_bytes: u64,
    /// Bytes transmitted.
    pub transmitted_bytes: u64,
    /// Flows that began, of TCP, UDP and SCTP.
    pub connections: u64,
    /// Share of all bytes, 0 to 1.
    pub share: f64,
}

impl OwnerRow {
    fn of(who: &Who, taken: Taken) -> Self {
        let text = |text: &Option<Text>| text.as_ref().map(|text| text.as_str().to_owned());
        Self {
            unit: text(&who.unit),
            process: text(&who.process),
            container: text(&who.container),
            namespace: text(&who.namespace),
            pod: text(&who.pod),
            ..Self::sum(who.class.as_str(), taken)
        }
    }

    fn sum(owner: &str, taken: Taken) -> Self {
        Self {
            owner: owner.to_owned(),
            received_bytes: taken.received,
            transmitted_bytes: taken.transmitted,
            connections: taken.connections,
            ..Self::default()
        }
    }

    /// Bytes of both directions.
    pub const fn bytes(&self) -> u64 {
        self.received_bytes.wrapping_add(self.transmitted_bytes)
    }

    /// Whether it is a process of this host.
    pub fn is_user(&self) -> bool {
        self.owner == OwnerClass::User.as_str()
    }
}

/// At most 100 rows and what is left, most bytes first; their sum is that of all.
pub(super) fn rows(sums: &Sums) -> Vec<OwnerRow> {
    let owners = &sums.by_name.owners;
    let sorted = owners.sorted();
    let (shown, folded) = sorted.split_at(sorted.len().min(ROWS));
    let mut rows: Vec<OwnerRow> = shown.iter().map(|(who, taken)| OwnerRow::of(who, **taken)).collect();
    let other = Taken::sum(folded.iter().map(|(_, taken)| **taken).chain([*owners.rest()]));
    if other != Taken::default() {
        rows.push(OwnerRow::sum(OTHER, other));
    }
    let all: u64 = rows.iter().map(OwnerRow::bytes).sum();
    for row in &mut rows {
        row.share = super::read::part(row.bytes(), all);
    }
    rows
}

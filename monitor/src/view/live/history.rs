//! The last hour, as columns.

use monitor_core::record::Time;
use serde::{Deserialize, Serialize};

/// What was measured over the last hour: columns of equal length, oldest first, one value a step.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct History {
    /// Begin of the first step.
    pub start: Time,
    /// Length of a step, seconds.
    pub step_seconds: f64,
    /// Bytes received, each flow counted once.
    pub received_bytes_per_second: Vec<f64>,
    /// Bytes transmitted.
    pub transmitted_bytes_per_second: Vec<f64>,
    /// Packets received.
    pub received_packets_per_second: Vec<f64>,
    /// Packets transmitted.
    pub transmitted_packets_per_second: Vec<f64>,
    /// Active flows at the end of the step.
    pub active_flows: Vec<f64>,
    /// TCP segments sent again.
    pub retransmitted_per_second: Vec<f64>,
    /// TCP connection attempts that failed: refused, timed out or reset.
    pub failed_attempts_per_second: Vec<f64>,
    /// DNS queries.
    pub dns_queries_per_second: Vec<f64>,
    /// DNS responses with a code other than NOERROR.
    pub dns_errors_per_second: Vec<f64>,
    /// Steps that no reading divides: the first of them and how many. Each value in it is their mean.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gaps: Vec<(usize, usize)>,
}

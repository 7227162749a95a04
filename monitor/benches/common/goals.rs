//! What is to be reached.

use crate::results::Found;

/// The middle value is at most this.
pub(crate) fn at_most(mut found: Found<'_>, limit: f64) -> Found<'_> {
    found.goal = Some((format!("≤ {limit}"), found.values[1] <= limit));
    found
}

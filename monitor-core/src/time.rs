//! Units of the flow clock.

/// A second in nanoseconds.
pub(crate) const SECOND: u64 = 1_000_000_000;

//! Checks of the project that no compiler makes.

pub(crate) mod dependencies;
pub(crate) mod metrics;
pub(crate) mod purity;
pub(crate) mod rooms;
pub(crate) mod unit;
pub(crate) mod unsafe_code;
pub(crate) mod words;

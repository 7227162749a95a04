//! What only a machine of one's own can go through: its clock is set, it sleeps, its kernel is locked or of
//! another version, systemd runs it. `cargo xtask test-kernels` and `cargo xtask test-systemd` run these in virtual machines; elsewhere
//! they would do it to whoever runs them.
//!
//! An emulated machine needs seconds for what another does at once: tables are small, and little is asked.

mod clock;
mod lockdown;
mod memory;
mod steady;
mod unit;

/// Says to `cargo xtask test-kernels` that it was shown.
pub(crate) fn works(feature: &str) {
    println!("feature {feature} works");
}

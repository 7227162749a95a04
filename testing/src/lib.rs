//! What the tests of several crates and binaries share. It knows Weir only by its binary and by the names of its
//! programs: a test that needs Weir's own types keeps its helpers beside it.
#![expect(clippy::new_without_default, reason = "a namespace or a mount is nothing that comes by default")]
#![expect(
    clippy::expect_used,
    clippy::missing_panics_doc,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a helper of tests that fails is a test that fails"
)]

pub mod bpffs;
pub mod capture;
pub mod frames;
pub mod hooks;
pub mod netns;
pub mod skip;
pub mod test_run;
pub mod tmux;
pub mod traffic;
pub mod wait;
pub mod webdriver;

//! `weir version`: which build this is, for reports of faults and for whoever checks a release.

use std::fmt::Write as _;

use super::CommandError;
use crate::config::outputs::Destination;
use crate::source::ebpf;

/// Version, commit, the kernel side inside, what the build can do and the outputs that it has; a line each.
///
/// # Errors
/// When standard output cannot be written to.
pub fn print() -> Result<(), CommandError> {
    super::print(&text())
}

fn text() -> String {
    let kernel = ebpf::object_bytes();
    let kernel_side = if kernel.is_empty() {
        "none: it reads captures, and asks other instances".to_owned()
    } else {
        format!("ABI {}, sha256:{}", monitor_common::abi::VERSION, digest(kernel))
    };
    format!(
        "weir {}\ncommit: {}\nkernel side: {kernel_side}\nfeatures: {}\noutputs: {}\n",
        env!("CARGO_PKG_VERSION"),
        option_env!("WEIR_COMMIT").unwrap_or("unknown"),
        features().join(", "),
        Destination::KINDS.join(", ")
    )
}

/// SHA-256 in hexadecimal, as `sha256sum` prints it.
fn digest(bytes: &[u8]) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, bytes);
    digest.as_ref().iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// What was decided when this was built.
fn features() -> Vec<&'static str> {
    [
        (!ebpf::object_bytes().is_empty(), "live"),
        (true, "pcap"),
        (true, "parquet"),
        (cfg!(target_feature = "crt-static"), "static"),
        (cfg!(debug_assertions), "debug"),
    ]
    .into_iter()
    .filter_map(|(is_in, name)| is_in.then_some(name))
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_build_says_what_it_is_in_five_lines() {
        let text = text();
        assert_eq!(text.lines().count(), 5, "{text}");
        assert!(text.starts_with(concat!("weir ", env!("CARGO_PKG_VERSION"), "\ncommit: ")), "{text}");
        assert!(text.contains("pcap"), "{text}");
    }

    #[test]
    fn digests_are_those_of_sha256sum() {
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(digest(b""), empty);
    }
}

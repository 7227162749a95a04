//! The flags of `weir pcap`.

use std::path::PathBuf;

use clap::Args;

/// What to read and how to write it.
#[derive(Debug, Args)]
pub struct Arguments {
    /// pcap or pcapng files, plain, gzip or zstd; `-` is standard input.
    #[arg(required = true, value_name = "FILE")]
    pub(super) files: Vec<PathBuf>,
    /// Print records as JSON lines.
    #[arg(long, required = true)]
    pub(super) json: bool,
    /// Exit with an error when a file is damaged, after what stands before the damage.
    #[arg(long, overrides_with = "lenient")]
    pub(super) strict: bool,
    /// Report a damaged file and count what stands before the damage (default).
    #[arg(long)]
    pub(super) lenient: bool,
}

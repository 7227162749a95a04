//! monitor-core is pure: logic that takes `now` and bytes. Nothing in its dependency tree may reach
//! sockets, files, clocks, threads of an executor, or the kernel.

use crate::error::Error;
use crate::project::Project;

/// The crate that is checked.
const CORE: &str = "monitor-core";

/// Crates that touch the world, or exist to do so. A name also stands for `name-*` and `name_*`.
const WORLDLY: [&str; 40] = [
    // The operating system.
    "libc",
    "linux-raw-sys",
    "nix",
    "rustix",
    "windows",
    "windows-sys",
    "wasi",
    "mio",
    "polling",
    "socket2",
    "signal-hook",
    "io-uring",
    "memmap2",
    "getrandom",
    "inotify",
    "notify",
    "procfs",
    "netlink",
    "rtnetlink",
    "pcap",
    "hostname",
    "num_cpus",
    "tempfile",
    // The kernel side.
    "aya",
    "libbpf",
    // Executors and what lives on them.
    "tokio",
    "async-std",
    "async-io",
    "smol",
    "futures-executor",
    "rayon",
    "axum",
    "hyper",
    "tower",
    "reqwest",
    "ureq",
    "rustls",
    "openssl",
    // Clocks.
    "chrono",
    "quanta",
];

/// Steps on a way that do not count: who depends, and on what. What they ask for is nothing that
/// changes: cpufeatures reads once, on ARM by `getauxval`, which instructions the processor has, for the
/// cryptography of QUIC's Initials.
const HARMLESS: [(&str, &str); 1] = [("cpufeatures", "libc")];

/// Fails with the way from monitor-core to each crate that it must not have.
pub(crate) fn run(project: &Project) -> Result<(), Error> {
    let tree = project
        .cargo()
        .args(["tree", "--locked", "--quiet", "--package", CORE, "--edges", "normal", "--target", "all"])
        .args(["--all-features", "--prefix", "depth"])
        .output()?;
    let findings = worldly(&tree);
    if tree.starts_with(&format!("0{CORE} ")) && findings.is_empty() {
        return Ok(());
    }
    if findings.is_empty() {
        return Err(Error::Output { command: "cargo tree".into(), expected: "a tree of monitor-core" });
    }
    Err(Error::Check { findings, hint: "monitor-core must stay pure: move what needs it to monitor" })
}

/// Paths to worldly crates in the output of `cargo tree --prefix depth`.
fn worldly(tree: &str) -> Vec<String> {
    let mut path: Vec<&str> = Vec::new();
    let mut findings = Vec::new();
    for line in tree.lines() {
        let digits = line.len() - line.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (depth, package) = line.split_at(digits);
        let (Ok(depth), Some(name)) = (depth.parse::<usize>(), package.split_whitespace().next()) else {
            continue;
        };
        path.truncate(depth);
        path.push(name);
        let harmless = matches!(path[..], [.., by, on] if HARMLESS.contains(&(by, on)));
        if !harmless && WORLDLY.iter().any(|worldly| is_family(name, worldly)) {
            findings.push(path.join(" → "));
        }
    }
    findings
}

fn is_family(name: &str, family: &str) -> bool {
    name.strip_prefix(family).is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '_']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pure_tree_passes() {
        let tree =
            "0monitor-core v0.1.0 (/weir/monitor-core)\n1memchr v2.7.4\n1monitor-common v0.1.0 (/weir)\n";
        assert!(worldly(tree).is_empty());
    }

    #[test]
    fn names_the_whole_way_to_each_offender() {
        let tree = "0monitor-core v0.1.0 (/weir/monitor-core)\n1harmless v1.0.0\n2deeper v0.3.1\n3tokio v1.47.0\n\
                    4mio v1.0.4\n2libc v0.2.175 (*)\n1memchr v2.7.4\n1aya-obj v0.2.1\n";
        assert_eq!(
            worldly(tree),
            [
                "monitor-core → harmless → deeper → tokio",
                "monitor-core → harmless → deeper → tokio → mio",
                "monitor-core → harmless → libc",
                "monitor-core → aya-obj",
            ]
        );
    }

    #[test]
    fn a_harmless_step_passes_and_the_same_crate_elsewhere_does_not() {
        let tree =
            "0monitor-core v0.1.0\n1cpufeatures v0.3.1\n2libc v0.2.191\n1other v1.0.0\n2libc v0.2.191\n";
        assert_eq!(worldly(tree), ["monitor-core → other → libc"]);
    }

    #[test]
    fn a_name_that_only_begins_alike_passes() {
        let tree = "0monitor-core v0.1.0\n1libcrux v0.1.0\n1ayah v0.1.0\n1tokiost v0.1.0\n";
        assert!(worldly(tree).is_empty());
    }
}

//! The image in podman, on runc: with the users and rights that docs/install.md names, it counts; with fewer, it says
//! in a line what is missing.

use std::path::Path;
use std::time::Duration;

use super::one;
use crate::error::Error;
use crate::process::Program;

/// The namespace whose traffic it counts, and the container.
const NAME: &str = "weir-dist";
const IMAGE: &str = "localhost/weir";

/// How a container is started, and whether it counts then.
const CASES: [(&str, &[&str], bool); 5] = [
    ("root without new privileges", &["--user=0", "--security-opt=no-new-privileges"], true),
    ("root", &["--user=0"], true),
    ("the image's user", &[], true),
    (
        "the image's user without new privileges",
        &["--user=65530:65530", "--security-opt=no-new-privileges"],
        true,
    ),
    ("no rights", &["--user=0", "--cap-drop=all"], false),
];
/// Beside these, with what they are for in docs/install.md. podman 4.3, of Debian 12, has a filter of system calls that knows no
/// `CAP_BPF`: it refuses bpf(2) to all but `CAP_SYS_ADMIN`.
const RIGHTS: [&str; 3] =
    ["--security-opt=seccomp=unconfined", "--cap-drop=all", "--cap-add=BPF,NET_ADMIN,PERFMON"];

/// podman as it runs here too: on hosts with both kinds of control groups, and without a manager of them.
fn podman(words: &[&str]) -> Result<Program, Error> {
    Program::new("podman").args(["--runtime=runc", "--cgroup-manager=cgroupfs"]).args(words).with_root()
}

/// A namespace with a cable to another, which goes with all that is in it.
struct Cable;

impl Cable {
    fn new() -> Result<Self, Error> {
        let cable = Self;
        for words in [
            "netns add weir-dist",
            "netns add weir-dist-peer",
            "-n weir-dist link add v0 type veth peer name v1 netns weir-dist-peer",
            "-n weir-dist addr add 10.9.1.1/24 dev v0",
            "-n weir-dist link set v0 up",
            "-n weir-dist link set lo up",
            "-n weir-dist-peer addr add 10.9.1.2/24 dev v1",
            "-n weir-dist-peer link set v1 up",
        ] {
            Program::new("ip").args(words.split(' ')).with_root()?.output()?;
        }
        Ok(cable)
    }

    fn inside(words: &[&str]) -> Result<Program, Error> {
        Program::new("ip").args(["netns", "exec", NAME]).args(words).with_root()
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        for name in [NAME, "weir-dist-peer"] {
            if let Ok(program) = Program::new("ip").args(["netns", "del", name]).with_root() {
                let _ = program.probe();
            }
        }
    }
}

/// Loads the image and runs it in each way.
pub(super) fn test(directory: &Path) -> Result<(), Error> {
    let archive = one(directory, "x86_64.docker.tar")?;
    let version = env!("CARGO_PKG_VERSION");
    let image = format!("{IMAGE}:{version}");
    podman(&["load", "--quiet", "--input"])?.arg(&archive).output()?;
    let oci = format!("oci-archive:{}", one(directory, "x86_64.oci.tar")?.display());
    podman(&["pull", "--quiet", &oci])?.output()?;
    let _cable = Cable::new()?;
    let mut findings = Vec::new();
    for (name, words, counts) in CASES {
        let outcome = case(&image, words, counts);
        podman(&["rm", "--force", "--time=5", NAME])?.output()?;
        match outcome? {
            None => println!("image, {name}: ok"),
            Some(problem) => findings.push(format!("image, {name}: {problem}")),
        }
    }
    // What needs no rights starts without any.
    let words = ["run", "--rm", "--network=none", "--cap-drop=all", "--security-opt=no-new-privileges"];
    let said = podman(&words)?.args(LIMITS).args([&image, "version"]).output()?;
    if !said.contains("static") {
        findings.push(format!("image: `weir version` does not say that it is static: {said}"));
    }
    if findings.is_empty() { Ok(()) } else { Err(Error::Check { findings, hint: "xtask/src/dist/image.rs" }) }
}

/// Limits that a root without `CAP_SYS_RESOURCE`, as in a container, can give.
const LIMITS: [&str; 2] = ["--ulimit=nofile=1024:1024", "--ulimit=nproc=1000:1000"];

/// What is wrong with one way.
fn case(image: &str, words: &[&str], counts: bool) -> Result<Option<String>, Error> {
    let network = format!("--network=ns:/run/netns/{NAME}");
    let rights: &[&str] = if words.contains(&"--cap-drop=all") { &[] } else { &RIGHTS };
    podman(&["run", "--detach", "--name", NAME, &network])?
        .args(LIMITS)
        .args(rights)
        .args(words)
        .args([image, "run", "--interface=v0", "--max-flows=4096"])
        .output()?;
    let log = || -> Result<String, Error> {
        // Both of its outputs on one.
        let script = "podman logs \"$1\" 2>&1";
        Program::new("sh").args(["-c", script, "sh", NAME]).with_root()?.output()
    };
    if !counts {
        // One that counts would never end by itself.
        let ended = || {
            let state = podman(&["inspect", "--format={{.State.Running}}", NAME]);
            state.ok().and_then(|inspect| inspect.probe()).is_some_and(|running| running.trim() == "false")
        };
        if within(ended).is_err() {
            return Ok(Some("it runs without the rights that it needs".to_owned()));
        }
        let log = log()?;
        let errors: Vec<&str> = log.lines().filter(|line| line.starts_with("weir: ")).collect();
        return Ok(match errors.as_slice() {
            [line] if line.contains("missing: CAP_") => None,
            _ => Some(format!("it does not say in a line what is missing: {log}")),
        });
    }
    let metrics = || {
        Cable::inside(&["curl", "-sf", "http://127.0.0.1:10058/metrics"]).ok().and_then(|curl| curl.probe())
    };
    let packets = || {
        let text = metrics()?;
        let hooks = text.lines().filter(|line| line.starts_with("weir_hook_packets_total{"));
        Some(hooks.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum::<f64>())
    };
    if within(|| packets().is_some()).is_err() {
        return Ok(Some(format!("it does not serve: {}", log()?)));
    }
    Cable::inside(&["ping", "-q", "-c", "20", "-i", "0.01", "10.9.1.2"])?.output()?;
    if within(|| packets().is_some_and(|packets| packets >= 40.0)).is_err() {
        return Ok(Some("it does not count".to_owned()));
    }
    Ok(None)
}

/// Asks again until it is so, for a minute.
fn within(holds: impl Fn() -> bool) -> Result<(), ()> {
    for _ in 0..240 {
        if holds() {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(250));
    }
    Err(())
}

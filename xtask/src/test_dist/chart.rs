//! The chart, by helm itself: with its own values, and with each documented value changed.

use std::env;
use std::path::PathBuf;

use crate::dist::{CHART, MANIFESTS, text};
use crate::error::Error;
use crate::process::{Program, find, is_executable};
use crate::project::Project;

/// The release of helm that is built, and kept in the user's cache: it takes minutes.
const VERSION: &str = "3.22.0";
/// For which Kubernetes; a helm that `go install` builds takes itself for an old one.
const KUBERNETES: &str = "1.31.0";

/// How it went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Passed,
    Skipped(&'static str),
}

/// A value that is set, and what the manifests must then say, or must not (`!`).
const CASES: [(&str, &str); 24] = [
    ("image.repository=registry.example/weir", "image: \"registry.example/weir:0.2.0\""),
    ("image.tag=other", "image: \"weir:other\""),
    ("image.digest=sha256:0", "image: \"weir@sha256:0\""),
    ("image.pullPolicy=Always", "imagePullPolicy: Always"),
    ("imagePullSecrets[0].name=secret", "- name: secret"),
    ("settings.max-flows=4096", "max-flows = 4096"),
    ("env[0].name=WEIR_PEERS,env[0].value=yes", "- name: WEIR_PEERS"),
    ("args[0]=--promiscuous", "- \"--promiscuous\""),
    ("listen.host=127.0.0.1", "value: \"127.0.0.1:10058\""),
    ("listen.port=9000", "containerPort: 9000"),
    ("listen.tls=true", "scheme: HTTPS"),
    ("webConfigSecret=web", "secretName: web"),
    ("hostNetwork=false", "hostNetwork: false"),
    ("hostPID=false", "hostPID: false"),
    ("mounts.cgroup=false", "!/sys/fs/cgroup"),
    ("mounts.podLogs=false", "!/var/log/pods"),
    ("pin=true", "value: /sys/fs/bpf/weir"),
    ("securityContext.runAsUser=65530", "runAsUser: 65530"),
    ("resources.limits.memory=3Gi", "memory: 3Gi"),
    ("probes=false", "!livenessProbe"),
    ("serviceAccount.create=false", "serviceAccountName: default"),
    ("scrapeAnnotations=false", "!prometheus.io/scrape"),
    ("serviceMonitor.enabled=true", "honorLabels: true"),
    ("priorityClassName=system-node-critical", "priorityClassName: system-node-critical"),
];

/// Lints, renders and packs.
pub(super) fn test(project: &Project) -> Result<Outcome, Error> {
    let Some(helm) = helm()? else { return Ok(Outcome::Skipped("there is no Go to build helm with")) };
    let chart = project.root().join(CHART);
    let helm = |words: &[&str]| Program::new(&helm).args(words).arg(&chart);
    helm(&["lint", "--strict"]).output()?;
    let template = |words: &[&str]| {
        helm(&["template", "weir"]).args(["--kube-version", KUBERNETES]).args(words).output()
    };
    let mut findings = Vec::new();
    let plain = template(&[])?;
    let manifests = text(&project.root().join(MANIFESTS))?;
    if said(&plain).ne(said(&manifests)) {
        findings.push(format!("{MANIFESTS} is not what the chart makes of its values"));
    }
    for (value, wanted) in CASES {
        let rendered = template(&["--set", value])?;
        let holds = |rendered: &str| match wanted.strip_prefix('!') {
            Some(unwanted) => !rendered.contains(unwanted),
            None => rendered.contains(wanted),
        };
        // What holds without it too shows nothing.
        if !holds(&rendered) || holds(&plain) {
            findings.push(format!("--set {value} does not bring {wanted}"));
        }
    }
    let packed = project.target().join("dist-chart");
    crate::dist::empty(&packed)?;
    helm(&["package", "--destination", &packed.display().to_string()]).output()?;
    if findings.is_empty() { Ok(Outcome::Passed) } else { Err(Error::Check { findings, hint: CHART }) }
}

/// Lines that are no comments.
fn said(manifests: &str) -> impl Iterator<Item = &str> {
    manifests.lines().filter(|line| !line.starts_with('#'))
}

/// helm: the one that was built before, else built now; `None`: there is no Go.
fn helm() -> Result<Option<PathBuf>, Error> {
    let home = || Some(PathBuf::from(env::var_os("HOME")?).join(".cache"));
    let cache = env::var_os("XDG_CACHE_HOME").map(PathBuf::from).or_else(home).unwrap_or_default();
    let directory = cache.join("weir").join(format!("helm-{VERSION}"));
    let program = directory.join("helm");
    if is_executable(&program) {
        return Ok(Some(program));
    }
    if find("go").is_none() {
        return Ok(None);
    }
    eprintln!("xtask builds helm {VERSION} into {}", directory.display());
    let package = format!("helm.sh/helm/v3/cmd/helm@v{VERSION}");
    Program::new("go").args(["install", &package]).env("GOBIN", &directory).run()?;
    Ok(Some(program))
}

//! The chart, by helm itself: with its own values, and with each documented value changed; and what it makes, by the
//! schemas of Kubernetes.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use crate::dist::{CHART, MANIFESTS, text};
use crate::error::Error;
use crate::process::{Program, find, is_executable};
use crate::project::Project;
use crate::python;

/// The release of helm that is built, and kept in the user's cache: it takes minutes.
const VERSION: &str = "3.22.0";
/// For which Kubernetes; a helm that `go install` builds takes itself for an old one.
const KUBERNETES: &str = "1.31.0";
/// By whose schemas what it makes must be right: that one, and the newest that there are schemas of.
const SCHEMAS: [&str; 2] = ["1.31", "1.37"];

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
    let packed = project.target().join("dist-chart");
    crate::dist::empty(&packed)?;
    let mut schemas = Schemas::new(project, &packed)?;
    let plain = template(&[])?;
    schemas.add("chart", &plain)?;
    let manifests = text(&project.root().join(MANIFESTS))?;
    if said(&plain).ne(said(&manifests)) {
        findings.push(format!("{MANIFESTS} is not what the chart makes of its values"));
    }
    for (value, wanted) in CASES {
        let rendered = template(&["--set", value])?;
        schemas.add(value, &rendered)?;
        let holds = |rendered: &str| match wanted.strip_prefix('!') {
            Some(unwanted) => !rendered.contains(unwanted),
            None => rendered.contains(wanted),
        };
        // What holds without it too shows nothing.
        if !holds(&rendered) || holds(&plain) {
            findings.push(format!("--set {value} does not bring {wanted}"));
        }
    }
    findings.extend(schemas.complaints());
    helm(&["package", "--destination", &packed.display().to_string()]).output()?;
    if findings.is_empty() { Ok(Outcome::Passed) } else { Err(Error::Check { findings, hint: CHART }) }
}

/// The manifests that are used without helm, by the schemas.
pub(super) fn manifests(project: &Project) -> Result<(), Error> {
    let mut schemas = Schemas::new(project, &project.target().join("dist-chart"))?;
    schemas.add("manifests", &text(&project.root().join(MANIFESTS))?)?;
    let findings: Vec<String> = schemas.complaints().collect();
    if findings.is_empty() { Ok(()) } else { Err(Error::Check { findings, hint: MANIFESTS }) }
}

/// Manifests, and what reads them by the schemas of Kubernetes: fields that it does not know are refused.
struct Schemas {
    validator: PathBuf,
    directory: PathBuf,
    files: Vec<PathBuf>,
}

impl Schemas {
    fn new(project: &Project, directory: &Path) -> Result<Self, Error> {
        python::setup(project)?;
        let validator = python::program(project, "kubernetes-validate");
        let schemas = Self { validator, directory: directory.join("rendered"), files: Vec::new() };
        crate::dist::empty(&schemas.directory)?;
        // What cannot refuse shows nothing.
        let unknown = "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {prots: []}\n";
        let planted = schemas.write("planted", unknown)?;
        if schemas.validator(SCHEMAS[0]).arg(planted).probe().is_some() {
            let findings = vec!["a service with `prots` for `ports` passes".into()];
            return Err(Error::Check { findings, hint: "kubernetes-validate refuses nothing" });
        }
        Ok(schemas)
    }

    /// Takes what was made with a value.
    fn add(&mut self, name: &str, manifests: &str) -> Result<(), Error> {
        let file = self.write(name, manifests)?;
        self.files.push(file);
        Ok(())
    }

    fn write(&self, name: &str, manifests: &str) -> Result<PathBuf, Error> {
        let name = name.replace(|sign: char| !sign.is_ascii_alphanumeric(), "_");
        let path = self.directory.join(format!("{name}.yaml"));
        match fs::write(&path, manifests) {
            Ok(()) => Ok(path),
            Err(source) => Err(Error::File { operation: "write", path, source }),
        }
    }

    /// What the schemas of each version have against any; the validator itself says what.
    fn complaints(&self) -> impl Iterator<Item = String> {
        SCHEMAS.into_iter().filter_map(|version| {
            let read = self.validator(version).args(&self.files).run();
            read.err().map(|_| format!("the schemas of Kubernetes {version} refuse what stands above"))
        })
    }

    fn validator(&self, version: &str) -> Program {
        Program::new(&self.validator).args([
            "--strict",
            "--quiet",
            "--no-warn",
            "--kubernetes-version",
            version,
        ])
    }
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

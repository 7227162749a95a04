//! Servers, and what they need.

use std::{fmt::Write as _, path::Path};

use crate::{
    agent::{Running, THERE, file},
    names::wait_for_listener,
    netns::{Namespace, run},
};

/// Python with packages of `PyPI`. `cargo xtask test` makes it and sets the variable.
const PYTHON_VARIABLE: &str = "WEIR_TEST_PYTHON";

/// The interpreter.
pub(crate) fn python() -> String {
    std::env::var(PYTHON_VARIABLE).unwrap_or_else(|_| {
        panic!("{PYTHON_VARIABLE} names Python with aioquic and websockets, as xtask makes it")
    })
}

/// A script beside this file.
pub(super) fn script(name: &str) -> String {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kernel_agent/clients");
    directory.join(name).to_str().expect("a path").to_owned()
}

/// Starts a script of this directory in Python and waits until it listens.
pub(super) fn serve(ns: &Namespace, name: &str, kind: &str, port: u16, arguments: &[&str]) -> Running {
    let (interpreter, script) = (python(), script(name));
    let server = Running::start(ns.command(&interpreter, &[&[&script[..]], arguments].concat()));
    wait_for_listener(ns, kind, port);
    server
}

/// A key and a certificate of its own making.
pub(super) struct Certificate {
    pub(super) key: String,
    pub(super) certificate: String,
}

impl Certificate {
    /// One for these names.
    pub(super) fn new(directory: &tempfile::TempDir, names: &[&str]) -> Self {
        let path = |end: &str| {
            let name = format!("{}.{end}", names[0].trim_start_matches("*."));
            directory.path().join(name).to_str().expect("a path").to_owned()
        };
        let (key, certificate) = (path("key"), path("certificate"));
        let subject = format!("/CN={}", names[0]);
        let names: Vec<_> = names.iter().map(|name| format!("DNS:{name}")).collect();
        let names = format!("subjectAltName={}", names.join(","));
        let kind = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
        let rest =
            ["-days", "2", "-subj", &subject, "-addext", &names, "-keyout", &key, "-out", &certificate];
        run("openssl", &[&kind[..], &rest].concat());
        Self { key, certificate }
    }

    /// The hash of its public key by which a browser is told to trust it.
    pub(super) fn key_hash(&self) -> String {
        let script = format!(
            "openssl x509 -in {} -pubkey -noout | openssl pkey -pubin -outform der | openssl dgst -sha256 \
             -binary | base64",
            self.certificate
        );
        String::from_utf8(run("sh", &["-c", &script]).stdout).expect("UTF-8").trim().to_owned()
    }
}

/// nginx with HTTP/1.1 on port 80, HTTP/2 in clear text on 81, both over TLS on 443; `/page` has this many bytes, `/small` few.
pub(super) fn nginx(
    ns: &Namespace,
    directory: &tempfile::TempDir,
    certificate: &Certificate,
    bytes: usize,
) -> Running {
    let root = directory.path().to_str().expect("a path");
    std::fs::create_dir(directory.path().join("www")).expect("a directory");
    file(directory, "www/page", &"p".repeat(bytes));
    file(directory, "www/small", "small");
    file(directory, "www/index.html", "<!doctype html><title>served by nginx</title>");
    let mut temporary = String::new();
    for kind in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"] {
        let _ = writeln!(temporary, "{kind}_temp_path {root}/{kind};");
    }
    let Certificate { key, certificate } = certificate;
    let configuration = format!(
        "daemon off; master_process off; pid {root}/nginx.pid; error_log stderr warn;
        events {{}}
        http {{
            access_log off; {temporary}
            ssl_certificate {certificate}; ssl_certificate_key {key}; ssl_protocols TLSv1.2 TLSv1.3;
            root {root}/www;
            server {{ listen {THERE}:80; listen {THERE}:443 ssl http2; }}
            server {{ listen {THERE}:81 http2; }}
        }}"
    );
    let configuration = file(directory, "nginx.conf", &configuration);
    let configuration = configuration.to_str().expect("a path");
    let server = Running::start(ns.command("nginx", &["-e", "stderr", "-p", root, "-c", configuration]));
    wait_for_listener(ns, "t", 443);
    server
}

//! What outputs to other hosts show and whom they trust, when its files are root's alone and Weir is root's no more.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use nix::sys::signal::Signal;

use crate::{
    agent::{Agent, Running, THERE, cable},
    netns::{Namespace, wait_for},
    traffic,
};

const PORT: u16 = 4222;

/// A nats-server with a certificate and a password; it has no stream that takes records.
struct Broker<'a> {
    ns: &'a Namespace,
    directory: &'a Path,
}

impl Broker<'_> {
    fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Another file takes the name, which only root may read.
    fn replace(&self, name: &str, text: &str) {
        let new = self.path("new");
        fs::write(&new, text).expect("a file");
        fs::set_permissions(&new, fs::Permissions::from_mode(0o600)).expect("permissions");
        fs::rename(&new, self.path(name)).expect("renamed");
    }

    /// A certificate that vouches for itself, for the server; what clients are to trust.
    fn certificate(&self) -> String {
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate");
        self.replace("cert.pem", &made.cert.pem());
        self.replace("key.pem", &made.signing_key.serialize_pem());
        made.cert.pem()
    }

    fn start(&self, password: &str) -> Running {
        let [cert, key, store] =
            ["cert.pem", "key.pem", "store"].map(|name| self.path(name).display().to_string());
        let config = format!(
            "listen: \"127.0.0.1:{PORT}\"\njetstream {{ store_dir: {store:?} }}\n\
             tls {{ cert_file: {cert:?}\n key_file: {key:?} }}\nauthorization {{ user: ann, password: {password:?} }}\n"
        );
        self.replace("nats.conf", &config);
        let config = self.path("nats.conf");
        let server =
            Running::start(self.ns.command("nats-server", &["-c", config.to_str().expect("a path")]));
        server.wait_for_log(&["Server is ready"]);
        server
    }
}

#[test]
fn what_an_output_shows_and_whom_it_trusts_is_read_again_after_root_was_given_up() {
    if !Path::new("/usr/sbin/nats-server").exists() {
        testing::skip::skip("nats-server", "it is not installed; `cargo xtask setup` does it");
        return;
    }
    let (here, there) = cable();
    let directory = tempfile::tempdir().expect("a directory");
    let broker = Broker { ns: &here, directory: directory.path() };
    let path = |name: &str| broker.path(name).display().to_string();
    broker.replace("trusted.pem", &broker.certificate());
    broker.replace("password", "one\n");
    let server = broker.start("one");
    let config = format!(
        "drain-interval = \"100ms\"\ntimeout.active = \"1s\"\n[outputs.away]\nkind = \"nats\"\n\
         to = [\"127.0.0.1:{PORT}\"]\nspool = \"{}\"\nuser = \"ann\"\npassword-file = \"{}\"\ntls-ca = \"{}\"\n",
        path("spool"),
        path("password"),
        path("trusted.pem"),
    );
    broker.replace("weir.toml", &config);
    let flag = format!("--config.file={}", path("weir.toml"));
    let agent = Agent::start_with_file(&here, &["--interface=eth0", &flag]);
    let faults = |fault: &str| agent.page().sum("weir_output_faults_total", &[("fault", fault)]);
    // Who is let in hears that no stream takes what it has.
    let wait_for_more = |fault: &str| {
        let before = faults(fault);
        wait_for(&format!("another fault `{fault}`"), || {
            traffic::udp(&here, &there, THERE, 1, 50);
            (faults(fault) > before).then_some(())
        });
    };
    wait_for_more("unready");
    assert_eq!((faults("tls"), faults("login")), (0.0, 0.0));
    for task in fs::read_dir(format!("/proc/{}/task", agent.process.id())).expect("threads") {
        let status = fs::read_to_string(task.expect("a thread").path().join("status")).expect("its status");
        assert!(!status.contains("\nUid:\t0\t"), "a thread is still root's: {status}");
    }
    // Another certificate: it is refused until what is trusted is read again.
    drop(server);
    let trusted = broker.certificate();
    let server = broker.start("one");
    wait_for_more("tls");
    broker.replace("trusted.pem", &trusted);
    agent.process.signal(Signal::SIGHUP);
    wait_for_more("unready");
    // Another password, the same way.
    drop(server);
    let _server = broker.start("two");
    wait_for_more("login");
    broker.replace("password", "two\n");
    agent.process.signal(Signal::SIGHUP);
    wait_for_more("unready");
}

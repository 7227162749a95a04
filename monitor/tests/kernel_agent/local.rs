//! Sockets of the file system, by which users of this host ask.

use std::{
    io::{Read as _, Write as _},
    os::unix::{
        fs::{MetadataExt as _, PermissionsExt as _},
        net::UnixStream,
    },
    path::Path,
};

use nix::sys::signal::Signal;

use crate::{
    agent::{Agent, Running, cable, get, weir, without_settings},
    netns::{Namespace, wait_for},
    web::checked,
};

/// The first line of the answer to a request at a socket; `None`: nobody listens.
fn ask(path: &Path) -> Option<String> {
    let mut stream = UnixStream::connect(path).ok()?;
    stream.write_all(b"GET /-/healthy HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    answer.lines().next().map(str::to_owned)
}

fn agent<'n>(ns: &'n Namespace, flag: &str) -> Agent<'n> {
    Agent::start(ns, &["--interface=eth0", "--max-flows=64", flag])
}

#[test]
fn a_socket_goes_with_its_instance_and_one_that_was_killed_is_followed() {
    let (here, _there) = cable();
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("run/weir.sock");
    let flag = format!("--web.listen-address=127.0.0.1:10058,unix:{}", path.display());
    let first = agent(&here, &flag);
    assert_eq!(ask(&path).as_deref(), Some("HTTP/1.1 200 OK"));
    assert_eq!(path.metadata().expect("a socket").mode() & 0o777, 0o660);
    first.stop(Signal::SIGTERM);
    assert!(!path.exists(), "it went with its instance, which was not root any more");
    let second = agent(&here, &flag);
    second.kill();
    assert!(path.exists() && ask(&path).is_none());
    let third = agent(&here, &flag);
    assert!(ask(&path).is_some());
    // Another that cannot start leaves it alone.
    let mut other = Running::start(weir(&here, &["run", "--interface=lo", &flag.replace("10058", "0")]));
    assert_eq!(other.end().code(), Some(1), "{}", other.stderr());
    assert!(ask(&path).is_some());
    third.stop(Signal::SIGTERM);
    // And one that finds its interface taken does not leave its own.
    let counts = Agent::start(&here, &["--interface=eth0", "--max-flows=64"]);
    let flag = format!("--web.listen-address=unix:{}", path.display());
    let mut refused = Running::start(weir(&here, &["run", "--interface=eth0", &flag]));
    assert_eq!(refused.end().code(), Some(1));
    assert!(refused.stderr().contains("another instance counts it"), "{}", refused.stderr());
    assert!(!path.exists());
    counts.stop(Signal::SIGTERM);
}

#[test]
fn check_looks_at_a_socket_as_run_does_and_makes_nothing() {
    let (here, _there) = cable();
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("run/weir.sock");
    let address = format!("unix:{}", path.display());
    let name = format!("address {address}");
    let flag = format!("--web.listen-address={address}");
    let arguments = ["--interface=eth0", &flag];
    let (well, outcome, detail) = checked(&here, &arguments, &name);
    assert_eq!((well, outcome.as_str(), detail.as_str()), (true, "ok", "free"));
    assert!(!directory.path().join("run").exists());
    let refused = |what: &str| {
        let (well, outcome, detail) = checked(&here, &arguments, &name);
        assert_eq!((well, outcome.as_str()), (false, "missing"), "{detail}");
        assert!(detail.contains(what), "{detail}");
        let mut run = Running::start(weir(&here, &[&["run"], &arguments[..]].concat()));
        assert_eq!(run.end().code(), Some(1), "{detail}");
        assert_eq!(run.stderr(), format!("weir: {detail}\n"));
    };
    std::fs::create_dir(directory.path().join("run")).expect("a directory");
    let mode = |mode| {
        let permissions = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(directory.path().join("run"), permissions).expect("a mode");
    };
    mode(0o777);
    refused("others may write to");
    mode(0o750);
    std::fs::write(&path, "precious").expect("a file");
    refused("no socket");
    std::fs::remove_file(&path).expect("removed");
    let instance = agent(&here, &format!("--web.listen-address=127.0.0.1:10058,{address}"));
    refused("another process listens there");
    instance.stop(Signal::SIGTERM);
}

#[test]
fn a_unix_socket_of_systemd_is_served_on_and_left_to_it() {
    let (here, _there) = cable();
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("weir.sock");
    let command = [
        "-l",
        path.to_str().expect("a path"),
        env!("CARGO_BIN_EXE_weir"),
        "run",
        "--interface=eth0",
        "--max-flows=64",
        "--drain-interval=100ms",
    ];
    let mut agent = Running::start(without_settings(here.command("systemd-socket-activate", &command)));
    wait_for("the socket", || agent.stderr().contains("Listening").then_some(()));
    // The first connection starts it, and is answered; it may not have read the flows yet.
    assert!(ask(&path).is_some_and(|line| line.starts_with("HTTP/1.1 ")));
    assert!(here.enter(|| get(crate::agent::ADDRESS, "/-/healthy", "")).is_none(), "nobody listens there");
    agent.signal(Signal::SIGTERM);
    assert!(agent.end().success(), "{}", agent.stderr());
    assert!(path.exists(), "who made it removes it");
}

//! What cannot be: one line that says what and what to do, and nothing stays attached.

use std::{net::TcpListener, os::unix::fs::PermissionsExt as _, process::Command};

use crate::{
    agent::{ADDRESS, Running, cable, file, weir, without_settings},
    foreign::{Foreign, Hook, Place, XDP_PASS},
    hooks::programs,
    netns::Namespace,
};

/// Runs a command that must refuse: its one line.
pub(crate) fn refused(ns: &Namespace, command: Command) -> String {
    let mut process = Running::start(command);
    let status = process.end();
    let said = process.stderr();
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(said.starts_with("weir: ") && said.ends_with('\n'), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    assert_eq!(programs(ns, "eth0"), Vec::<String>::new());
    said
}

pub(crate) fn assert_says(said: &str, parts: &[&str]) {
    for part in parts {
        assert!(said.contains(part), "{part} in {said}");
    }
}

#[test]
fn an_unknown_interface() {
    let (here, _there) = cable();
    // Also when another one is there: nothing is attached to that.
    let said = refused(&here, weir(&here, &["run", "--interface=eth0,nosuch0"]));
    assert_says(&said, &["nosuch0: no such interface", "eth0"]);
}

#[test]
fn no_interface_that_could_be_meant() {
    let here = Namespace::new();
    let mut process = Running::start(weir(&here, &["run"]));
    assert_eq!(process.end().code(), Some(1));
    let said = process.stderr();
    assert_eq!(said.lines().count(), 1, "{said}");
    assert_says(&said, &["--interface", "lo"]);
}

#[test]
fn a_taken_xdp_hook() {
    let (here, _there) = cable();
    let _holder = Foreign::attach(&here, "eth0", Hook::Xdp, Place::First, XDP_PASS);
    let before = programs(&here, "eth0");
    // On `spare` it would succeed: what is attached there leaves again.
    here.ip("link add spare type veth peer name spare-peer");
    for interfaces in ["--interface=eth0", "--interface=spare,eth0", "--interface=eth0,spare"] {
        let mut process = Running::start(weir(&here, &["run", interfaces, "--ingress=xdp"]));
        assert_eq!(process.end().code(), Some(1));
        let said = process.stderr();
        let errors: Vec<&str> = said.lines().filter(|l| l.starts_with("weir: ")).collect();
        assert_eq!(errors.len(), 1, "{said}");
        assert_says(errors[0], &["eth0", "XDP hook is taken", "--ingress tc"]);
        assert_eq!(programs(&here, "eth0"), before);
        assert_eq!(programs(&here, "spare"), Vec::<String>::new());
    }
}

#[test]
fn no_rights() {
    let (here, _there) = cable();
    let directory = tempfile::tempdir().expect("a directory");
    let binary = directory.path().join("weir");
    std::fs::copy(env!("CARGO_BIN_EXE_weir"), &binary).expect("a copy that everybody may run");
    for path in [directory.path(), &binary] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).expect("permissions");
    }
    let binary = binary.to_str().expect("a path");
    for rights in [
        // nobody, and root without the one or the other capability.
        &["--reuid=65534", "--regid=65534", "--clear-groups"][..],
        &["--bounding-set=-all"],
        &["--bounding-set=-all,+net_admin"],
        &["--bounding-set=-all,+bpf"],
    ] {
        let command = [rights, &[binary, "run", "--interface=eth0"]].concat();
        let said = refused(&here, without_settings(here.command("setpriv", &command)));
        assert_says(&said, &["not permitted", "root", "CAP_BPF", "CAP_NET_ADMIN"]);
    }
}

#[test]
fn a_port_in_use() {
    let (here, _there) = cable();
    let _taken = here.enter(|| TcpListener::bind(ADDRESS)).expect("listen");
    let said = refused(&here, weir(&here, &["run", "--interface=eth0"]));
    assert_says(&said, &[ADDRESS, "another process listens there", "--web.listen-address"]);
}

#[test]
fn a_bad_configuration() {
    let (here, _there) = cable();
    let directory = tempfile::tempdir().expect("a directory");
    for (content, parts) in [
        ("max-flow = 100\n", &["weir.toml:1", "max-flow", "did you mean \"max-flows\""][..]),
        ("[timeout]\ntpc = \"1s\"\n", &["weir.toml:2", "timeout.tpc", "did you mean \"timeout.tcp\""]),
        ("max-flows = \"many\"\n", &["weir.toml:1", "max-flows"]),
        ("max-flows = 100000000\n", &["weir.toml:1", "max-flows"]),
        ("max-flows = \n", &["weir.toml:1", "TOML"]),
    ] {
        let path = file(&directory, "weir.toml", content);
        let flag = format!("--config.file={}", path.display());
        let said = refused(&here, weir(&here, &["run", "--interface=eth0", &flag]));
        assert_says(&said, parts);
    }
}

#[test]
fn a_bad_web_configuration() {
    let (here, _there) = cable();
    let directory = tempfile::tempdir().expect("a directory");
    for (content, parts) in [
        ("basic_auth_users: { ann: plain }\n", &["web.yml", "ann", "bcrypt"][..]),
        ("tls_server_config: { cert_file: nothing.pem, key_file: nothing.key }\n", &["nothing"]),
        (
            "tls_server_confg: {}\n",
            &["web.yml: not a web config: line 1, column 1: unknown key", "tls_server_config"],
        ),
        ("{\n", &["web.yml"]),
    ] {
        let path = file(&directory, "web.yml", content);
        let flag = format!("--web.config.file={}", path.display());
        let said = refused(&here, weir(&here, &["run", "--interface=eth0", &flag]));
        assert_says(&said, parts);
    }
}

#[test]
fn too_few_file_descriptors() {
    let (here, _there) = cable();
    let mut enough = None;
    for limit in (8..80).step_by(6) {
        let script = format!("ulimit -n {limit}; exec \"$0\" run --interface=eth0 --max-flows=64");
        let command = without_settings(here.command("sh", &["-c", &script, env!("CARGO_BIN_EXE_weir")]));
        let mut process = Running::start(command);
        let ended = crate::netns::wait_for("an end or a beginning", || {
            process.ended().map(Some).or_else(|| process.stdout().contains("Counting on").then_some(None))
        });
        let Some(status) = ended else {
            enough = Some(limit);
            break;
        };
        let said = process.stderr();
        assert_eq!(status.code(), Some(1), "{limit}: {said}");
        let errors: Vec<&str> = said.lines().filter(|l| l.starts_with("weir: ")).collect();
        assert_eq!(errors.len(), 1, "{limit}: {said}");
        assert_says(errors[0], &["ulimit"]);
        assert_eq!(programs(&here, "eth0"), Vec::<String>::new(), "{limit}");
    }
    assert!(enough.is_some_and(|limit| limit > 8), "{enough:?}");
}

#[test]
fn too_little_memory_for_the_table() {
    let (here, _there) = cable();
    let script = "ulimit -v 700000; exec \"$0\" run --interface=eth0 --max-flows=2097152";
    let said =
        refused(&here, without_settings(here.command("sh", &["-c", script, env!("CARGO_BIN_EXE_weir")])));
    assert_says(&said, &["memory", "--max-flows"]);
}

#[test]
fn a_user_namespace_and_a_host_without_sys_are_called_so() {
    let (here, _there) = cable();
    let unshared = |arguments: &[&str], script: &str| {
        let binary = env!("CARGO_BIN_EXE_weir");
        without_settings(here.command("unshare", &[arguments, &["sh", "-c", script, binary]].concat()))
    };
    let run = r#"exec "$0" run --interface=lo --max-flows=64"#;
    let said = refused(&here, unshared(&["--user", "--map-root-user", "--net"], run));
    assert_says(&said, &["not permitted", "user namespace"]);
    let bare = format!("umount --lazy /sys && {run}");
    let said = refused(&here, unshared(&["--mount"], &bare));
    assert_says(&said, &["/sys/devices/system/cpu/possible", "mount /sys"]);
}

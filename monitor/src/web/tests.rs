//! The server over real sockets.

mod live;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use monitor_core::engine::{Engine, EngineConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::*;
use crate::client::{ClientError, Instance};
use crate::config::value::Scalar;
use crate::view::prometheus::Own;

struct Running {
    address: SocketAddr,
    state: Arc<State>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

fn start(config_file: Option<&Path>) -> Running {
    let state = Arc::new(State::new(Engine::new(EngineConfig::default(), 0), Own::new().unwrap()));
    let path = UrlPath::read("/metrics").unwrap();
    let web = Web::new(Arc::clone(&state), path, config_file.map(Path::to_owned)).unwrap();
    let server = Server::bind(web, &[ListenAddress::read("127.0.0.1:0").unwrap()]).unwrap();
    let address = server.addresses()[0];
    let (stop, stopped) = watch::channel(false);
    Running { address, state, stop, task: tokio::spawn(server.run(stopped)) }
}

impl Running {
    /// Sends bytes as they are; returns the answer up to the end of the connection.
    async fn raw(&self, request: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request).await.unwrap();
        let mut answer = Vec::new();
        timeout(Duration::from_secs(20), stream.read_to_end(&mut answer)).await.unwrap().unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }

    async fn get(&self, path: &str, headers: &str) -> String {
        self.raw(
            format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{headers}\r\n")
                .as_bytes(),
        )
        .await
    }
}

#[test]
fn the_docs_list_every_path_that_is_served_and_no_other() {
    let docs = include_str!("../../../docs/api.md");
    let listed: BTreeSet<&str> =
        docs.split("`GET ").skip(1).filter_map(|rest| rest.split(['`', '?']).next()).collect();
    let served: BTreeSet<&str> =
        Web::routes().into_iter().map(|(path, _)| path).chain(["/metrics"]).collect();
    assert_eq!(listed, served);
}

#[tokio::test]
async fn the_page_comes_in_the_format_that_was_asked_for() {
    let server = start(None);
    let text = server.get("/metrics", "").await;
    assert!(text.starts_with("HTTP/1.1 200"), "{text}");
    assert!(text.contains("content-type: text/plain; version=0.0.4"), "{text}");
    assert!(text.contains("# TYPE weir_flows_started_total counter\n"));
    let open = server.get("/metrics", "accept: application/openmetrics-text; version=1.0.0\r\n").await;
    assert!(open.contains("content-type: application/openmetrics-text; version=1.0.0"), "{open}");
    assert!(open.contains("# TYPE weir_flows_started counter\n") && open.ends_with("# EOF\n"));
}

#[tokio::test]
async fn who_reaches_many_is_told_with_the_thresholds() {
    let server = start(None);
    let answer = server.get("/api/v1/fanout", "").await;
    assert!(answer.contains("content-type: application/json"), "{answer}");
    let expected = r#"{"window_seconds":60.0,"hosts":256,"ports":128,"sources":[]}"#;
    assert!(answer.contains(expected), "{answer}");
}

#[tokio::test]
async fn gzip_holds_the_same_page() {
    use std::io::Read;
    let server = start(None);
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let request =
        "GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\naccept-encoding: gzip\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let at = answer.windows(4).position(|w| w == b"\r\n\r\n").unwrap() + 4;
    assert!(String::from_utf8_lossy(&answer[..at]).contains("content-encoding: gzip"));
    let mut page = String::new();
    flate2::read::GzDecoder::new(&answer[at..]).read_to_string(&mut page).unwrap();
    assert!(page.contains("weir_build_info{version="));
}

#[tokio::test]
async fn ready_only_after_the_first_drain() {
    let server = start(None);
    assert!(server.get("/-/healthy", "").await.starts_with("HTTP/1.1 200"));
    assert!(server.get("/-/ready", "").await.starts_with("HTTP/1.1 503"));
    server.state.set_ready();
    assert!(server.get("/-/ready", "").await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn every_answer_forbids_guessing_its_type() {
    let server = start(None);
    for path in ["/", "/metrics", "/api/v1/flows", "/nothing"] {
        assert!(server.get(path, "").await.contains("x-content-type-options: nosniff"), "{path}");
    }
    assert!(server.get("/", "").await.contains("content-security-policy: default-src 'none'"));
}

#[tokio::test]
async fn no_answer_is_kept_framed_or_lent_to_other_sites() {
    let server = start(None);
    for path in ["/", "/metrics", "/api/v1/flows", "/api/v1/flows?sort=x", "/nothing"] {
        let answer = server.get(path, "").await;
        for header in [
            "x-content-type-options: nosniff",
            "content-security-policy: default-src 'none'",
            "frame-ancestors 'none'",
            "x-frame-options: DENY",
            "referrer-policy: no-referrer",
            "cross-origin-resource-policy: same-origin",
            "cross-origin-opener-policy: same-origin",
        ] {
            assert!(answer.contains(header), "{path} lacks {header}: {answer}");
        }
        assert!(!answer.contains("access-control-allow-origin"), "{answer}");
        // The page itself may be asked for again by its tag; what it shows is kept nowhere.
        let kept = if path == "/" { "cache-control: no-cache" } else { "cache-control: no-store" };
        assert!(answer.contains(kept), "{path}: {answer}");
    }
}

#[tokio::test]
async fn a_web_site_that_took_the_address_reads_nothing() {
    let server = start(None);
    let ask = |host: &str| format!("GET /metrics HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
    for host in ["attacker.example", "attacker.example:10058", "localhost.attacker.example", ""] {
        let answer = server.raw(ask(host).as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 421") && !answer.contains("weir_"), "{host}: {answer}");
    }
    for host in ["localhost", "127.0.0.1:10058", "[::1]:1", &Web::host_name()] {
        assert!(server.raw(ask(host).as_bytes()).await.starts_with("HTTP/1.1 200"), "{host}");
    }
    let twice = "GET / HTTP/1.1\r\nhost: localhost\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    assert!(server.raw(twice.as_bytes()).await.starts_with("HTTP/1.1 421"));
    assert!(server.raw(b"GET /-/healthy HTTP/1.0\r\n\r\n").await.starts_with("HTTP/1.0 200"), "no browser");
}

#[tokio::test]
async fn names_that_are_set_are_answered() {
    let state = Arc::new(State::new(Engine::new(EngineConfig::default(), 0), Own::new().unwrap()));
    let web = Web::new(state, UrlPath::read("/metrics").unwrap(), None).unwrap();
    let web = web.with_hosts(vec!["weir.example.org".to_owned()]);
    let server = Server::bind(web, &[ListenAddress::read("127.0.0.1:0").unwrap()]).unwrap();
    let url = format!("http://{}", server.addresses()[0]);
    let (_stop, stopped) = watch::channel(false);
    tokio::spawn(server.run(stopped));
    let mut stream = TcpStream::connect(url.trim_start_matches("http://")).await.unwrap();
    stream
        .write_all(b"GET /-/healthy HTTP/1.1\r\nhost: weir.example.org\r\nconnection: close\r\n\r\n")
        .await
        .unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
}

#[tokio::test]
async fn flows_are_json_and_bad_questions_are_answered() {
    let server = start(None);
    let flows = Instance::new(&format!("http://{}", server.address), None).unwrap();
    assert_eq!(
        &flows.get("/api/v1/flows?limit=5&sort=bytes&filter=port%20443%20and%20bytes%3E1M").await.unwrap()[..],
        b"{\"matched\":0,\"flows\":[]}"
    );
    for question in ["sort=size", "limit=-1", "nope=1", "filter=port%20%3E%3E"] {
        let error = flows.get(&format!("/api/v1/flows?{question}")).await.unwrap_err();
        assert!(
            matches!(&error, ClientError::Refused { status: StatusCode::BAD_REQUEST, reason, .. } if !reason.is_empty()),
            "{error}"
        );
    }
}

#[tokio::test]
async fn bodies_and_long_headers_are_refused() {
    let server = start(None);
    let body =
        server.raw(b"GET /metrics HTTP/1.1\r\nhost: localhost\r\ncontent-length: 5\r\n\r\nhello").await;
    assert!(body.starts_with("HTTP/1.1 413"), "{body}");
    let chunked =
        server.raw(b"POST / HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n").await;
    assert!(chunked.starts_with("HTTP/1.1 413"), "{chunked}");
    let long = format!("GET / HTTP/1.1\r\nhost: localhost\r\nx: {}\r\n\r\n", "a".repeat(64 * 1024));
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    // The server may close before all is sent.
    drop(stream.write_all(long.as_bytes()).await);
    let mut answer = Vec::new();
    drop(stream.read_to_end(&mut answer).await);
    assert!(!String::from_utf8_lossy(&answer).starts_with("HTTP/1.1 200"));
    let many = format!("GET / HTTP/1.1\r\nhost: localhost\r\n{}\r\n", "a: b\r\n".repeat(100));
    assert!(server.raw(many.as_bytes()).await.starts_with("HTTP/1.1 431"));
}

fn count(server: &Running, event: &str) -> u64 {
    server.state.events.counts().find(|(name, _)| *name == event).map_or(0, |(_, n)| n)
}

#[tokio::test]
async fn connections_that_say_nothing_give_way_to_who_asks() {
    let server = start(None);
    let mut idle = Vec::new();
    for _ in 0..300 {
        idle.push(TcpStream::connect(server.address).await.unwrap());
    }
    timeout(Duration::from_secs(10), async {
        while count(&server, "connection_displaced") < 44 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
    // Those that came first were closed.
    for stream in &mut idle[..44] {
        let end = timeout(Duration::from_secs(10), stream.read(&mut [0; 1])).await.unwrap();
        assert!(!matches!(end, Ok(1..)), "{end:?}");
    }
    // All others are still there, and in nobody's way.
    for _ in 0..3 {
        assert!(server.get("/metrics", "").await.starts_with("HTTP/1.1 200"));
    }
    assert_eq!(count(&server, "connection_refused"), 0);
    let last = idle.last_mut().unwrap();
    last.write_all(b"GET /-/healthy HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    last.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test]
async fn connections_beyond_those_at_work_are_refused_and_counted() {
    let server = start(None);
    // Pages wait as long as this is held.
    let (hold, held) = std::sync::mpsc::channel::<()>();
    let (locked, is_locked) = tokio::sync::oneshot::channel();
    let state = Arc::clone(&server.state);
    let holder = tokio::task::spawn_blocking(move || {
        let _engine = state.engine();
        locked.send(()).unwrap();
        let _ = held.recv();
    });
    is_locked.await.unwrap();
    let mut working = Vec::new();
    for _ in 0..256 {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        let request = b"GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
        stream.write_all(request).await.unwrap();
        working.push(stream);
    }
    timeout(Duration::from_secs(10), async {
        // Until all requests are read somebody waits, and gives way.
        while count(&server, "connection_refused") == 0 {
            drop(TcpStream::connect(server.address).await.unwrap());
        }
    })
    .await
    .unwrap();
    drop(hold);
    holder.await.unwrap();
    let mut answered = 0;
    for mut stream in working {
        let mut answer = Vec::new();
        drop(timeout(Duration::from_secs(20), stream.read_to_end(&mut answer)).await.unwrap());
        answered += usize::from(answer.starts_with(b"HTTP/1.1 200"));
    }
    assert!(answered > 200, "{answered}");
    assert!(server.get("/-/healthy", "").await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn stopping_ends_idle_connections() {
    let server = start(None);
    let mut idle = TcpStream::connect(server.address).await.unwrap();
    idle.write_all(b"GET /-/healthy HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    let mut first = [0; 16];
    idle.read_exact(&mut first).await.unwrap();
    server.stop.send(true).unwrap();
    timeout(Duration::from_secs(10), server.task).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_taken_port_is_named() {
    let server = start(None);
    let state = Arc::clone(&server.state);
    let web = Web::new(state, UrlPath::read("/metrics").unwrap(), None).unwrap();
    let error = Server::bind(web, &[ListenAddress(server.address)]).unwrap_err();
    let expected =
        format!("{}: another process listens there; give another with --web.listen-address", server.address);
    assert_eq!(error.to_string(), expected);
}

fn directory(name: &str) -> PathBuf {
    let directory = std::env::temp_dir().join(format!("weir-web-{}-{name}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    directory
}

#[tokio::test]
async fn passwords_guard_every_path_and_change_with_the_file() {
    let directory = directory("passwords");
    let file = directory.join("web.yml");
    let user = |password: &str| {
        let hash = bcrypt::hash(password, 4).unwrap();
        format!(
            "basic_auth_users:\n  ann: {hash}\nhttp_server_config:\n  headers:\n    X-Frame-Options: deny\n"
        )
    };
    std::fs::write(&file, user("one")).unwrap();
    let server = start(Some(&file));
    let basic = |password: &str| {
        let encoded = base64::prelude::BASE64_STANDARD.encode(format!("ann:{password}"));
        format!("authorization: Basic {encoded}\r\n")
    };
    for path in ["/", "/metrics", "/-/healthy", "/api/v1/flows", "/api/v1/live"] {
        let answer = server.get(path, "").await;
        assert!(answer.starts_with("HTTP/1.1 401"), "{path}: {answer}");
        assert!(answer.contains("www-authenticate: Basic"));
        let answer = server.get(path, &basic("one")).await;
        assert!(
            answer.starts_with("HTTP/1.1 200") && answer.contains("x-frame-options: deny"),
            "{path}: {answer}"
        );
    }
    std::fs::write(&file, user("another")).unwrap();
    assert!(server.get("/", &basic("one")).await.starts_with("HTTP/1.1 401"));
    assert!(server.get("/", &basic("another")).await.starts_with("HTTP/1.1 200"));
    // A file that is broken later changes nothing.
    std::fs::write(&file, "basic_auth_users: [").unwrap();
    assert!(server.get("/", "").await.starts_with("HTTP/1.1 401"));
    assert!(server.get("/", &basic("another")).await.starts_with("HTTP/1.1 200"));
    std::fs::remove_dir_all(&directory).unwrap();
}

/// A certificate and a web config with TLS and a password for ann.
fn guarded(directory: &Path, password: &str) -> String {
    let pair = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    std::fs::write(directory.join("cert.pem"), pair.cert.pem()).unwrap();
    std::fs::write(directory.join("key.pem"), pair.signing_key.serialize_pem()).unwrap();
    let hash = bcrypt::hash(password, 4).unwrap();
    format!(
        "tls_server_config:\n  cert_file: cert.pem\n  key_file: key.pem\nbasic_auth_users:\n  ann: {hash}\n"
    )
}

#[tokio::test]
async fn what_protects_holds_while_the_file_is_empty_or_half_written() {
    let directory = directory("half");
    let file = directory.join("web.yml");
    let whole = guarded(&directory, "one");
    std::fs::write(&file, &whole).unwrap();
    let server = start(Some(&file));
    let url = |password: &str| format!("https://ann:{password}@{}", server.address);
    let healthy = async |url: String| {
        Instance::new(&url, Some(directory.join("cert.pem"))).unwrap().get("/-/healthy").await
    };
    std::fs::write(&file, "").unwrap();
    for _ in 0..3 {
        assert!(
            server.raw(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await.starts_with('\u{15}'),
            "an alert"
        );
        let error = healthy(format!("https://{}", server.address)).await.unwrap_err();
        assert!(matches!(error, ClientError::Refused { status: StatusCode::UNAUTHORIZED, .. }), "{error}");
        assert!(healthy(url("one")).await.is_ok());
    }
    assert_eq!(count(&server, "web_config_failed"), 1, "once, not at each request");
    // A whole one comes into force again, without a restart.
    std::fs::write(&file, whole.replace(&hash_of(&whole), &bcrypt::hash("another", 4).unwrap()) + "# new\n")
        .unwrap();
    assert!(healthy(url("one")).await.is_err());
    assert!(healthy(url("another")).await.is_ok());
    std::fs::remove_dir_all(&directory).unwrap();
}

fn hash_of(web_config: &str) -> String {
    web_config.rsplit(' ').next().unwrap().trim().to_owned()
}

#[test]
fn no_beginning_of_a_web_config_takes_protection_away() {
    let directory = directory("beginnings");
    let file = directory.join("web.yml");
    let whole = guarded(&directory, "one") + "http_server_config:\n  headers:\n    X-Frame-Options: deny\n";
    std::fs::write(&file, &whole).unwrap();
    let state = Arc::new(State::new(Engine::new(EngineConfig::default(), 0), Own::new().unwrap()));
    let web = Web::new(state, UrlPath::read("/metrics").unwrap(), Some(file.clone())).unwrap();
    for end in 0..whole.len() {
        std::fs::write(&file, &whole[..end]).unwrap();
        let config = web.config();
        assert!(config.tls.is_some() && !config.users.is_empty(), "{}", &whole[..end]);
    }
    // What protects may be exchanged, not taken away.
    let tls = whole.split("basic_auth_users").next().unwrap();
    let certificates = "  client_ca_file: cert.pem\n  client_auth_type: RequireAndVerifyClientCert\n";
    let both = whole.replace("basic_auth_users", &format!("{certificates}basic_auth_users"));
    let in_force = |text: &str| {
        std::fs::write(&file, text).unwrap();
        let config = web.config();
        (config.tls.is_some(), !config.users.is_empty(), config.asks_for_certificate)
    };
    assert_eq!(in_force(&format!("{tls}{certificates}")), (true, false, true), "certificates for passwords");
    assert_eq!(in_force(&both), (true, true, true));
    assert_eq!(in_force(&whole), (true, true, true));
    let error = web.config().read_again(&file).unwrap_err().to_string();
    assert!(
        error.ends_with(
            "web.yml: the need of a client certificate would vanish; it takes a restart to serve without"
        ),
        "{error}"
    );
    std::fs::write(&file, "").unwrap();
    let error = web.config().read_again(&file).unwrap_err().to_string();
    assert!(error.contains("TLS and passwords and the need of a client certificate would vanish"), "{error}");
    std::fs::remove_dir_all(&directory).unwrap();
}

#[test]
fn errors_of_a_web_config_hold_nothing_of_its_text() {
    let directory = directory("secrets");
    let file = directory.join("web.yml");
    let hash = "$2y$10$SECRETSECRETSECRETSECRETSECRETSECRETSECRETSECRETSECRE";
    for (text, expected) in [
        ("basic_auth_users:\n  bob: x\n  ann: [SECRET\n", "line "),
        ("basic_auth_users:\n  ann: [SECRET]\n", "line 2, column 8: expected"),
        ("basic_auth_users:\n  ann: SECRET: x\n", "line 2, column "),
        (&format!("basic_auth_users:\n  ann: \"{hash}\n  bob: x\n"), "line "),
        ("basic_auth_users:\n  ann: \"SECRET\\q\"\n", "line 2, column "),
        ("basic_auth_users:\n  ann: *SECRET\n", "line 2, column "),
        ("basic_auth_users:\n  ann: !SECRET x\n", "web.yml: "),
        ("basic_auth_users: SECRET\n", "line 1, column 19: expected mapping start"),
        (
            "basic_auth_users:\n  SECRET: x\n  SECRET: y\n",
            "line 3, column 3: a key stands here for the second time",
        ),
        ("basic_auth_users:\n  ann:SECRET: x\n", "the password of \"ann\" is not a bcrypt hash"),
        ("SECRET: x\n", "line 1, column 1: unknown key; expected one of tls_server_config, "),
        (
            "tls_server_config:\n  cert_file: c\n  key_file: k\n  client_auth_type: SECRET\n",
            "unknown value; expected one of NoClientCert, VerifyClientCertIfGiven, RequireAndVerifyClientCert;",
        ),
        (
            "tls_server_config:\n  cert_file: c\n  key_file: |\n    -----BEGIN PRIVATE KEY-----\n    SECRET\n",
            "key_file holds a certificate or key itself",
        ),
        ("tls_server_config:\n  key_file: SECRET\n", "cert_file is missing"),
        ("%SECRET\n@SECRET", "line "),
        ("\u{1}SECRET", "line "),
    ] {
        std::fs::write(&file, text).unwrap();
        let error = WebConfig::read(&file).unwrap_err();
        let mut said = format!("{error}\n{error:?}");
        assert!(said.contains(expected) && !error.to_string().contains('\n'), "{expected} in {said}");
        let mut source = std::error::Error::source(&error);
        while let Some(error) = source {
            said.extend(["\n".to_owned(), error.to_string(), format!("{error:?}")]);
            source = error.source();
        }
        assert!(!said.contains("SECRET"), "{text}: {said}");
    }
    std::fs::remove_dir_all(&directory).unwrap();
}

#[test]
fn broken_web_configs_say_why_in_one_line() {
    let directory = directory("broken");
    let file = directory.join("web.yml");
    for (text, expected) in [
        ("basic_auth_users:\n  ann: secret\n", "the password of \"ann\" is not a bcrypt hash"),
        ("tls_server_configs: {}\n", "not a web config"),
        (
            "http_server_config:\n  headers:\n    Set-Cookie: a\n",
            "\"Set-Cookie\" is not a header that can be set",
        ),
        ("tls_server_config:\n  cert_file: a.pem\n  key_file: b.pem\n", "a.pem: cannot be read"),
        (
            "tls_server_config:\n  cert_file: a\n  key_file: b\n  client_auth_type: RequireAnyClientCert\n",
            "not a web config",
        ),
    ] {
        std::fs::write(&file, text).unwrap();
        let error = WebConfig::read(&file).unwrap_err().to_string();
        assert!(error.contains(expected) && !error.contains('\n'), "{error}");
    }
    std::fs::write(&file, "").unwrap();
    assert!(WebConfig::read(&file).unwrap().users.is_empty());
    assert!(WebConfig::read(&directory.join("none.yml")).unwrap_err().to_string().contains("cannot be read"));
    std::fs::remove_dir_all(&directory).unwrap();
}

#[tokio::test]
async fn tls_serves_the_certificate_of_the_files_as_they_are() {
    let directory = directory("tls");
    let issue = || {
        let pair =
            rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
        std::fs::write(directory.join("cert.pem"), pair.cert.pem()).unwrap();
        std::fs::write(directory.join("key.pem"), pair.signing_key.serialize_pem()).unwrap();
    };
    issue();
    let file = directory.join("web.yml");
    std::fs::write(
        &file,
        "tls_server_config:\n  cert_file: cert.pem\n  key_file: key.pem\n  min_version: TLS13\n",
    )
    .unwrap();
    let server = start(Some(&file));
    let url = format!("https://127.0.0.1:{}", server.address.port());
    let ca = directory.join("trusted.pem");
    std::fs::copy(directory.join("cert.pem"), &ca).unwrap();
    let instance = Instance::new(&url, Some(ca.clone())).unwrap();
    assert_eq!(&instance.get("/-/healthy").await.unwrap()[..], b"Weir is healthy.\n");
    issue();
    assert!(matches!(instance.get("/-/healthy").await, Err(ClientError::Tls { .. })), "the old one is gone");
    std::fs::copy(directory.join("cert.pem"), &ca).unwrap();
    assert!(instance.get("/-/healthy").await.is_ok());
    std::fs::remove_dir_all(&directory).unwrap();
}

#[tokio::test]
async fn clients_without_a_certificate_are_turned_away_where_one_is_required() {
    let directory = directory("mtls");
    let pair = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    std::fs::write(directory.join("cert.pem"), pair.cert.pem()).unwrap();
    std::fs::write(directory.join("key.pem"), pair.signing_key.serialize_pem()).unwrap();
    let file = directory.join("web.yml");
    let settings =
        "tls_server_config:\n  cert_file: cert.pem\n  key_file: key.pem\n  client_ca_file: cert.pem\n";
    std::fs::write(&file, format!("{settings}  client_auth_type: RequireAndVerifyClientCert\n")).unwrap();
    let healthy = async |server: &Running| {
        let url = format!("https://{}", server.address);
        Instance::new(&url, Some(directory.join("cert.pem"))).unwrap().get("/-/healthy").await
    };
    let server = start(Some(&file));
    let error = healthy(&server).await.unwrap_err();
    assert!(error.to_string().contains("the server asks for a client certificate"), "{error}");
    std::fs::write(
        &file,
        format!("{settings}  client_auth_type: RequireAndVerifyClientCert\n  max_version: TLS12\n"),
    )
    .unwrap();
    let error = healthy(&server).await.unwrap_err();
    assert!(
        matches!(error, ClientError::CertificateAsked { .. }),
        "in the handshake of TLS 1.2 already: {error}"
    );
    std::fs::write(&file, format!("{settings}  client_auth_type: VerifyClientCertIfGiven\n")).unwrap();
    assert!(healthy(&server).await.is_err(), "not while it runs");
    assert_eq!(count(&server, "web_config_failed"), 1);
    assert!(healthy(&start(Some(&file))).await.is_ok());
    std::fs::remove_dir_all(&directory).unwrap();
}

/// What the client says of a server with this certificate when it trusts the certificates of this text.
async fn trusting(
    directory: &Path,
    certificate: &rcgen::CertifiedKey<rcgen::KeyPair>,
    trusted: &str,
) -> String {
    std::fs::write(directory.join("cert.pem"), certificate.cert.pem()).unwrap();
    std::fs::write(directory.join("key.pem"), certificate.signing_key.serialize_pem()).unwrap();
    let file = directory.join("web.yml");
    std::fs::write(&file, "tls_server_config:\n  cert_file: cert.pem\n  key_file: key.pem\n").unwrap();
    let server = start(Some(&file));
    let ca = directory.join("ca.pem");
    std::fs::write(&ca, trusted).unwrap();
    let answer =
        Instance::new(&format!("https://{}", server.address), Some(ca)).unwrap().get("/-/healthy").await;
    answer.map_or_else(|error| error.to_string(), |body| String::from_utf8_lossy(&body).into_owned())
}

#[tokio::test]
async fn the_certificate_of_a_ca_is_trusted_as_a_servers_only_if_it_is_that_very_one() {
    let directory = directory("ca");
    // As `openssl req -x509` makes it.
    let ca = |name: &str, until: i32| {
        let signing_key = rcgen::KeyPair::generate().unwrap();
        let mut wanted = rcgen::CertificateParams::new([name.to_owned()]).unwrap();
        wanted.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        wanted.not_after = rcgen::date_time_ymd(until, 1, 1);
        rcgen::CertifiedKey { cert: wanted.self_signed(&signing_key).unwrap(), signing_key }
    };
    let (right, other) = (ca("127.0.0.1", 4096), ca("127.0.0.1", 4096));
    assert_eq!(trusting(&directory, &right, &right.cert.pem()).await, "Weir is healthy.\n");
    let both = other.cert.pem() + &right.cert.pem();
    assert_eq!(trusting(&directory, &right, &both).await, "Weir is healthy.\n");
    let (elsewhere, old) = (ca("example.org", 4096), ca("127.0.0.1", 2020));
    let plain = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    for (server, trusted, expected) in [
        (&right, other.cert.pem(), "TLS: the server shows a CA's certificate; name that very certificate"),
        (
            &elsewhere,
            elsewhere.cert.pem(),
            "TLS: the server's certificate is not valid: certificate not valid for name",
        ),
        (&old, old.cert.pem(), "TLS: the server's certificate is not valid: certificate expired"),
        (
            &plain,
            right.cert.pem(),
            "TLS: the server's certificate is of an unknown CA; name the CA's certificate",
        ),
        (&right, String::new(), "ca.pem: holds no certificate in PEM form: nothing of that kind was found"),
        (&right, right.signing_key.serialize_pem(), "ca.pem: holds no certificate in PEM form"),
        (
            &right,
            "-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n".to_owned(),
            "ca.pem: holds no certificate that can be used; name a file that has certificates with --ca-file",
        ),
    ] {
        let said = trusting(&directory, server, &trusted).await;
        assert!(said.contains(expected) && !said.contains("Other"), "{expected} in {said}");
    }
    std::fs::remove_dir_all(&directory).unwrap();
}

//! The server over real sockets.

mod config;
mod live;
mod load;
mod local;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use monitor_core::engine::{Engine, EngineConfig};
use testing::wait::DEADLINE;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::*;
use crate::client::{ClientError, Instance};
use crate::config::value::Scalar;
use crate::telemetry::Own;

struct Running {
    address: SocketAddr,
    state: Arc<State>,
    web: Arc<Web>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

fn start(config_file: Option<&Path>) -> Running {
    let state = Arc::new(State::new(Engine::new(EngineConfig::default(), 0), Own::new().unwrap()));
    let path = UrlPath::read("/metrics").unwrap();
    run(Web::new(state, path, config_file.map(Path::to_owned)).unwrap())
}

/// Serves a state, with a server that is made ready for it.
fn serve(state: State, with: impl FnOnce(Web) -> Web) -> Running {
    run(with(Web::new(Arc::new(state), UrlPath::read("/metrics").unwrap(), None).unwrap()))
}

fn run(web: Web) -> Running {
    let server = Server::bind(web, &[ListenAddress::read("127.0.0.1:0").unwrap()]).unwrap();
    let (address, web) = (server.addresses()[0], Arc::clone(server.web()));
    let (stop, stopped) = watch::channel(false);
    Running { address, state: Arc::clone(&web.state), web, stop, task: tokio::spawn(server.run(stopped)) }
}

impl Running {
    /// Sends bytes as they are; returns the answer up to the end of the connection.
    async fn raw(&self, request: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request).await.unwrap();
        let mut answer = Vec::new();
        timeout(DEADLINE, stream.read_to_end(&mut answer)).await.unwrap().unwrap();
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
    let answer = server.get("/-/ready", "").await;
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("no interface"), "{answer}");
    server.state.counted(1, 0);
    assert!(server.get("/-/ready", "").await.starts_with("HTTP/1.1 200"));
    server.state.counted(0, 0);
    assert!(server.get("/-/ready", "").await.starts_with("HTTP/1.1 503"), "all interfaces are gone");
}

#[tokio::test]
async fn an_instance_that_does_not_read_the_flows_is_not_healthy() {
    let server = start(None);
    server.state.expect_drains(Duration::from_secs(1));
    assert!(server.get("/-/healthy", "").await.starts_with("HTTP/1.1 200"));
    server.state.let_pass(Duration::from_secs(14));
    let answer = server.get("/-/healthy", "").await;
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("for 14 s"), "{answer}");
    // Where they are read seldom, more may pass.
    server.state.expect_drains(Duration::from_mins(1));
    assert!(server.get("/-/healthy", "").await.starts_with("HTTP/1.1 200"));
    server.state.expect_drains(Duration::from_secs(1));
    server.state.counted(1, 0);
    assert!(server.get("/-/healthy", "").await.starts_with("HTTP/1.1 200"), "it goes on");
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
    for (question, expected) in [
        ("sort=size", "sort: `size` is not a valid value; use one of `"),
        ("limit=-1", "limit: use a whole number that is not too large"),
        ("limit=", "limit: use a whole number that is not too large"),
        ("limit=99999999999999999999", "limit: use a whole number that is not too large"),
        ("reverse=1", "reverse: use true or false"),
        ("nope=1", "nope: `nope` is not a parameter; use one of `"),
        ("filter=port%20%3E%3E", ""),
    ] {
        let error = flows.get(&format!("/api/v1/flows?{question}")).await.unwrap_err();
        assert!(
            matches!(&error, ClientError::Refused { status: StatusCode::BAD_REQUEST, reason, .. }
                if !reason.is_empty() && reason.starts_with(expected)),
            "{error}"
        );
    }
}

#[tokio::test]
async fn what_is_not_served_has_the_status_that_the_docs_say() {
    let server = start(None);
    for (request, status) in [("GET /nothing", 404), ("GET /api/v1/nothing", 404), ("DELETE /metrics", 405)] {
        let request = format!("{request} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        let answer = server.raw(request.as_bytes()).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
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
    timeout(DEADLINE, async {
        while count(&server, "connection_displaced") < 44 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
    // Those that came first were closed.
    for stream in &mut idle[..44] {
        let end = timeout(DEADLINE, stream.read(&mut [0; 1])).await.unwrap();
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
    timeout(DEADLINE, async {
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
        drop(timeout(DEADLINE, stream.read_to_end(&mut answer)).await.unwrap());
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
    timeout(DEADLINE, server.task).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_taken_port_is_named() {
    let server = start(None);
    let state = Arc::clone(&server.state);
    let web = Web::new(state, UrlPath::read("/metrics").unwrap(), None).unwrap();
    let error = Server::bind(web, &[ListenAddress::Internet(server.address)]).unwrap_err();
    let expected =
        format!("{}: another process listens there; give another with --web.listen-address", server.address);
    assert_eq!(error.to_string(), expected);
}

fn directory(name: &str) -> PathBuf {
    let directory = std::env::temp_dir().join(format!("weir-web-{}-{name}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    directory
}

//! `/api/v1/live`, its stream, and one flow.

use super::*;
use crate::clock;

/// A stream that is read event by event.
struct Events {
    stream: TcpStream,
    text: String,
    /// Bytes that came.
    bytes: usize,
}

impl Events {
    async fn open(server: &Running, query: &str) -> Self {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        let request = format!("GET /api/v1/live/stream?{query} HTTP/1.1\r\nhost: localhost\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        Self { stream, text: String::new(), bytes: 0 }
    }

    async fn more(&mut self) -> bool {
        let mut buffer = vec![0; 65_536];
        let n = timeout(DEADLINE, self.stream.read(&mut buffer)).await.unwrap().unwrap();
        self.text.push_str(std::str::from_utf8(&buffer[..n]).unwrap());
        self.bytes += n;
        n > 0
    }

    /// Id, name and data of the next event.
    async fn next(&mut self) -> (u64, String, serde_json::Value) {
        loop {
            if let Some(at) = self.text.find("id: ")
                && let Some(end) = self.text[at..].find("\n\n")
            {
                let event = self.text[at..at + end].to_owned();
                self.text.drain(..at + end);
                let line = |name: &str| event.lines().find_map(|l| l.strip_prefix(name)).unwrap().to_owned();
                let data = serde_json::from_str(&line("data: ")).unwrap();
                return (line("id: ").parse().unwrap(), line("event: "), data);
            }
            assert!(self.more().await, "{}", self.text);
        }
    }
}

#[tokio::test]
async fn a_stream_begins_with_the_history_and_tells_each_drain() {
    let server = start(None);
    let mut events = Events::open(&server, "window=60&limit=5").await;
    let (first, name, history) = events.next().await;
    assert!(events.text.is_empty() || !events.text.contains("content-encoding"));
    assert_eq!((name.as_str(), &history["step_seconds"]), ("history", &serde_json::json!(1.0)));
    let (mut last, name, data) = events.next().await;
    assert_eq!((name.as_str(), &data["snapshot"]["window_seconds"]), ("live", &serde_json::json!(60)));
    assert_eq!((&data["matched"], &data["flows"]), (&serde_json::json!(0), &serde_json::json!([])));
    assert!(last > first && data["history"]["step_seconds"] == 1.0);
    for _ in 0..5 {
        server.state.drained();
        let (id, name, _) = events.next().await;
        assert!(id > last && name == "live");
        last = id;
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_without_news_says_that_it_is_there() {
    let server = start(None);
    let mut events = Events::open(&server, "").await;
    events.next().await;
    let (_, name, _) = events.next().await;
    assert_eq!(name, "live");
    while !events.text.contains("event: quiet\ndata: {}\n\n") {
        assert!(events.more().await, "{}", events.text);
    }
    assert!(!events.text.contains("id: "), "it is no news: who comes again has missed nothing by it");
}

/// Serves TLS with a certificate of its own and asks ann for a password.
fn guarded(directory: &Path) -> Running {
    let pair = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    std::fs::write(directory.join("cert.pem"), pair.cert.pem()).unwrap();
    std::fs::write(directory.join("key.pem"), pair.signing_key.serialize_pem()).unwrap();
    let hash = bcrypt::hash("sesame", 4).unwrap();
    let config = format!(
        "tls_server_config:\n  cert_file: cert.pem\n  key_file: key.pem\nbasic_auth_users:\n  ann: {hash}\n"
    );
    std::fs::write(directory.join("web.yml"), config).unwrap();
    start(Some(&directory.join("web.yml")))
}

#[tokio::test]
async fn the_stream_goes_on_over_tls_for_who_knows_the_password_alone() {
    let directory = tempfile::tempdir().unwrap();
    let server = guarded(directory.path());
    let instance = |user: &str, ca: Option<&str>| {
        let url = format!("https://{user}{}", server.address);
        Instance::new(&url, ca.map(|name| directory.path().join(name))).unwrap()
    };
    let path = "/api/v1/live/stream?limit=0";
    let mut events = instance("ann:sesame@", Some("cert.pem")).events(path).await.unwrap();
    assert_eq!(events.next().await.unwrap().name, "history");
    for _ in 0..5 {
        server.state.drained();
        let event = events.next().await.unwrap();
        let data: serde_json::Value = serde_json::from_str(&event.data).unwrap();
        assert_eq!((event.name.as_str(), &data["flows"]), ("live", &serde_json::json!([])));
    }
    for user in ["ann:wrong@", "bob:sesame@", "ann:@", ""] {
        let refused = instance(user, Some("cert.pem")).events(path).await;
        let unauthorized = |error| matches!(error, ClientError::Refused { status, .. } if status == 401);
        assert!(refused.is_err_and(unauthorized), "{user}");
    }
    let unknown = instance("ann:sesame@", None).events(path).await;
    assert!(
        unknown
            .is_err_and(|error| matches!(error, ClientError::Tls { .. } | ClientError::Certificates { .. }))
    );
    // The one that watches is told of it when the server stops.
    server.stop.send(true).unwrap();
    let ended = loop {
        match events.next().await {
            Ok(event) => assert_eq!(event.name, "live"),
            Err(error) => break error,
        }
    };
    assert!(matches!(ended, ClientError::Ended { .. }), "{ended}");
}

#[tokio::test]
async fn snapshot_and_history_come_at_once_too() {
    let server = start(None);
    let answer = server.get("/api/v1/live?window=3600", "").await;
    let body = answer.split("\r\n\r\n").nth(1).unwrap();
    let answer: serde_json::Value = serde_json::from_str(body).unwrap();
    let snapshot: crate::view::live::Snapshot = serde_json::from_value(answer["snapshot"].clone()).unwrap();
    assert_eq!((snapshot.window_seconds, snapshot.version.as_str()), (3600, env!("CARGO_PKG_VERSION")));
    serde_json::from_value::<crate::view::live::History>(answer["history"].clone()).unwrap();
}

#[tokio::test]
async fn questions_that_cannot_be_read_are_answered() {
    let server = start(None);
    for path in [
        "/api/v1/live?window=7",
        "/api/v1/live?window=x",
        "/api/v1/live?limit=5",
        "/api/v1/live/stream?window=0",
        "/api/v1/live/stream?filter=port%20%3E%3E",
        "/api/v1/live/stream?sort=size",
        "/api/v1/live/stream?nope=1",
    ] {
        let answer = server.get(path, "").await;
        assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("{\"error\":\""), "{path}: {answer}");
    }
    for id in ["1-2", "x", "-", "%00", "1-99999999999999"] {
        let answer = server.get(&format!("/api/v1/flows/{id}"), "").await;
        assert!(answer.starts_with("HTTP/1.1 404") && answer.contains("\"error\""), "{id}: {answer}");
    }
}

#[tokio::test]
async fn as_many_watch_as_may_and_a_place_comes_free() {
    let server = start(None);
    let mut all = Vec::new();
    for _ in 0..Limits::default().watchers {
        let mut events = Events::open(&server, "limit=0").await;
        events.next().await;
        all.push(events);
    }
    let answer = server.get("/api/v1/live/stream", "").await;
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("64 watch already"), "{answer}");
    assert!(server.get("/metrics", "").await.starts_with("HTTP/1.1 200"), "others are served");
    // Each of them is told of each drain.
    server.state.drained();
    for events in &mut all {
        events.next().await;
    }
    drop(all);
    let served = timeout(DEADLINE, async {
        loop {
            let mut events = Events::open(&server, "limit=0").await;
            assert!(events.more().await);
            if events.text.starts_with("HTTP/1.1 200") {
                break;
            }
        }
    });
    served.await.unwrap();
}

#[tokio::test]
async fn a_watcher_that_stops_reading_misses_events_and_holds_up_nobody() {
    // More than the kernel keeps for one who does not read, here and at the reader.
    let enough = 1 << 20;
    let state = State::new(Engine::new(EngineConfig::default(), 0), Own::new().unwrap());
    let server = serve(state, |web| web.with_limits(Limits { watch_cpu: 100, ..Limits::default() }));
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let stream = socket.connect(server.address).await.unwrap();
    let mut lazy = Events { stream, text: String::new(), bytes: 0 };
    let request = b"GET /api/v1/live/stream HTTP/1.1\r\nhost: localhost\r\n\r\n";
    lazy.stream.write_all(request).await.unwrap();
    let mut eager = Events::open(&server, "").await;
    eager.next().await;
    eager.next().await;
    let (mut last, mut drains) = (0, 0);
    while eager.bytes < enough {
        server.state.drained();
        last = eager.next().await.0;
        drains += 1;
    }
    // Ids run before the clock while many events come at once; from its next tick on each is later.
    let tick = async {
        while (clock::wall() / 1_000_000) as u64 <= last {
            tokio::task::yield_now().await;
        }
    };
    timeout(DEADLINE, tick).await.unwrap();
    server.state.drained();
    let mut got = 0;
    while lazy.next().await.0 < last {
        got += 1;
    }
    assert!(got < drains, "it was told all {got}");
}

#[tokio::test]
async fn a_stop_ends_streams_as_it_should_be() {
    let server = start(None);
    let mut events = Events::open(&server, "").await;
    events.next().await;
    events.next().await;
    server.stop.send(true).unwrap();
    while events.more().await {}
    assert!(events.text.ends_with("0\r\n\r\n"), "the last chunk is there: {:?}", events.text);
    timeout(DEADLINE, server.task).await.unwrap().unwrap();
}

//! Clients that ask for much, read little or leave early: others are served, and nothing of them is left.

use super::*;
use crate::view::order::tests::engine;
use crate::web::asker::Client;

async fn until(what: &str, done: impl Fn() -> bool) {
    let waited = timeout(DEADLINE, async {
        while !done() {
            tokio::task::yield_now().await;
        }
    });
    waited.await.unwrap_or_else(|_| panic!("{what}"));
}

fn client() -> Client {
    Client::at([127, 0, 0, 1].into())
}

/// A server with flows.
fn loaded(flows: u32, limits: Limits) -> Running {
    let state = State::new(engine(flows), Own::new().unwrap());
    state.counted(1, flows as usize);
    serve(state, |web| web.with_limits(limits))
}

async fn ask(server: &Running, path: &str) -> TcpStream {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

/// The body of an answer that came in pieces.
fn whole(answer: &[u8]) -> Vec<u8> {
    let at = answer.windows(4).position(|w| w == b"\r\n\r\n").unwrap() + 4;
    assert!(String::from_utf8_lossy(&answer[..at]).contains("transfer-encoding: chunked"));
    let (mut rest, mut body) = (&answer[at..], Vec::new());
    loop {
        let end = rest.windows(2).position(|w| w == b"\r\n").unwrap();
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..end]).unwrap(), 16).unwrap();
        if size == 0 {
            return body;
        }
        body.extend_from_slice(&rest[end + 2..end + 2 + size]);
        rest = &rest[end + 4 + size..];
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_flows_come_in_pieces_that_make_one_answer() {
    use std::io::Read as _;
    let server = loaded(3_000, Limits::default());
    let mut answers = Vec::new();
    for encoding in ["identity", "gzip"] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        let request = format!(
            "GET /api/v1/flows?limit=2500&sort=bytes HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
             accept-encoding: {encoding}\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        timeout(DEADLINE, stream.read_to_end(&mut answer)).await.unwrap().unwrap();
        let mut body = whole(&answer);
        if encoding == "gzip" {
            let packed = std::mem::take(&mut body);
            flate2::read::GzDecoder::new(&packed[..]).read_to_end(&mut body).unwrap();
        }
        answers.push(serde_json::from_slice::<serde_json::Value>(&body).unwrap());
    }
    assert_eq!(answers[0], answers[1]);
    let flows = answers[0]["flows"].as_array().unwrap();
    assert_eq!((answers[0]["matched"].as_u64(), flows.len()), (Some(3_000), 2_500));
    let bytes = |flow: &serde_json::Value| {
        ["sent", "received"].iter().map(|side| flow[side]["bytes"].as_u64().unwrap()).sum::<u64>()
    };
    assert!(flows.is_sorted_by_key(|flow| std::cmp::Reverse(bytes(flow))));
    until("memory is given back", || server.web.answers.held() == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_stops_keeps_neither_a_thread_nor_the_engine() {
    let server = loaded(20_000, Limits::default());
    let slow: Vec<TcpStream> = {
        let mut slow = Vec::new();
        for _ in 0..8 {
            slow.push(ask(&server, "/api/v1/flows?limit=20000").await);
        }
        slow
    };
    until("all are answered in part", || server.web.answers.held() > 0 && server.web.pool.waiting() == 0)
        .await;
    until("nothing is made for who does not read", || server.web.pool.held() == 0).await;
    // A drain begins at once, and a page is made.
    let state = Arc::clone(&server.state);
    let drain = tokio::task::spawn_blocking(move || drop(state.begin_drain()));
    timeout(DEADLINE, drain).await.unwrap().unwrap();
    assert!(server.get("/metrics", "").await.starts_with("HTTP/1.1 200"));
    drop(slow);
    until("memory is given back", || server.web.answers.held() == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scrape_waits_for_no_other_request() {
    let server = loaded(100, Limits::default());
    let mut workers = Vec::new();
    for _ in 0..Limits::default().workers {
        workers.push(server.web.pool.enter(&client()).await.unwrap());
    }
    let waiting = [ask(&server, "/api/v1/flows").await, ask(&server, "/api/v1/live").await];
    until("both wait", || server.web.pool.waiting() == 2).await;
    assert!(server.get("/metrics", "").await.starts_with("HTTP/1.1 200"));
    assert!(server.get("/-/healthy", "").await.starts_with("HTTP/1.1 200"));
    drop(workers);
    for mut stream in waiting {
        let mut answer = Vec::new();
        timeout(DEADLINE, stream.read_to_end(&mut answer)).await.unwrap().unwrap();
        assert!(answer.starts_with(b"HTTP/1.1 200"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_of_clients_that_hung_up_are_never_begun() {
    let server = loaded(100, Limits::default());
    let mut workers = Vec::new();
    for _ in 0..Limits::default().workers {
        workers.push(server.web.pool.enter(&client()).await.unwrap());
    }
    for _ in 0..5 {
        let mut gone = Vec::new();
        for _ in 0..20 {
            gone.push(ask(&server, "/api/v1/flows?limit=100000").await);
        }
        until("all wait", || server.web.pool.waiting() == 20).await;
        drop(gone);
        until("none waits", || server.web.pool.waiting() == 0).await;
    }
    assert_eq!(server.web.answers.held(), 0);
    drop(workers);
    assert!(server.get("/api/v1/flows", "").await.starts_with("HTTP/1.1 200"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_that_has_begun_ends_when_its_client_hangs_up() {
    let server = loaded(20_000, Limits::default());
    // Readers have no turn meanwhile: whoever has begun stands still.
    let state = Arc::clone(&server.state);
    let (go, may_go) = std::sync::mpsc::channel::<()>();
    let holder = tokio::task::spawn_blocking(move || {
        let drain = state.begin_drain();
        let _ = may_go.recv();
        drop(drain);
    });
    let asked: Vec<_> = [ask(&server, "/api/v1/flows").await, ask(&server, "/api/v1/flows").await].into();
    until("both have begun", || server.web.pool.held() == 2).await;
    drop(asked);
    until("their memory is free", || server.web.answers.held() == 0).await;
    assert_eq!(server.web.pool.held(), 2, "their threads are not");
    go.send(()).unwrap();
    holder.await.unwrap();
    until("their threads are", || server.web.pool.held() == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_beyond_those_that_may_wait_are_told_so() {
    let server = loaded(100, Limits { waiting: 3, ..Limits::default() });
    let mut workers = Vec::new();
    for _ in 0..Limits::default().workers {
        workers.push(server.web.pool.enter(&client()).await.unwrap());
    }
    let mut waiting = Vec::new();
    for n in 1..=3 {
        waiting.push(ask(&server, "/api/v1/flows").await);
        until("it waits", || server.web.pool.waiting() == n).await;
    }
    let answer = server.get("/api/v1/flows", "").await;
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("retry-after: 1"), "{answer}");
    assert_eq!(count(&server, "request_refused"), 1);
    drop(workers);
    for mut stream in waiting {
        let mut answer = Vec::new();
        timeout(DEADLINE, stream.read_to_end(&mut answer)).await.unwrap().unwrap();
        assert!(answer.starts_with(b"HTTP/1.1 200"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_that_are_not_taken_give_way_where_memory_is_short() {
    let bytes = 1 << 20;
    let server = loaded(20_000, Limits { answer_bytes: bytes, ..Limits::default() });
    let mut slow = Vec::new();
    for _ in 0..10 {
        slow.push(ask(&server, "/api/v1/flows?limit=20000").await);
    }
    // Ranking takes more for a moment; what is held of an answer that is sent does not.
    for _ in 0..3 {
        let answer = server.get("/api/v1/flows?limit=1", "").await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    assert!(count(&server, "answer_displaced") > 0);
    assert!(server.get("/metrics", "").await.contains("weir_web_answer_bytes{kind=\"other\"}"));
    drop(slow);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn those_who_come_while_a_page_is_made_share_the_next_one() {
    let server = loaded(10, Limits::default());
    let state = Arc::clone(&server.state);
    let (go, may_go) = std::sync::mpsc::channel::<()>();
    let holder = tokio::task::spawn_blocking(move || {
        let drain = state.begin_drain();
        let _ = may_go.recv();
        drop(drain);
    });
    let mut scrapes = Vec::new();
    for _ in 0..50 {
        scrapes.push(ask(&server, "/metrics").await);
    }
    until("all wait", || server.web.scrapes.waiting() >= 49).await;
    go.send(()).unwrap();
    holder.await.unwrap();
    for mut stream in scrapes {
        let mut answer = Vec::new();
        timeout(DEADLINE, stream.read_to_end(&mut answer)).await.unwrap().unwrap();
        assert!(answer.starts_with(b"HTTP/1.1 200"));
    }
    let page = server.get("/metrics", "").await;
    let made = page.lines().find_map(|line| line.strip_prefix("weir_scrape_seconds_count ")).unwrap();
    assert!(made.parse::<u32>().unwrap() <= 3, "{made} pages for 50 scrapes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn watchers_share_a_part_of_one_core() {
    let server = loaded(20_000, Limits { watch_cpu: 1, ..Limits::default() });
    let mut watchers = Vec::new();
    for n in 0..4 {
        // Each asks something else, so that each makes work.
        watchers.push(ask(&server, &format!("/api/v1/live/stream?filter=not%20port%20{n}")).await);
    }
    // While the thread rests, they wait; all others are served.
    until("they wait", || server.web.watching.waiting() > 0).await;
    assert!(server.get("/api/v1/flows?limit=1", "").await.starts_with("HTTP/1.1 200"));
    drop(watchers);
    until("none waits any more", || server.web.watching.waiting() == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_right_password_does_not_wait_for_all_who_guess() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("web.yml");
    let hash = bcrypt::hash("sesame", 6).unwrap();
    std::fs::write(&file, format!("basic_auth_users:\n  ann: {hash}\n")).unwrap();
    let server = start(Some(&file));
    let held = server.web.guard.hold(&client()).await;
    let authorization = |password: &str| {
        let code = base64::prelude::BASE64_STANDARD.encode(format!("ann:{password}"));
        format!("authorization: Basic {code}\r\n")
    };
    let mut guesses = Vec::new();
    for n in 0..32 {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        let fields = authorization(&format!("guess{n}"));
        let request = format!("GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{fields}\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        guesses.push(stream);
    }
    until("all guesses wait", || server.web.guard.waiting() == 32).await;
    let fields = authorization("sesame");
    let right = server.get("/-/healthy", &fields);
    tokio::pin!(right);
    let waits = until("it waits", || server.web.guard.waiting() == 33);
    tokio::select! {
        _ = &mut right => panic!("it was not checked"),
        () = waits => {}
    }
    drop(held);
    assert!(right.await.starts_with("HTTP/1.1 200"));
    assert!(count(&server, "login_failed") < 32, "it came before most of them");
    for mut stream in guesses {
        let mut answer = Vec::new();
        timeout(DEADLINE, stream.read_to_end(&mut answer)).await.unwrap().unwrap();
        assert!(answer.starts_with(b"HTTP/1.1 401"));
    }
    assert_eq!(count(&server, "login_failed"), 32);
}

//! Whole connections.

use monitor_common::abi::Side::{self, Lower, Upper};

use crate::{
    parse::http::{Connection, Dialect, Handover, Message, Tunnel},
    random::Random,
};

/// A message in one line.
fn line(m: &Message) -> String {
    let text = |text: &Option<crate::record::Text>| text.as_ref().map_or("-".into(), ToString::to_string);
    let index = m.request_index.map_or("-".into(), |n| n.to_string());
    match m.status {
        Some(status) => format!("#{index} {status} {}{}", text(&m.host), text(&m.uri)),
        None => format!("#{index} {} {}{}", text(&m.method), text(&m.host), text(&m.uri)),
    }
}

fn push(connection: &mut Connection, side: Side, bytes: &[u8]) -> Vec<String> {
    let mut out = Vec::new();
    connection.push(side, 0, bytes, |message| out.push(line(&message)));
    out
}

const REQUEST: &[u8] = b"GET /a?secret=1 HTTP/1.1\r\nHost: example.org:8080\r\nAccept: */*\r\n\r\n";
const RESPONSE: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: 5\r\n\r\nhello";

#[test]
fn a_request_and_its_response_are_told() {
    let mut connection = Connection::new(Dialect::Known);
    let mut messages = Vec::new();
    connection.push(Lower, 100, REQUEST, |m| messages.push(m));
    connection.push(Upper, 350, RESPONSE, |m| messages.push(m));
    let [request, response] = &messages[..] else { panic!("{messages:?}") };
    assert_eq!((request.sender, request.time, request.persistent), (Lower, 100, true));
    assert_eq!(line(request), "#1 GET example.org:8080/a");
    assert_eq!((response.sender, response.response_time, response.method.as_ref()), (Upper, Some(250), None));
    assert_eq!(line(response), "#1 200 example.org:8080/a");
    assert_eq!(response.content_type.as_ref().unwrap().as_str(), "text/html");
    assert_eq!((request.version, response.version), (Some("1.1"), Some("1.1")));
}

/// Several requests and responses in a row, with bodies of every kind.
fn pipeline() -> (Vec<u8>, Vec<u8>, Vec<&'static str>) {
    let requests = [
        &b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\n"[..],
        b"POST /2 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4;x=y\r\nGET \r\n0\r\nTrailer: GET / HTTP/1.1\r\n\r\n",
        b"HEAD /3 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"\r\nPUT /4 HTTP/1.1\nHost: a\nContent-Length: 16\n\nGET / HTTP/1.1\r\n",
        b"GET http://b.example/5 HTTP/1.1\r\nHost: b.example:80\r\n\r\n",
    ];
    let responses = [
        &b"HTTP/1.1 200 OK\r\nContent-Length: 17\r\n\r\nHTTP/1.1 500 No\r\n"[..],
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\nA\r\n0123456789\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 4000\r\n\r\n",
        b"HTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\n\r\n",
        b"HTTP/1.0 200 OK\r\n\r\nHTTP/1.1 200 OK\r\n\r\nto the end",
    ];
    let found = vec![
        "#1 GET a/1",
        "#2 POST a/2",
        "#3 HEAD a/3",
        "#4 PUT a/4",
        "#5 GET b.example:80/5",
        "#1 200 a/1",
        "#2 100 a/2",
        "#2 200 a/2",
        "#3 200 a/3",
        "#4 304 a/4",
        "#5 200 b.example:80/5",
    ];
    (requests.concat(), responses.concat(), found)
}

#[test]
fn messages_come_out_however_the_stream_is_cut() {
    let (requests, responses, expected) = pipeline();
    let mut random = Random(11);
    for round in 0..400 {
        let mut connection = Connection::new(Dialect::Known);
        let mut found = Vec::new();
        for (side, stream) in [(Lower, &requests), (Upper, &responses)] {
            let mut rest = &stream[..];
            while !rest.is_empty() {
                let length = match round {
                    0 => rest.len(),
                    1 => 1,
                    _ => 1 + random.below(rest.len() as u64) as usize,
                };
                let (now, later) = rest.split_at(length);
                found.extend(push(&mut connection, side, now));
                rest = later;
            }
        }
        assert_eq!(found, expected, "{round}");
    }
}

#[test]
fn a_host_in_the_target_is_stronger_than_another_in_the_field() {
    for (request, expected) in [
        ("GET http://a.example/ HTTP/1.1\r\nHost: b.example\r\n\r\n", "#1 GET a.example/"),
        ("GET http://a.example HTTP/1.1\r\n\r\n", "#1 GET a.example/"),
        ("GET http://a.example/ HTTP/1.1\r\nHost: A.example:80\r\n\r\n", "#1 GET A.example:80/"),
        ("CONNECT a.example:443 HTTP/1.1\r\n\r\n", "#1 CONNECT a.example:443a.example:443"),
        ("CONNECT a.example:443 b HTTP/1.1 HTTP/1.1\r\n\r\n", "#1 CONNECT a.example:443a.example:443"),
        (
            "CONNECT a.example:443 HTTP/1.1\r\nHost: b.example\r\n\r\n",
            "#1 CONNECT a.example:443a.example:443",
        ),
        ("GET / HTTP/1.0\r\n\r\n", "#1 GET -/"),
        ("GET / HTTP/1.1\r\nHost:\r\nHost: second\r\n\r\n", "#1 GET -/"),
        ("GET / HTTP/1.1\r\nHOST : spaced\r\nhost:\tx \r\n\r\n", "#1 GET x/"),
    ] {
        assert_eq!(push(&mut Connection::new(Dialect::Known), Lower, request.as_bytes()), [expected]);
    }
}

#[test]
fn connections_close_as_their_fields_say() {
    for (header, persistent) in [
        ("GET / HTTP/1.1\r\n\r\n", true),
        ("GET / HTTP/1.0\r\n\r\n", false),
        ("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", true),
        ("GET / HTTP/1.1\r\nConnection: x, close\r\n\r\n", false),
        ("HTTP/1.0 200 OK\r\n\r\n", false),
    ] {
        let mut found = None;
        Connection::new(Dialect::Known).push(Lower, 0, header.as_bytes(), |m| found = Some(m.persistent));
        assert_eq!(found, Some(persistent), "{header:?}");
    }
}

#[test]
fn a_tunnel_is_handed_over_when_it_was_granted() {
    let mut connection = Connection::new(Dialect::Known);
    push(&mut connection, Lower, b"CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n");
    let response = b"HTTP/1.1 200 Connection established\r\n\r\n\x16\x03\x03";
    let mut count = 0;
    let handover = connection.push(Upper, 0, response, |_| count += 1);
    assert_eq!((count, handover), (1, Some(Handover { tunnel: Tunnel::Connect, rest: 3 })));
    let handover = connection.push(Lower, 0, b"\x16\x03\x01", |_| count += 1);
    assert_eq!((count, handover), (1, Some(Handover { tunnel: Tunnel::Connect, rest: 3 })));
}

#[test]
fn a_tunnel_that_was_refused_goes_on_as_http() {
    let mut connection = Connection::new(Dialect::Known);
    let connect = b"CONNECT a.example:443 HTTP/1.1\r\n\r\n";
    assert_eq!(push(&mut connection, Lower, connect).len(), 1);
    let refused = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(push(&mut connection, Upper, refused).len(), 1);
    assert_eq!(push(&mut connection, Lower, connect), ["#2 CONNECT a.example:443a.example:443"]);
    assert_eq!(push(&mut connection, Upper, b"HTTP/1.1 200 OK\r\n\r\n").len(), 1);
    assert!(connection.push(Upper, 0, b"x", |_| ()).is_some());
}

#[test]
fn a_tunnel_is_handed_over_although_the_response_is_not_seen() {
    let mut connection = Connection::new(Dialect::Known);
    push(&mut connection, Lower, b"CONNECT a.example:443 HTTP/1.1\r\n\r\n");
    let handover = connection.push(Lower, 0, b"\x16\x03\x01\x02\x00", |_| ());
    assert_eq!(handover, Some(Handover { tunnel: Tunnel::Connect, rest: 5 }));
}

#[test]
fn an_upgrade_ends_http() {
    for (upgrade, tunnel) in [("websocket", Tunnel::WebSocket), ("h2c", Tunnel::Upgrade)] {
        let mut connection = Connection::new(Dialect::Known);
        let request =
            format!("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: {upgrade}\r\n\r\n");
        assert_eq!(push(&mut connection, Lower, request.as_bytes()).len(), 1);
        let response = b"HTTP/1.1 101 Switching Protocols\r\n\r\nGET / HTTP/1.1\r\n\r\n";
        let handover = connection.push(Upper, 0, response, |_| ());
        assert_eq!(handover, Some(Handover { tunnel, rest: 18 }));
    }
}

#[test]
fn after_a_gap_it_goes_on_where_a_segment_begins_with_a_message() {
    let mut connection = Connection::new(Dialect::Known);
    assert_eq!(push(&mut connection, Lower, &REQUEST[..30]), [""; 0]);
    connection.gap(Lower, 10);
    assert_eq!(push(&mut connection, Lower, b"tail of a header\r\n\r\nGET /no HTTP/1.1\r\n\r\n"), [""; 0]);
    assert_eq!(push(&mut connection, Lower, REQUEST), ["#1 GET example.org:8080/a"]);
}

#[test]
fn a_gap_within_a_body_of_known_length_loses_nothing() {
    let mut connection = Connection::new(Dialect::Known);
    let post = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n";
    assert_eq!(push(&mut connection, Lower, post).len(), 1);
    connection.gap(Lower, 990);
    assert_eq!(
        push(&mut connection, Lower, &[b"0123456789", REQUEST].concat()),
        ["#2 GET example.org:8080/a"]
    );
    assert_eq!(push(&mut connection, Lower, post).len(), 1);
    connection.gap(Lower, 1000);
    assert_eq!(push(&mut connection, Lower, REQUEST), ["#4 GET example.org:8080/a"]);
    assert_eq!(push(&mut connection, Lower, post).len(), 1);
    connection.gap(Lower, 1001);
    assert_eq!(push(&mut connection, Lower, b"rest"), [""; 0]);
    assert!(!connection.is_lost());
}

#[test]
fn after_lost_responses_the_next_belongs_to_the_last_request() {
    let mut connection = Connection::new(Dialect::Known);
    for n in 1..4 {
        push(&mut connection, Lower, format!("GET /{n} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes());
    }
    connection.gap(Upper, 700);
    assert_eq!(push(&mut connection, Upper, RESPONSE), ["#3 200 a/3"]);
}

#[test]
fn one_way_traffic_is_told_by_itself() {
    let mut connection = Connection::midway(Dialect::Known);
    assert_eq!(push(&mut connection, Upper, RESPONSE), ["#- 200 --"]);
    // Perhaps it answers HEAD: then the body that is announced does not come.
    let head = b"HTTP/1.1 200 OK\r\nContent-Length: 4000\r\n\r\n";
    assert_eq!(push(&mut connection, Upper, head).len(), 1);
    assert_eq!(push(&mut connection, Upper, RESPONSE), ["#- 200 --"]);
}

#[test]
fn a_connection_that_begins_with_a_response_is_read() {
    let mut connection = Connection::new(Dialect::Known);
    assert_eq!(push(&mut connection, Lower, RESPONSE), ["#- 200 --"]);
    assert_eq!(push(&mut connection, Upper, REQUEST), ["#1 GET example.org:8080/a"]);
    assert_eq!(push(&mut connection, Lower, RESPONSE), ["#1 200 example.org:8080/a"]);
}

#[test]
fn hostile_names_come_out_escaped() {
    let mut connection = Connection::new(Dialect::Known);
    let request = "GET /\u{202e}\u{1b}[31m HTTP/1.1\r\nHost: <script>\u{0}\u{7f}\u{85}\r\n\r\n";
    let found = push(&mut connection, Lower, request.as_bytes());
    assert_eq!(found, ["#1 GET <script>\\x00\\x7f\\u{85}/\\u{202e}\\x1b[31m"]);
}

#[test]
fn memory_is_bounded_whatever_comes() {
    let mut connection = Connection::new(Dialect::Known);
    for _ in 0..1_000 {
        push(&mut connection, Lower, REQUEST);
        push(&mut connection, Upper, &[b'x'; 100]);
    }
    push(&mut connection, Lower, b"GET / HTTP/1.1\r\nX: ");
    for _ in 0..10 {
        push(&mut connection, Lower, &vec![b'x'; 100_000]);
        assert!(connection.memory() < 64 * 1024, "{}", connection.memory());
    }
    // A header without end is given up.
    assert_eq!(push(&mut connection, Lower, REQUEST), ["#1001 GET example.org:8080/a"]);
}

#[test]
fn a_line_that_is_too_long_is_read_at_its_beginning() {
    let mut connection = Connection::new(Dialect::Known);
    let request = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(20_000));
    let found = push(&mut connection, Lower, request.as_bytes());
    assert_eq!(found, [format!("#1 GET a/{}", "x".repeat(254))]);
}

#[test]
fn no_bytes_make_it_fail() {
    let (requests, responses, _) = pipeline();
    let mut random = Random(13);
    for _ in 0..3_000 {
        let mut connection = Connection::new(random.of(&[Dialect::Known, Dialect::Any]));
        for _ in 0..20 {
            let side = random.of(&[Lower, Upper]);
            let from: &[u8] = random.of(&[&requests[..], &responses[..]]);
            let begin = random.below(from.len() as u64) as usize;
            let mut bytes = from[begin..].to_vec();
            for _ in 0..random.below(4) {
                let at = random.below(bytes.len() as u64) as usize;
                bytes[at] = random.bits() as u8;
            }
            match random.below(6) {
                0 => connection.gap(side, random.below(1_000)),
                _ => drop(connection.push(side, 0, &bytes, |_| ())),
            }
        }
    }
}

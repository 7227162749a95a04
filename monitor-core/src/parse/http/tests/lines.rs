//! Start lines and what is told from them.

use crate::parse::http::{Begin, Dialect, begins, start};

#[test]
fn beginnings_are_told_apart() {
    for (bytes, begin) in [
        ("GET / HTTP/1.1\r\n", Begin::Message),
        ("GET /a b HTTP/1.0\n", Begin::Message),
        ("GET /", Begin::Message),
        ("HTTP/1.1 200 OK\r\n", Begin::Message),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Begin::Http2),
        ("PRI *", Begin::Unclear),
        ("PROP", Begin::Unclear),
        ("GE", Begin::Unclear),
        ("GET ", Begin::Unclear),
        ("HTT", Begin::Unclear),
        ("", Begin::Unclear),
        ("\r\nGET / HTTP/1.1\r\n", Begin::Message),
        ("\r\n\r\nGET / HTTP/1.1\r\n", Begin::Message),
        ("\r\n", Begin::Unclear),
        ("\r\n\r", Begin::Unclear),
        ("\r\n\r\n\r\nGET / HTTP/1.1\r\n", Begin::Other),
        ("\r\n\r\n\0\r\nQUIT\n", Begin::Other),
        ("GETS / HTTP/1.1\r\n", Begin::Other),
        ("GET / RTSP/1.0\r\n", Begin::Other),
        ("GET \0\0", Begin::Other),
        ("HTTP/2 200\r\n", Begin::Other),
        ("SSH-2.0-x\r\n", Begin::Other),
        ("\x16\x03\x01", Begin::Other),
    ] {
        assert_eq!(begins(bytes.as_bytes(), Dialect::Known), begin, "{bytes:?}");
    }
}

#[test]
fn any_method_is_taken_only_where_that_is_wanted() {
    for (bytes, known, any) in [
        ("BREW /pot HTTP/1.1\r\n", Begin::Other, Begin::Message),
        ("BREW /pot HTCPCP/1.0\r\n", Begin::Other, Begin::Other),
        ("BREW", Begin::Other, Begin::Unclear),
        ("\u{1b}[31m / HTTP/1.1\r\n", Begin::Other, Begin::Other),
    ] {
        assert_eq!(begins(bytes.as_bytes(), Dialect::Known), known, "{bytes:?}");
        assert_eq!(begins(bytes.as_bytes(), Dialect::Any), any, "{bytes:?}");
    }
}

#[test]
fn every_prefix_of_a_beginning_is_unclear_or_right() {
    for whole in ["OPTIONS * HTTP/1.1\r\n", "HTTP/1.0 404 Not Found\r\n", "PRI * HTTP/2.0\r\n"] {
        let last = begins(whole.as_bytes(), Dialect::Known);
        for end in 0..whole.len() {
            let begin = begins(&whole.as_bytes()[..end], Dialect::Known);
            assert!(begin == Begin::Unclear || begin == last, "{:?} {begin:?}", &whole[..end]);
        }
    }
}

#[test]
fn status_lines_have_three_digits() {
    for (line, status) in [
        ("HTTP/1.1 200 OK", Some(200)),
        ("HTTP/1.0 404", Some(404)),
        ("HTTP/1.1 20", None),
        ("HTTP/1.1 2000", None),
        ("HTTP/1.1x200", None),
        ("HTTP/2.0 200", None),
        ("HTTP/1.1 2é0", None),
    ] {
        assert_eq!(start::status(line.as_bytes()).map(|(_, status)| status), status, "{line}");
    }
}

#[test]
fn absolute_targets_give_their_authority_without_user() {
    for (target, authority, path) in [
        ("http://example.org/a?b", "example.org", "/a?b"),
        ("http://user:secret@example.org:8080", "example.org:8080", ""),
        ("https://[2001:db8::1]:443/x", "[2001:db8::1]:443", "/x"),
        ("http://example.org?u=http://other/", "example.org", "?u=http://other/"),
    ] {
        let found = start::absolute(target.as_bytes()).unwrap();
        assert_eq!(found, (authority.as_bytes(), path.as_bytes()), "{target}");
    }
    for target in ["/a://b", "*", "example.org:443", "://x", ""] {
        assert_eq!(start::absolute(target.as_bytes()), None, "{target}");
    }
}

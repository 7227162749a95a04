mod flows;

use super::{cipher::is_weak, *};
use crate::{
    application::Application,
    parse::{http::http_scheme, tls::cipher_name},
    random::Random,
};

/// What each side says in turn; a client's lines begin with `>`. Told once with whole segments, and once
/// byte for byte where the protocol has lines.
fn watch(application: Option<Application>, port: u16, talk: &[(bool, &[u8])]) -> Option<&'static str> {
    let mut watch = Watch::default();
    talk.iter().find_map(|(client, bytes)| watch.read(application, port, *client, bytes))
}

fn bytewise(application: Option<Application>, port: u16, talk: &[(bool, &[u8])]) -> Option<&'static str> {
    let mut watch = Watch::default();
    talk.iter()
        .flat_map(|(client, bytes)| bytes.iter().map(move |byte| (*client, *byte)))
        .find_map(|(client, byte)| watch.read(application, port, client, &[byte]))
}

#[test]
fn credentials_in_lines_are_found_however_they_are_cut() {
    use Application as A;
    type Case = (Option<A>, u16, &'static [u8], Option<&'static str>);
    let cases: &[Case] = &[
        (Some(A::Ftp), 2121, b"USER alice\r\nPASS hunter2\r\n", Some("ftp")),
        (None, 21, b"user alice\r\npass hunter2\r\n", Some("ftp")),
        (Some(A::Ftp), 21, b"USER anonymous\r\nPASS me@example.org\r\n", None),
        (Some(A::Ftp), 21, b"USER alice\r\nQUIT\r\n", None),
        (None, 2121, b"USER alice\r\nPASS hunter2\r\n", None),
        (Some(A::Pop3), 110, b"USER alice\r\nPASS hunter2\r\n", Some("pop3")),
        (Some(A::Pop3), 110, b"APOP alice c4c9334bac560ecc979e58001b3e22fb\r\n", None),
        (Some(A::Pop3), 110, b"AUTH PLAIN\r\nAGFsaWNlAGh1bnRlcjI=\r\n", Some("pop3")),
        (Some(A::Imap), 143, b"a1 CAPABILITY\r\na2 LOGIN alice hunter2\r\n", Some("imap")),
        (Some(A::Imap), 143, b"a1 AUTHENTICATE PLAIN AGFsaWNl\r\n", Some("imap")),
        (Some(A::Imap), 143, b"a1 AUTHENTICATE CRAM-MD5\r\nZm9v\r\n", None),
        (Some(A::Imap), 143, b"a1 APPEND x {30}\r\nplease LOGIN now quickly\r\n", None),
        (Some(A::Smtp), 25, b"EHLO me\r\nAUTH PLAIN AGFsaWNlAGh1bnRlcjI=\r\n", Some("smtp")),
        (Some(A::Smtp), 25, b"EHLO me\r\nAUTH LOGIN\r\nYWxpY2U=\r\n", Some("smtp")),
        (Some(A::Smtp), 25, b"EHLO me\r\nAUTH LOGIN\r\n*\r\n", None),
        (Some(A::Smtp), 25, b"EHLO me\r\nAUTH PLAIN =\r\n*\r\nQUIT\r\n", None),
        (Some(A::Smtp), 25, b"MAIL FROM:<a>\r\nDATA\r\nAUTH PLAIN AGFsaWNl\r\n.\r\n", None),
        (Some(A::Redis), 6379, b"*2\r\n$4\r\nAUTH\r\n$7\r\nhunter2\r\n", Some("redis")),
        (Some(A::Redis), 6379, b"*1\r\n$4\r\nPING\r\n*2\r\n$4\r\nauth\r\n$1\r\nx\r\n", Some("redis")),
        (Some(A::Redis), 6379, b"AUTH hunter2\r\n", Some("redis")),
        (Some(A::Redis), 6379, b"*2\r\n$3\r\nGET\r\n$4\r\nAUTH\r\n", None),
        (Some(A::Ssh), 21, b"PASS hunter2\r\n", None),
    ];
    for (application, port, bytes, expected) in cases {
        let talk = [(true, *bytes)];
        assert_eq!(watch(*application, *port, &talk), *expected, "{}", bytes.escape_ascii());
        assert_eq!(bytewise(*application, *port, &talk), *expected, "{}", bytes.escape_ascii());
    }
}

#[test]
fn what_a_server_asks_for_tells_what_the_client_answers() {
    use Application as A;
    let clear = b"R\0\0\0\x08\0\0\0\x03";
    let hashed = b"R\0\0\0\x0c\0\0\0\x05salt";
    let password = b"p\0\0\0\x0chunter2\0";
    let postgresql =
        |asked: &'static [u8]| watch(Some(A::Postgresql), 1, &[(false, asked), (true, password)]);
    assert_eq!(postgresql(clear), Some("postgresql"));
    assert_eq!(postgresql(hashed), None);
    let switch = b"\x16\0\0\x02\xfemysql_clear_password\0";
    let mysql = [(false, &switch[..]), (true, b"\x08\0\0\x03hunter2\0")];
    assert_eq!(watch(Some(A::Mysql), 3306, &mysql), Some("mysql"));
    assert_eq!(watch(Some(A::Mysql), 3306, &[(false, b"\x16\0\0\x02\xfecaching_sha2\0"), mysql[1]]), None);
    let telnet: [(bool, &[u8]); 4] =
        [(false, b"\xff\xfd\x18login: "), (true, b"alice\r\n"), (false, b"\r\nPassword: "), (true, b"h")];
    assert_eq!(watch(None, 23, &telnet), Some("telnet"));
    assert_eq!(watch(None, 23, &telnet[..3]), None);
    assert_eq!(bytewise(None, 23, &telnet), Some("telnet"));
}

#[test]
fn credentials_in_binary_messages_are_found() {
    use Application as A;
    let connect =
        |flags: u8| [b"\x10\x1a\0\x04MQTT\x04", &[flags][..], b"\0\x3c\0\x02id\0\x01u\0\x01p"].concat();
    assert_eq!(watch(Some(A::Mqtt), 1, &[(true, &connect(0xc2))]), Some("mqtt"));
    assert_eq!(watch(Some(A::Mqtt), 1, &[(true, &connect(0x02))]), None);
    let bind = |auth: &[u8]| {
        let mut out = vec![0x30, 0x84, 0, 0, 0, 12 + auth.len() as u8, 2, 1, 1, 0x60, 7 + auth.len() as u8];
        out.extend([2, 1, 3, 4, 2]);
        out.extend(b"cn");
        out.extend(auth);
        out
    };
    assert_eq!(watch(None, 389, &[(true, &bind(b"\x80\x03pwd"))]), Some("ldap"));
    assert_eq!(watch(None, 389, &[(true, &bind(b"\x80\x00"))]), None, "anonymous");
    assert_eq!(watch(None, 389, &[(true, &bind(b"\xa3\x03abc"))]), None, "SASL");
}

#[test]
fn what_is_encrypted_after_starttls_is_not_looked_at() {
    let talk: [(bool, &[u8]); 3] = [
        (true, b"EHLO me\r\nSTARTTLS\r\n"),
        (true, b"\x16\x03\x01\x02\0\x01"),
        (true, b"\r\nAUTH PLAIN AGFsaWNl\r\n"),
    ];
    assert_eq!(watch(Some(Application::Smtp), 587, &talk), None);
}

#[test]
fn a_gap_makes_no_command_of_two_halves() {
    let mut watch = Watch::default();
    assert_eq!(watch.read(None, 110, true, b"PAS"), None);
    watch.gap();
    assert_eq!(watch.read(None, 110, true, b"S hunter2\r\n"), None);
}

#[test]
fn only_the_beginning_of_a_connection_is_read() {
    let mut watch = Watch::default();
    let noise = [b'x'; 1000];
    for _ in 0..70 {
        assert_eq!(watch.read(None, 21, true, &noise), None);
    }
    assert_eq!(watch.read(None, 21, true, b"\r\nPASS hunter2\r\n"), None);
}

#[test]
fn fields_of_http_are_told_by_their_scheme() {
    assert_eq!(http_scheme(b"Basic YWxpY2U6aHVudGVyMg=="), Some("http basic"));
    assert_eq!(http_scheme(b"bearer abc"), Some("http bearer"));
    assert_eq!(http_scheme(b"Digest username=\"a\""), Some("http digest"));
    for value in [&b"Negotiate abc"[..], b"Basic", b"Basic  ", b""] {
        assert_eq!(http_scheme(value), None);
    }
}

#[test]
fn no_bytes_make_a_watch_fail() {
    let mut random = Random(11);
    let ports = [21, 23, 25, 110, 143, 389, 1883, 3306, 5432, 6379];
    let pieces: [&[u8]; 8] = [
        b"\x10",
        b"\x30\x84\xff\xff\xff\xff",
        b"\r\n",
        b"AUTH ",
        b"*",
        b"R\0\0\0\x08\0\0\0\x03",
        b"p",
        b"LOGIN a",
    ];
    for _ in 0..20_000 {
        let mut watch = Watch::default();
        let port = random.of(&ports);
        for _ in 0..random.below(6) {
            let mut bytes = random.of(&pieces).to_vec();
            bytes.extend((0..random.below(30)).map(|_| random.bits() as u8));
            watch.read(None, port, random.below(2) == 0, &bytes);
        }
    }
}

#[test]
fn a_suite_is_weak_when_its_name_says_so() {
    let words = ["RC4", "RC2", "3DES", "DES_CBC", "DES40", "EXPORT", "NULL", "anon", "MD5"];
    let mut named = 0;
    for suite in 0..=u16::MAX {
        let name = cipher_name(suite);
        if name.starts_with("0x") {
            continue;
        }
        named += 1;
        let says = words.iter().any(|word| name.contains(word)) || name == "TLS_SHA256_SHA256";
        let says = says || name == "TLS_SHA384_SHA384";
        assert_eq!(is_weak(suite), says, "{suite:#06x} {name}");
    }
    assert!(named > 100, "{named}");
}

#[test]
fn a_kind_is_new_once() {
    let mut told = Told::default();
    for kind in FindingKind::ALL {
        assert!(told.is_new(kind));
        assert!(!told.is_new(kind));
    }
}

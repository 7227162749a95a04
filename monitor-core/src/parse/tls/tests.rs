//! Hellos that rustls wrote, and hellos that nobody would write.

use std::sync::Arc;

use monitor_common::abi::Side;
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, SupportedProtocolVersion,
    pki_types::{PrivateKeyDer, ServerName},
};

use super::*;
use crate::{
    random::Random,
    record::{Carrier, tests::full},
};

const CLIENT: Side = Side::Upper;
const SERVER: Side = Side::Lower;

/// A client's and a server's configuration, and the certificate in DER.
fn configs(versions: &[&'static SupportedProtocolVersion]) -> (ClientConfig, ServerConfig, Vec<u8>) {
    let pair = rcgen::generate_simple_self_signed(["example.com".into(), "www.example.com".into()]).unwrap();
    let der = pair.cert.der().clone();
    let mut roots = RootCertStore::empty();
    roots.add(der.clone()).unwrap();
    let mut client = ClientConfig::builder_with_protocol_versions(versions)
        .with_root_certificates(roots)
        .with_no_client_auth();
    client.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let key = PrivateKeyDer::try_from(pair.signing_key.serialize_der()).unwrap();
    let server = ServerConfig::builder_with_protocol_versions(versions)
        .with_no_client_auth()
        .with_single_cert(vec![der.clone()], key)
        .unwrap();
    (client, server, der.to_vec())
}

/// What both sides send until the handshake is done, in turns.
fn conversation(client: &Arc<ClientConfig>, server: &Arc<ServerConfig>) -> Vec<(Side, Vec<u8>)> {
    let name = ServerName::try_from("www.example.com").unwrap();
    let mut client = ClientConnection::new(client.clone(), name).unwrap();
    let mut server = ServerConnection::new(server.clone()).unwrap();
    let mut out = Vec::new();
    for _ in 0..6 {
        let mut bytes = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut bytes).unwrap();
        }
        server.read_tls(&mut &bytes[..]).unwrap();
        // An alert is written where the handshake fails.
        let _ = server.process_new_packets();
        out.push((CLIENT, bytes));
        let mut bytes = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut bytes).unwrap();
        }
        client.read_tls(&mut &bytes[..]).unwrap();
        let _ = client.process_new_packets();
        out.push((SERVER, bytes));
    }
    out.retain(|(_, bytes)| !bytes.is_empty());
    out
}

/// A handshake of TLS 1.2 whose server has a certificate for `names`, valid between two years: whether the
/// client sent it, and the bytes.
pub(crate) fn conversation_12(names: &[&str], years: [i32; 2]) -> Vec<(bool, Vec<u8>)> {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = rcgen::CertificateParams::new(names).unwrap();
    params.not_before = rcgen::date_time_ymd(years[0], 1, 1);
    params.not_after = rcgen::date_time_ymd(years[1], 1, 1);
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    let (client, _, _) = configs(&[&rustls::version::TLS12]);
    let server = ServerConfig::builder_with_protocol_versions(&[&rustls::version::TLS12])
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        )
        .unwrap();
    let talk = conversation(&Arc::new(client), &Arc::new(server));
    talk.into_iter().map(|(side, bytes)| (side == CLIENT, bytes)).collect()
}

/// The record with a client's hello as rustls writes it.
pub(crate) fn hello_record() -> Vec<u8> {
    let (client, server, _) = configs(rustls::ALL_VERSIONS);
    conversation(&Arc::new(client), &Arc::new(server)).swap_remove(0).1
}

/// A hello with a key share as long as X25519MLKEM768's: a handshake message.
pub(crate) fn long_hello(name: &str) -> Vec<u8> {
    let extension = |kind: u16, data: &[u8]| {
        let mut out = kind.to_be_bytes().to_vec();
        out.extend((data.len() as u16).to_be_bytes());
        out.extend(data);
        out
    };
    let within = |data: &[u8]| [&(data.len() as u16).to_be_bytes()[..], data].concat();
    let host = [&[0][..], &within(name.as_bytes())].concat();
    let share = [&4588u16.to_be_bytes()[..], &within(&[7; 1216])].concat();
    let extensions = [
        extension(0x2a2a, &[]),
        extension(0, &within(&host)),
        extension(10, &within(&[0x11, 0xec, 0, 29])),
        extension(16, &within(b"\x02h2")),
        extension(13, &within(&[4, 3, 8, 4])),
        extension(43, &[4, 3, 4, 3, 3]),
        extension(51, &within(&share)),
        extension(0xfe0d, &[0; 200]),
    ]
    .concat();
    let body = [
        &[3, 3][..],
        &[9; 32],
        &[0],
        &within(&[0x3a, 0x3a, 0x13, 0x01, 0x13, 0x02]),
        &[1, 0],
        &within(&extensions),
    ]
    .concat();
    let mut out = vec![1, 0];
    out.extend((body.len() as u16).to_be_bytes());
    out.extend(body);
    out
}

/// A handshake message in records of at most `length` bytes.
fn records(message: &[u8], length: usize) -> Vec<u8> {
    let mut out = Vec::new();
    for part in message.chunks(length) {
        out.extend([22, 3, 1]);
        out.extend((part.len() as u16).to_be_bytes());
        out.extend(part);
    }
    out
}

/// Reads a whole direction; what it gave.
fn read_all(connection: &mut Connection, from: Side, bytes: &[u8]) -> Vec<connection::Read> {
    let mut at = 0;
    let mut out = Vec::new();
    loop {
        let read = connection.read(from, &bytes[at..], 5);
        let stop = read.consumed == 0;
        at += read.consumed;
        out.push(read);
        if stop {
            return out;
        }
    }
}

#[test]
fn a_hello_of_rustls_is_read_whole() {
    let record = hello_record();
    let hello = ClientHello::parse(&record[5..], Carrier::Tcp).unwrap();
    assert_eq!(hello.server_name.as_deref(), Some(&b"www.example.com"[..]));
    assert_eq!(hello.alpn, [b"h2"[..].into(), Box::from(&b"http/1.1"[..])]);
    assert_eq!((hello.versions, hello.legacy_version), (vec![0x0304, 0x0303], 0x0303));
    assert!(hello.groups.contains(&29) && hello.key_shares == [29]);
    assert!(hello.ciphers.contains(&0x1301) && !hello.signature_algorithms.is_empty());
    assert!(!hello.ech);
    assert!(hello.ja4.as_str().starts_with("t13d"), "{:?}", hello.ja4);
    assert_eq!(&hello.ja4.as_str()[8..11], "h2_");
}

#[test]
fn every_prefix_of_a_hello_is_incomplete_and_says_how_much_is_missing() {
    for message in [hello_record()[5..].to_vec(), long_hello("example.com")] {
        for length in 0..message.len() {
            match ClientHello::parse(&message[..length], Carrier::Tcp) {
                Err(Error::Incomplete { needed }) => assert!(needed > 0 && length + needed <= message.len()),
                other => panic!("{length}: {other:?}"),
            }
        }
        assert!(ClientHello::parse(&message, Carrier::Tcp).is_ok());
    }
}

#[test]
fn a_hello_is_found_in_records_of_any_length() {
    let message = long_hello("example.com");
    let whole = ClientHello::parse(&message, Carrier::Tcp).unwrap();
    for length in 1..message.len() {
        let mut connection = Connection::default();
        let read = read_all(&mut connection, CLIENT, &records(&message, length));
        let hellos: Vec<_> = read.into_iter().filter_map(|read| read.hello).collect();
        assert_eq!(hellos.len(), 1, "{length}");
        assert_eq!(*hellos[0], whole, "{length}");
    }
}

#[test]
fn a_stream_may_be_cut_anywhere() {
    let stream = records(&long_hello("example.com"), 500);
    for cut in 1..stream.len() {
        let mut connection = Connection::default();
        let first = read_all(&mut connection, CLIENT, &stream[..cut]);
        let read: usize = first.iter().map(|read| read.consumed).sum();
        let second = read_all(&mut connection, CLIENT, &stream[read..]);
        let hellos = first.iter().chain(&second).filter(|read| read.hello.is_some()).count();
        assert_eq!(hellos, 1, "{cut}");
        assert!(second.iter().all(|read| read.failure.is_none()));
    }
}

#[test]
fn beginnings_are_told_from_other_protocols() {
    let record = hello_record();
    assert!(begins_whole(&record));
    for length in 0..record.len() {
        let expected = if length < 7 { Begins::Perhaps } else { Begins::Yes };
        assert_eq!(begins(&record[..length]), expected, "{length}");
    }
    // SSL 2.0: two bytes of length, the hello, its version.
    for other in [
        &b"GET / HTTP/1.1\r\n"[..],
        b"SSH-2.0-x",
        &[0x80, 0x2e, 1, 0, 2, 0, 0x15, 0, 0, 0, 0x10],
        &[22, 3, 1, 0, 0, 1, 0],
        &[22, 3, 9, 0, 60, 1, 0],
        &[23, 3, 3, 0, 60, 1, 0],
    ] {
        assert_eq!(begins(other), Begins::No, "{other:?}");
        assert!(!begins_whole(other));
    }
}

/// What a conversation gave in all.
fn handshakes(conversation: &[(Side, Vec<u8>)]) -> Vec<Handshake> {
    let mut connection = Connection::default();
    let mut out = Vec::new();
    for (from, bytes) in conversation {
        for read in read_all(&mut connection, *from, bytes) {
            assert_eq!(read.failure, None);
            out.extend(read.finished.map(|handshake| *handshake));
        }
    }
    out.extend(connection.close().map(|handshake| *handshake));
    out
}

#[test]
fn the_answer_of_tls_1_3_is_read_and_resumption_recognised() {
    let (client, server, _) = configs(&[&rustls::version::TLS13]);
    let (client, server) = (Arc::new(client), Arc::new(server));
    let first = handshakes(&conversation(&client, &server));
    assert_eq!(first.len(), 1);
    let answer = &first[0].answer;
    assert_eq!((answer.version, answer.group), (Some(0x0304), Some(29)));
    assert!(matches!(answer.cipher, Some(0x1301..=0x1303)));
    assert_eq!((answer.resumed, answer.hello_retry, answer.alert), (Some(false), Some(false), None));
    let again = handshakes(&conversation(&client, &server));
    assert_eq!(again[0].answer.resumed, Some(true));
}

#[test]
fn the_answer_of_tls_1_2_has_group_and_certificate() {
    let (client, server, der) = configs(&[&rustls::version::TLS12]);
    let (client, server) = (Arc::new(client), Arc::new(server));
    let first = handshakes(&conversation(&client, &server));
    assert_eq!(first.len(), 1);
    let answer = &first[0].answer;
    assert_eq!((answer.version, answer.resumed), (Some(0x0303), Some(false)));
    assert!(answer.group.is_some());
    let certificate = answer.certificate.as_deref().unwrap();
    assert_eq!(certificate.names, [Box::from(&b"example.com"[..]), Box::from(&b"www.example.com"[..])]);
    assert!(certificate.self_signed);
    assert!(certificate.not_before.unwrap() < certificate.not_after.unwrap());
    assert_eq!(Certificate::from_der(&der).as_ref(), Some(certificate));
    let again = handshakes(&conversation(&client, &server));
    assert_eq!(again[0].answer.resumed, Some(true));
}

#[test]
fn a_second_hello_after_a_retry_is_a_second_handshake() {
    let (client, mut server, _) = configs(&[&rustls::version::TLS13]);
    // A server that wants another group than the client's first.
    let mut provider = rustls::crypto::ring::default_provider();
    provider.kx_groups.retain(|group| group.name() == rustls::NamedGroup::secp384r1);
    let pair = rcgen::generate_simple_self_signed(["example.com".into()]).unwrap();
    let key = PrivateKeyDer::try_from(pair.signing_key.serialize_der()).unwrap();
    server = ServerConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![pair.cert.der().clone()], key)
        .unwrap_or_else(|_| server.clone());
    let found = handshakes(&conversation(&Arc::new(client), &Arc::new(server)));
    assert_eq!(found.len(), 2);
    assert_eq!((found[0].answer.hello_retry, found[1].answer.hello_retry), (Some(true), Some(false)));
    assert_eq!((found[0].answer.group, found[1].answer.group), (Some(24), Some(24)));
    assert_eq!(found[1].hello.key_shares, [24]);
}

#[test]
fn an_alert_in_clear_text_ends_the_handshake() {
    let (client, _, _) = configs(&[&rustls::version::TLS13]);
    let (_, server, _) = configs(&[&rustls::version::TLS12]);
    let found = handshakes(&conversation(&Arc::new(client), &Arc::new(server)));
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].answer.alert, Some(70));
    let record = found[0].record(full().identity, 0);
    assert_eq!(record.alert.unwrap().as_str(), "protocol_version");
    assert_eq!(record.server_name.unwrap().as_str(), "www.example.com");
}

#[test]
fn ja4_is_that_of_the_published_text() {
    let hello = |ciphers: &[u16], extensions: &[u16], alpn: &[&[u8]]| {
        let mut hello = ClientHello::parse(&long_hello("example.com"), Carrier::Tcp).unwrap();
        hello.ciphers = ciphers.to_vec();
        hello.extensions = extensions.to_vec();
        hello.alpn = alpn.iter().map(|name| Box::from(*name)).collect();
        hello.signature_algorithms = vec![0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601];
        ja4::fingerprint(&hello).as_str().to_owned()
    };
    // The example of the text.
    let ciphers = [
        0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc013, 0xc014, 0x009c,
        0x009d, 0x002f, 0x0035, 0x6a6a,
    ];
    let extensions = [
        0x001b, 0x0000, 0x0033, 0x0010, 0x4469, 0x0017, 0x002d, 0x000d, 0x0005, 0x0023, 0x0012, 0x002b,
        0xff01, 0x000b, 0x000a, 0x0015, 0x1a1a,
    ];
    assert_eq!(hello(&ciphers, &extensions, &[b"h2"]), "t13d1516h2_8daaf6152771_e5627efa2ab1");
    // Counts stop at 99, ends that are not alphanumeric are hexadecimal.
    assert_eq!(&hello(&[1; 120], &[0x33], &[b"\xabx\xcd"])[..10], "t13i9901ad");
    assert_eq!(&hello(&[], &[], &[b"h"])[..24], "t13i0000hh_000000000000_");
    assert_eq!(&hello(&[], &[], &[])[..10], "t13i000000");
    assert_eq!(&hello(&[], &[], &[b""])[8..10], "00");
}

#[test]
fn hostile_names_come_out_escaped() {
    let message = long_hello("evil\u{202e}\x1b[31m\n<script>");
    let hello = ClientHello::parse(&message, Carrier::Tcp).unwrap();
    let mut pending = Pending::default();
    pending.begin(CLIENT, Arc::new(hello), None, 5);
    let record = pending.take().unwrap().record(full().identity, 0);
    assert_eq!(record.server_name.unwrap().as_str(), "evil\\u{202e}\\x1b[31m\\x0a<script>");
    assert!(record.ech);
    let long = ClientHello::parse(&long_hello(&"a".repeat(60_000)), Carrier::Tcp).unwrap();
    pending.begin(CLIENT, Arc::new(long), None, 5);
    assert_eq!(pending.take().unwrap().record(full().identity, 0).server_name.unwrap().as_str().len(), 255);
}

#[test]
fn no_bytes_make_the_parsers_panic() {
    let mut random = Random(3);
    let seeds = [hello_record(), records(&long_hello("example.com"), 300)];
    for round in 0..20_000 {
        let mut bytes = random.of(&[&seeds[0], &seeds[1]]).clone();
        for _ in 0..random.below(8) {
            let at = random.below(bytes.len() as u64) as usize;
            bytes[at] = random.bits() as u8;
        }
        bytes.truncate(random.below(bytes.len() as u64 + 1) as usize);
        let mut connection = Connection::default();
        let from = if round % 2 == 0 { CLIENT } else { SERVER };
        read_all(&mut connection, from, &bytes);
        Dtls::default().read(from, &bytes, 0);
        let _ = ClientHello::parse(bytes.get(5..).unwrap_or_default(), Carrier::Dtls);
        let _ = ServerHello::parse(bytes.get(5..).unwrap_or_default());
        let _ = Certificate::from_der(&bytes);
    }
}

#[test]
fn a_certificate_cut_anywhere_is_none_or_less() {
    let (_, _, der) = configs(rustls::ALL_VERSIONS);
    for length in 0..der.len() {
        assert_eq!(Certificate::from_der(&der[..length]), None, "{length}");
    }
}

/// A datagram with one fragment of a message.
fn datagram(kind: u8, message: &[u8], sequence: u16, range: std::ops::Range<usize>) -> Vec<u8> {
    let length = (message.len() as u32).to_be_bytes();
    let mut piece = vec![kind];
    piece.extend(&length[1..]);
    piece.extend(sequence.to_be_bytes());
    piece.extend(&(range.start as u32).to_be_bytes()[1..]);
    piece.extend(&(range.len() as u32).to_be_bytes()[1..]);
    piece.extend(&message[range]);
    let mut out = vec![22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 1];
    out.extend((piece.len() as u16).to_be_bytes());
    out.extend(piece);
    out
}

/// The body of a hello of DTLS 1.2: the same with a cookie.
fn dtls_hello() -> Vec<u8> {
    let mut body = long_hello("example.com")[4..].to_vec();
    body[0] = 0xfe;
    body[1] = 0xfd;
    body.insert(35, 0);
    body
}

#[test]
fn fragments_of_dtls_are_put_together_in_any_order() {
    let body = dtls_hello();
    let cuts = [0, 400, 1000, 1200, body.len()];
    for order in [[0, 1, 2, 3], [3, 2, 1, 0], [1, 0, 3, 2], [2, 3, 0, 1]] {
        let mut connection = Dtls::default();
        let mut hellos = Vec::new();
        for index in order {
            let packet = datagram(1, &body, 0, cuts[index]..cuts[index + 1]);
            assert!(is_dtls(&packet));
            hellos.extend(connection.read(CLIENT, &packet, 0).hello);
        }
        assert_eq!(hellos.len(), 1);
        assert_eq!(hellos[0].server_name.as_deref(), Some(&b"example.com"[..]));
        assert!(hellos[0].ja4.as_str().starts_with("d12"), "{:?}", hellos[0].ja4);
        // The same again is no other hello; the one that answers a cookie is.
        assert!(connection.read(CLIENT, &datagram(1, &body, 0, 0..body.len()), 0).hello.is_none());
        let verify = connection.read(SERVER, &datagram(3, &[0xfe, 0xff, 0], 0, 0..3), 0);
        assert_eq!(verify.finished.unwrap().answer.hello_retry, Some(true));
        assert!(connection.read(CLIENT, &datagram(1, &body, 1, 0..body.len()), 0).hello.is_some());
        assert!(connection.close().is_some());
    }
}

#[test]
fn a_hello_of_dtls_before_its_standard_is_read() {
    // As OpenSSL before 0.9.8f and AnyConnect write it: version 1.0 in record and hello, no extensions.
    let mut body = vec![1, 0];
    body.extend([7; 32]);
    body.extend([0, 0, 0, 2, 0, 0x39, 1, 0]);
    let mut packet = datagram(1, &body, 0, 0..body.len());
    packet[1..3].copy_from_slice(&[1, 0]);
    assert!(is_dtls(&packet));
    let hello = Dtls::default().read(CLIENT, &packet, 0).hello.expect("a hello");
    assert_eq!((hello.ciphers.as_slice(), hello.server_name.as_deref()), (&[0x39][..], None));
    assert_eq!(hello.ja4.as_str(), "d00i010000_2cfe23c976cf_000000000000");
    packet[2] = 1;
    assert!(!is_dtls(&packet));
}

//! Packets of the RFCs, and packets that are sealed here with hellos of rustls.

use std::sync::Arc;

use monitor_common::abi::Side;
use rustls::{ClientConfig, RootCertStore, pki_types::ServerName};

use super::{initials::begins, keys::seal, *};
use crate::{parse::tls::tests::long_hello, random::Random};

const CLIENT: Side = Side::Lower;
const SERVER: Side = Side::Upper;
const V1: u32 = 1;
const V2: u32 = 0x6b33_43cf;

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> =
        text.chars().filter(|c| !c.is_whitespace()).map(|c| c.to_digit(16).unwrap() as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

/// The CRYPTO frame of RFC 9001, A.2.
const CRYPTO: &str = "060040f1010000ed0303ebf8fa56f12939b9584a3896472ec40bb863cfd3e86804fe3a47f06a2b69484c\
    00000413011302010000c000000010000e00000b6578616d706c652e636f6dff01000100000a00080006001d00170018001000\
    07000504616c706e000500050100000000003300260024001d00209370b2c9caa47fbabaf4559fedba753de171fa71f50f1ce1\
    5d43e994ec74d748002b0003020304000d0010000e0403050306030203080408050806002d00020101001c0002400100390032\
    0408ffffffffffffffff05048000ffff07048000ffff0801100104800075300901100f088394c8f03e51570806048000ffff";

const CONNECTION: [u8; 8] = [0x83, 0x94, 0xc8, 0xf0, 0x3e, 0x51, 0x57, 0x08];

/// The server's Initial of RFC 9001, A.3.
const SERVER_INITIAL: &str = "cf000000010008f067a5502a4262b5004075c0d95a482cd0991cd25b0aac406a5816b6394100f3\
    7a1c69797554780bb38cc5a99f5ede4cf73c3ec2493a1839b3dbcba3f6ea46c5b7684df3548e7ddeb9c3bf9c73cc3f3bded74b\
    562bfb19fb84022f8ef4cdd93795d77d06edbb7aaf2f58891850abbdca3d20398c276456cbc42158407dd074ee";

/// An Initial of the client with the keys of `original`.
pub(crate) fn initial(
    version: u32,
    original: &[u8],
    destination: &[u8],
    number: u32,
    frames: &[u8],
) -> Vec<u8> {
    let suite = suite(version).unwrap();
    let keys = Keys::new(&suite, original, Sealed::ByClient).unwrap();
    let mut header = vec![0xc3 | suite.initial << 4];
    header.extend(version.to_be_bytes());
    header.push(destination.len() as u8);
    header.extend(destination);
    header.extend([0, 0]);
    header.extend((0x4000 | (4 + frames.len() + 16) as u16).to_be_bytes());
    header.extend(number.to_be_bytes());
    seal(&keys, &header, frames)
}

/// A CRYPTO frame.
pub(crate) fn crypto(offset: usize, bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![6];
    out.extend((0x4000 | offset as u16).to_be_bytes());
    out.extend((0x4000 | bytes.len() as u16).to_be_bytes());
    out.extend(bytes);
    out
}

fn padded(mut frames: Vec<u8>, length: usize) -> Vec<u8> {
    frames.resize(length.max(frames.len()), 0);
    frames
}

/// The names that a client's datagrams gave.
fn names<'a>(datagrams: impl IntoIterator<Item = &'a Vec<u8>>) -> Vec<String> {
    let mut initials = Initials::default();
    let mut scratch = Vec::new();
    datagrams
        .into_iter()
        .filter_map(|datagram| initials.read(CLIENT, datagram, 0, &mut scratch).hello)
        .map(|hello| String::from_utf8(hello.server_name.as_deref().unwrap().to_vec()).unwrap())
        .collect()
}

#[test]
fn packets_of_the_rfcs_are_sealed_and_opened() {
    // RFC 9001, A.2 and RFC 9369, A.2: first bytes, and the tag, which covers all others.
    let cases = [
        (
            V1,
            "c000000001088394c8f03e5157080000449e7b9aec34d1b1c98dd7689fb8ec11",
            "e221af44860018ab0856972e194cd934",
        ),
        (
            V2,
            "d76b3343cf088394c8f03e5157080000449ea0c95e82ffe67b6abcdb4298b485",
            "a18b2faa745b6fe189cf772a9f84cbfc",
        ),
    ];
    for (version, first, tag) in cases {
        let packet = initial(version, &CONNECTION, &CONNECTION, 2, &padded(unhex(CRYPTO), 1162));
        assert_eq!(packet.len(), 1200);
        assert!(packet.starts_with(&unhex(first)) && packet.ends_with(&unhex(tag)), "{version:x}");
        assert!(begins(&packet));
        assert_eq!(names([&packet]), ["example.com"]);
    }
}

#[test]
fn the_servers_answer_is_read() {
    let mut initials = Initials::default();
    let mut scratch = Vec::new();
    let packet = initial(V1, &CONNECTION, &CONNECTION, 2, &padded(unhex(CRYPTO), 1162));
    assert!(initials.read(CLIENT, &packet, 7, &mut scratch).hello.is_some());
    let read = initials.read(SERVER, &unhex(SERVER_INITIAL), 9, &mut scratch);
    let handshake = read.finished.unwrap();
    assert_eq!((handshake.time, handshake.quic_version), (7, Some(V1)));
    let answer = &handshake.answer;
    assert_eq!((answer.version, answer.cipher, answer.group), (Some(0x0304), Some(0x1301), Some(29)));
    assert!(initials.is_done());
}

#[test]
fn a_hello_of_rustls_is_read_from_every_version() {
    let config = ClientConfig::builder_with_protocol_versions(&[&rustls::version::TLS13])
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    let name = ServerName::try_from("www.example.org").unwrap();
    let mut connection = rustls::quic::ClientConnection::new(
        Arc::new(config),
        rustls::quic::Version::V1,
        name,
        b"transport parameters".to_vec(),
    )
    .unwrap();
    let mut hello = Vec::new();
    connection.write_hs(&mut hello);
    for version in [V1, V2, 0xff00_0016, 0xff00_0017, 0xff00_001c, 0xff00_001d, 0xff00_0020, 0xff00_0022] {
        let packet = initial(version, b"12345678", b"12345678", 0, &padded(crypto(0, &hello), 1100));
        assert_eq!(names([&packet]), ["www.example.org"], "{version:x}");
    }
}

#[test]
fn frames_come_in_any_order_over_packets_and_datagrams() {
    let hello = long_hello("scrambled.example");
    let cuts = [0, 1, 300, 900, 1300, hello.len()];
    let frame = |index: usize| crypto(cuts[index], &hello[cuts[index]..cuts[index + 1]]);
    let mut random = Random(5);
    for _ in 0..40 {
        let mut order = [0, 1, 2, 3, 4];
        for index in (1..5).rev() {
            order.swap(index, random.below(index as u64 + 1) as usize);
        }
        let cut = 1 + random.below(4) as usize;
        // ACK and PING stand between; some frames come twice.
        let ack = [2, 0, 0, 0, 0, 1];
        let frames = |part: &[usize]| {
            let all: Vec<_> = part.iter().flat_map(|index| [frame(*index), ack.to_vec()].concat()).collect();
            padded(all, 40)
        };
        let one = initial(V1, &CONNECTION, &CONNECTION, 0, &frames(&order[..cut]));
        let two = initial(V1, &CONNECTION, &CONNECTION, 1, &frames(&order[cut - 1..]));
        assert_eq!(names([&one, &two]), ["scrambled.example"], "{order:?} {cut}");
        assert_eq!(names([&two, &one]), ["scrambled.example"], "{order:?} {cut}");
        let together = [one.clone(), two.clone()].concat();
        assert_eq!(names([&together]), ["scrambled.example"]);
        assert_eq!(names([&one, &one, &two, &two, &one]), ["scrambled.example"]);
    }
}

#[test]
fn early_data_beside_the_hello_is_passed_over() {
    let hello = initial(V1, &CONNECTION, &CONNECTION, 0, &padded(unhex(CRYPTO), 600));
    // RFC 9000, 17.2.3: a type and a length, and then what the keys of Initials do not open.
    let mut early = vec![0xd3];
    early.extend(V1.to_be_bytes());
    early.push(CONNECTION.len() as u8);
    early.extend(CONNECTION);
    early.extend([0, 0x40, 200]);
    early.extend([0x5a; 200]);
    for datagram in [[&hello[..], &early].concat(), [&early[..], &hello].concat()] {
        assert_eq!(names([&datagram]), ["example.com"]);
    }
    let mut initials = Initials::default();
    let read = initials.read(CLIENT, &early, 0, &mut Vec::new());
    assert!(read.hello.is_none() && read.failure.is_none() && !initials.is_done());
    assert!(initials.read(CLIENT, &hello, 0, &mut Vec::new()).hello.is_some());
}

#[test]
fn the_servers_identifier_changes_no_key_and_a_retry_does() {
    let hello = long_hello("example.com");
    let (front, back) = hello.split_at(700);
    let first = initial(V1, &CONNECTION, &CONNECTION, 0, &crypto(0, front));
    let moved = initial(V1, &CONNECTION, b"servers", 1, &crypto(700, back));
    assert_eq!(names([&first, &moved]), ["example.com"]);
    // After a Retry all is sent again with keys of the new identifier.
    let retried = [
        initial(V1, b"retry-id", b"retry-id", 1, &crypto(0, front)),
        initial(V1, b"retry-id", b"retry-id", 2, &crypto(700, back)),
    ];
    let mut retry = vec![0xf0, 0, 0, 0, 1, 0, 8];
    retry.extend(b"retry-id token and a tag of sixteen");
    assert_eq!(names([&first, &retry, &retried[0], &retried[1]]), ["example.com"]);
}

#[test]
fn packets_that_no_key_opens_give_nothing_and_end() {
    let mut packet = initial(V1, &CONNECTION, &CONNECTION, 0, &padded(unhex(CRYPTO), 1162));
    let at = packet.len() - 1;
    packet[at] ^= 1;
    let mut initials = Initials::default();
    let mut scratch = Vec::new();
    let mut reads = 0;
    while !initials.is_done() {
        let read = initials.read(CLIENT, &packet, 0, &mut scratch);
        assert!(read.hello.is_none());
        reads += 1;
        assert!(reads < 200);
    }
    let unknown = [0xc3, 0x1a, 0x2b, 0x3a, 0x4a, 0, 0, 0];
    let read = Initials::default().read(CLIENT, &unknown, 0, &mut scratch);
    assert_eq!(read.failure, Some(Failure::Version(0x1a2b_3a4a)));
    assert!(!begins(&unknown));
}

#[test]
fn a_stream_that_is_never_whole_is_bounded() {
    let mut initials = Initials::default();
    let mut scratch = Vec::new();
    // A message that claims to be 16 MiB long.
    let mut frames = crypto(0, &[1, 0xff, 0xff, 0xff]);
    frames.extend(crypto(1000, &[0; 300]));
    for number in 0..500 {
        let packet = initial(V1, &CONNECTION, &CONNECTION, number, &frames);
        initials.read(CLIENT, &packet, 0, &mut scratch);
        assert!(initials.memory() < 128 * 1024);
    }
    assert!(initials.is_done());
}

/// A CHLO with padding before its name, as Chromium sent it.
fn chlo() -> Vec<u8> {
    let mut out = b"CHLO\x02\0\0\0PAD\0".to_vec();
    out.extend(100u32.to_le_bytes());
    out.extend(b"SNI\0");
    out.extend(111u32.to_le_bytes());
    out.extend([b'-'; 100]);
    out.extend(b"example.com");
    out
}

#[test]
fn googles_own_handshake_gives_its_name() {
    // Q043: flags, identifier, version, packet number, hash, stream frame.
    let mut clear = vec![0x0d];
    clear.extend(b"12345678Q043\0\0\0\x01");
    clear.extend([0; 12]);
    clear.extend([0xa0, 1, 0, 0]);
    clear.extend(chlo());
    // Q046: a long header, and no encryption.
    let mut long = vec![0xc3];
    long.extend(b"Q046\x0812345678\0");
    long.extend([0; 16]);
    long.extend(chlo());
    let sealed = initial(0x5130_3530, b"12345678", b"12345678", 1, &padded(chlo(), 600));
    for (datagram, version) in [(clear, "Q043"), (long, "Q046"), (sealed, "Q050")] {
        assert!(begins(&datagram), "{version}");
        let mut initials = Initials::default();
        let read = initials.read(CLIENT, &datagram, 0, &mut Vec::new());
        assert_eq!(read.google_name.as_deref(), Some(&b"example.com"[..]), "{version}");
        assert_eq!(version_name(read.version.unwrap()), version);
        assert!(initials.is_done());
    }
    let whole = chlo();
    for length in 0..whole.len() {
        assert_eq!(google_server_name(&whole[..length]), None);
    }
}

#[test]
fn no_datagram_makes_the_parsers_panic() {
    let mut random = Random(11);
    let good = initial(V1, &CONNECTION, &CONNECTION, 2, &padded(unhex(CRYPTO), 300));
    let mut scratch = Vec::new();
    for round in 0..2_000 {
        let mut bytes = if round % 3 == 0 { chlo() } else { good.clone() };
        for _ in 0..random.below(6) {
            let at = random.below(bytes.len() as u64) as usize;
            bytes[at] = random.bits() as u8;
        }
        bytes.truncate(random.below(bytes.len() as u64 + 1) as usize);
        let mut initials = Initials::default();
        initials.read(CLIENT, &bytes, 0, &mut scratch);
        initials.read(SERVER, &bytes, 0, &mut scratch);
        // Frames are hostile too: the client itself seals them.
        let frames: Vec<u8> = (0..random.below(60)).map(|_| random.bits() as u8 & 0x9f).collect();
        let packet = initial(V1, &CONNECTION, &CONNECTION, 3, &padded(frames, 40));
        initials.read(CLIENT, &packet, 0, &mut scratch);
    }
}

#[test]
fn a_hello_that_is_asked_for_again_is_the_one_of_its_connection() {
    let first = initial(V1, &CONNECTION, &CONNECTION, 1, &padded(unhex(CRYPTO), 1162));
    let mut retry = vec![0xf0, 0, 0, 0, 1, 0, 8];
    retry.extend(b"retry-id token and a tag of sixteen");
    let versions = unhex("8000000000 00 08 8394c8f03e515708 6b3343cf");
    // With another version the client makes another hello.
    let other = unhex(&CRYPTO.replace("ebf8fa56", "00000000"));
    for (again, version, crypto) in [(&retry, V1, unhex(CRYPTO)), (&versions, V2, other)] {
        let second = initial(version, b"retry-id", b"retry-id", 2, &padded(crypto, 1162));
        let (mut initials, mut scratch) = (Initials::default(), Vec::new());
        assert!(initials.read(CLIENT, &first, 1, &mut scratch).hello.is_some());
        initials.read(SERVER, again, 2, &mut scratch);
        assert_eq!(initials.read(CLIENT, &second, 3, &mut scratch).finished, None);
        let handshake = initials.close().unwrap();
        assert_eq!((handshake.time, handshake.quic_version), (1, Some(version)));
        assert_eq!(handshake.answer.hello_retry, None);
    }
    // What nobody acts on changes nothing.
    let (mut initials, mut scratch) = (Initials::default(), Vec::new());
    initials.read(CLIENT, &first, 1, &mut scratch);
    initials.read(SERVER, &retry, 2, &mut scratch);
    let handshake = initials.read(SERVER, &unhex(SERVER_INITIAL), 3, &mut scratch).finished.unwrap();
    assert_eq!(handshake.answer.hello_retry, Some(false));
}

#[test]
fn another_connection_between_the_same_ports_has_a_hello_of_its_own() {
    let first = initial(V1, &CONNECTION, &CONNECTION, 1, &padded(unhex(CRYPTO), 1162));
    let other = unhex(&CRYPTO.replace("ebf8fa56", "00000000"));
    let second = initial(V1, b"another1", b"another1", 1, &padded(other, 1162));
    let (mut initials, mut scratch) = (Initials::default(), Vec::new());
    initials.read(CLIENT, &first, 1, &mut scratch);
    assert_eq!(initials.read(CLIENT, &second, 3, &mut scratch).finished.unwrap().time, 1);
    assert_eq!(initials.close().unwrap().time, 3);
}

#[test]
fn initials_of_reserved_versions_are_read_whatever_they_were_meant_for() {
    // RFC 9000, 15; the salt is that of the version that the client would have liked.
    for meant in [V1, 0xff00_001d, 0xff00_001b] {
        let suite = suite(meant).unwrap();
        let keys = Keys::new(&suite, &CONNECTION, Sealed::ByClient).unwrap();
        let frames = padded(unhex(CRYPTO), 1162);
        let mut header = vec![0xc3];
        header.extend(0x1a2a_3a4a_u32.to_be_bytes());
        header.push(8);
        header.extend(CONNECTION);
        header.extend([0, 0]);
        header.extend((0x4000 | (4 + frames.len() + 16) as u16).to_be_bytes());
        header.extend(0_u32.to_be_bytes());
        let packet = seal(&keys, &header, &frames);
        assert!(begins(&packet));
        assert_eq!(names([&packet, &packet]), ["example.com"], "{meant:x}");
    }
    assert!(!begins(&[0xaa; 1200]), "an identifier that is too long");
    assert!(!begins(&[0xca, 0xaa, 0xaa, 0xaa, 0xaa, 8]), "too short");
}

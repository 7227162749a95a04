//! What comes out of messages that mean well.

use simple_dns::{CLASS, Name, Packet, QCLASS, QTYPE, Question, ResourceRecord, TYPE, rdata::*};

use super::build::{Build, lines, record, wire};
use crate::{
    parse::dns::{DnsError, Message, public_names},
    random::Random,
};

#[test]
fn a_response_of_another_writer_comes_out_whole() {
    let name = Name::new_unchecked;
    let mut packet = Packet::new_reply(4711);
    let question =
        Question::new(name("www.example.org"), QTYPE::TYPE(TYPE::A), QCLASS::CLASS(CLASS::IN), false);
    packet.questions.push(question);
    let text = TXT::new().with_string("a \"b\"").unwrap().with_string("\u{1b}[31m").unwrap();
    let [mx, sip] = ["mx.example.org", "sip.example.org"].map(name);
    for (owner, data) in [
        ("www.example.org", RData::CNAME(name("web.example.net").into())),
        ("web.example.net", RData::A(A { address: 0xc000_0207 })),
        ("web.example.net", RData::AAAA(AAAA { address: 0x2001_0db8 << 96 | 7 })),
        ("example.org", RData::MX(MX { preference: 10, exchange: mx })),
        ("_sip._udp.example.org", RData::SRV(SRV { priority: 1, weight: 2, port: 5060, target: sip })),
        ("example.org", RData::TXT(text)),
        ("7.2.0.192.in-addr.arpa", RData::PTR(name("web.example.net").into())),
    ] {
        packet.answers.push(ResourceRecord::new(name(owner), CLASS::IN, 300, data));
    }
    let authority = RData::SOA(SOA {
        mname: name("ns.example.org"),
        rname: name("admin.example.org"),
        serial: 1,
        refresh: 2,
        retry: 3,
        expire: 4,
        minimum: 5,
    });
    packet.name_servers.push(ResourceRecord::new(name("example.org"), CLASS::IN, 60, authority));
    let bytes = packet.build_bytes_vec_compressed().unwrap();
    let (found, error) = record(&bytes);
    assert_eq!(error, None);
    assert_eq!((found.id, found.response, found.rcode), (4711, true, Some(0)));
    assert_eq!(
        (found.questions[0].name.as_str(), found.questions[0].r#type.as_str()),
        ("www.example.org", "A")
    );
    assert_eq!(
        lines(&found.answers),
        [
            "www.example.org CNAME 300 web.example.net",
            "web.example.net A 300 192.0.2.7",
            "web.example.net AAAA 300 2001:db8::7",
            "example.org MX 300 10 mx.example.org",
            "_sip._udp.example.org SRV 300 1 2 5060 sip.example.org",
            "example.org TXT 300 \"a \"b\"\" \"\\x1b[31m\"",
            "7.2.0.192.in-addr.arpa PTR 300 web.example.net",
        ]
    );
    assert_eq!(lines(&found.authority), ["example.org SOA 60 ns.example.org admin.example.org 1 2 3 4 5"]);
}

#[test]
fn additional_records_are_no_answers() {
    let bytes = Build::response(1, "example.org", 1).record_of(3, &[0], 41, 0, &[]).bytes;
    let (found, error) = record(&bytes);
    assert_eq!((error, found.answers.len(), found.authority.len()), (None, 0, 0));
}

#[test]
fn a_response_code_has_its_upper_bits_in_the_record_of_edns() {
    // BADVERS is 16: nothing in the header, 1 in the first byte of the time to live.
    let bytes = Build::response(1, "example.org", 1).record_of(3, &[0], 41, 0x0100_8000, &[]).bytes;
    assert_eq!(record(&bytes).0.rcode, Some(16));
    let query = Build::query(1, "example.org", 1).record_of(3, &[0], 41, 0x0100_8000, &[]).bytes;
    assert_eq!(record(&query).0.rcode, None);
}

#[test]
fn an_update_has_no_answers() {
    let bytes =
        Build::new(1, 0x2800).question("example.org", 6).answer("a.example.org", 1, 60, &[1, 2, 3, 4]);
    let (found, error) = record(&bytes.bytes);
    assert_eq!((error, found.questions.len(), found.answers.len()), (None, 1, 0));
    assert_eq!(found.opcode, 5);
}

#[test]
fn types_are_named_as_registered_else_numbered() {
    for (number, text) in
        [(1, "A"), (65, "HTTPS"), (255, "ANY"), (32769, "DLV"), (54, "54"), (65_280, "65280")]
    {
        let (found, _) = record(&Build::query(1, "x", number).bytes);
        assert_eq!(found.questions[0].r#type.as_str(), text);
    }
}

#[test]
fn odd_bytes_in_labels_are_escaped() {
    let mut owner = vec![9];
    owner.extend_from_slice(b"a.b\\c\x00\xff d");
    owner.push(0);
    let message = Build::response(1, "x", 1).record_of(1, &owner, 12, 1, &wire("My Printer"));
    let (found, _) = record(&message.bytes);
    assert_eq!(found.answers[0].name.as_str(), "a\\x2eb\\x5cc\\x00\\xff d");
    assert_eq!(found.answers[0].data.as_ref().unwrap().as_str(), "My Printer");
    assert_eq!(record(&Build::query(1, "", 2).bytes).0.questions[0].name.as_str(), "");
}

#[test]
fn names_that_are_too_long_for_text_end_between_pieces() {
    let labels = [vec![63u8], vec![0xff; 63]].concat().repeat(3);
    let message = Build::response(1, "x", 1).record_of(1, &[labels, vec![0]].concat(), 1, 1, &[1, 2, 3, 4]);
    let (found, error) = record(&message.bytes);
    assert_eq!(error, None);
    assert_eq!(found.answers[0].name.as_str(), "\\xff".repeat(63) + ".");
}

/// An `ECHConfigList` with a configuration of an unknown version and one that shows `name`.
fn ech_list(name: &str) -> Vec<u8> {
    let mut contents = vec![7, 0, 0x20, 0, 4, 1, 2, 3, 4, 0, 4, 0, 1, 0, 1, 0, name.len() as u8];
    contents.extend_from_slice(name.as_bytes());
    contents.extend_from_slice(&[0, 0]);
    let mut list = vec![0xfe, 0x0a, 0, 2, 9, 9, 0xfe, 0x0d];
    list.extend_from_slice(&(contents.len() as u16).to_be_bytes());
    list.extend_from_slice(&contents);
    [(list.len() as u16).to_be_bytes().to_vec(), list].concat()
}

fn https_data(parameters: &[(u16, &[u8])]) -> Vec<u8> {
    let mut data = vec![0, 1, 0];
    for (key, value) in parameters {
        data.extend_from_slice(&key.to_be_bytes());
        data.extend_from_slice(&(value.len() as u16).to_be_bytes());
        data.extend_from_slice(value);
    }
    data
}

#[test]
fn https_records_show_their_parameters() {
    let data = https_data(&[
        (1, b"\x02h3\x02h2"),
        (3, &[0x20, 0xfb]),
        (4, &[192, 0, 2, 1, 192, 0, 2, 2]),
        (6, &[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]),
        (65_280, b"x"),
    ]);
    let message = Build::response(1, "example.org", 65).answer("example.org", 65, 60, &data);
    assert_eq!(
        lines(&record(&message.bytes).0.answers),
        [
            "example.org HTTPS 60 1  alpn=h3,h2 port=8443 ipv4hint=192.0.2.1,192.0.2.2 ipv6hint=2001:db8::1 key65280=78"
        ]
    );
}

#[test]
fn the_public_name_of_an_encrypted_hello_is_found() {
    let data = https_data(&[(1, b"\x02h2"), (5, &ech_list("public.example"))]);
    for cut in 0..=data.len() {
        let message = Build::response(1, "example.org", 65).answer("example.org", 65, 60, &data[..cut]).bytes;
        let message = Message::new(&message).unwrap();
        let mut names = Vec::new();
        for entry in message.entries().flatten() {
            if let crate::parse::dns::Entry::Record(record) = entry {
                names.extend(public_names(&record).map(<[u8]>::to_vec));
            }
        }
        let whole = cut == data.len();
        assert_eq!(names, if whole { vec![b"public.example".to_vec()] } else { vec![] }, "{cut}");
    }
}

#[test]
fn a_record_that_is_cut_is_told_as_far_as_it_goes() {
    let whole = Build::response(1, "example.org", 1)
        .answer("example.org", 1, 60, &[192, 0, 2, 1])
        .answer("example.org", 1, 60, &[192, 0, 2, 2])
        .bytes;
    let told = |cut: usize| {
        let (found, error) = record(&whole[..whole.len() - cut]);
        assert_eq!(error, (cut != 0).then_some(DnsError::Truncated));
        assert_eq!(found.truncated, cut != 0);
        lines(&found.answers)
    };
    assert_eq!(told(0), ["example.org A 60 192.0.2.1", "example.org A 60 192.0.2.2"]);
    assert_eq!(told(1), ["example.org A 60 192.0.2.1", "example.org A 60 -"]);
    assert_eq!(told(7), ["example.org A 60 192.0.2.1", "example.org A - -"]);
    assert_eq!(told(11), ["example.org A 60 192.0.2.1"]);
}

#[test]
fn a_header_that_announces_what_is_not_there_is_noise() {
    let noise = |bytes: &[u8]| Message::new(bytes).is_ok_and(|message| message.is_noise());
    assert!(noise(b"AAAAAAAAAAAA") && noise(&[0x12; 12]) && noise(&[0xff; 9]));
    // Nothing is asked, or a question is announced and left out.
    assert!(noise(&[1, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]) && noise(&[1, 2, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]));
    // A refusal without its question, and the begin of a query.
    assert!(!noise(&[1, 2, 0x80, 5, 0, 0, 0, 0, 0, 0, 0, 0]));
    assert!(!noise(&[1, 2, 1, 0, 0, 1, 0, 0, 0]));
}

#[test]
fn bytes_that_are_longer_than_a_header_and_no_message_are_noise() {
    let noise = |bytes: &[u8]| Message::new(bytes).is_ok_and(|message| message.is_noise());
    assert!(noise(b"hello world junk") && noise(b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n"));
    assert!(noise(&[0; 40]) && noise(&[0xff; 40]) && noise(&[0; 13]));
    let mut random = Random(9);
    let junk = (0..10_000).filter(|_| {
        let bytes: Vec<u8> = (0..60).map(|_| random.bits() as u8).collect();
        !noise(&bytes)
    });
    // Flags that happen to be those of a message.
    assert!(junk.count() < 1_000);

    let query = [&[1, 2, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0][..], b"\x07example\x03org\0\0\x01\0\x01"].concat();
    assert!(!noise(&query));
    // Whatever word of its header is damaged, and its question.
    for at in 2..6 {
        let mut damaged = query.clone();
        damaged[at * 2..at * 2 + 2].fill(0xaa);
        assert!(!noise(&damaged), "word {at}");
    }
    let mut damaged = query.clone();
    damaged[12] = 0x7f;
    assert!(!noise(&damaged));
    // All behind its flags.
    damaged[4..].fill(0xaa);
    assert!(!noise(&damaged));
    // Known answers in a query of multicast DNS, a stateful operation, and a query of nothing but a cookie.
    let mut known = query.clone();
    (known[7], known[27]) = (1, 0x80);
    assert!(!noise(&known));
    assert!(!noise(&[1, 2, 0x30, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0]));
    assert!(!noise(&[1, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 41, 4, 0xd0, 0, 0, 0, 0, 0, 0]));
}

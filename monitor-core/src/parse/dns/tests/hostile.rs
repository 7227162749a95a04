//! Messages that mean harm, and accidents.

use super::build::{Build, record};
use crate::{
    parse::dns::{DnsError, Entry, Message},
    random::Random,
};

/// Reads everything that can be read of a message.
fn read_all(bytes: &[u8]) -> usize {
    let Ok(message) = Message::new(bytes) else { return 0 };
    let _ = message.is_plausible();
    for entry in message.entries().flatten() {
        if let Entry::Record(record) = entry {
            let _ = (record.text(), record.address(), record.alias());
            let _ = crate::parse::dns::public_names(&record).count();
        }
    }
    let (record, _) = record(bytes);
    record.answers.iter().chain(&record.authority).map(|a| a.name.as_str().len()).sum()
}

fn rich() -> Vec<u8> {
    Build::response(1, "www.example.org", 65)
        .record_of(1, &[0xc0, 12], 5, 60, &[3, b'w', b'e', b'b', 0xc0, 16])
        .record_of(1, &[0xc0, 16], 65, 60, &[0, 1, 0, 0, 1, 0, 3, 2, b'h', b'2'])
        .record_of(1, &[0xc0, 16], 16, 60, b"\x03abc\x00\x02de")
        .record_of(2, &[0xc0, 16], 6, 60, &[&[0xc0, 12, 0xc0, 16][..], &[7; 20]].concat())
        .record_of(3, &[0], 41, 0, &[])
        .bytes
}

#[test]
fn every_prefix_is_read_as_far_as_it_goes() {
    let whole = rich();
    let mut before = 0;
    for end in 0..=whole.len() {
        let now = read_all(&whole[..end]);
        assert!(now >= before, "{end}");
        before = now;
    }
    assert_eq!(record(&whole).1, None);
}

#[test]
fn no_bytes_make_it_fail() {
    let whole = rich();
    let mut random = Random(3);
    for _ in 0..20_000 {
        let mut bytes = whole.clone();
        for _ in 0..=random.below(8) {
            let at = random.below(bytes.len() as u64) as usize;
            let any = random.bits() as u8;
            bytes[at] = random.of(&[0, 0x3f, 0x40, 0xc0, 0xff, any]);
        }
        read_all(&bytes);
        let noise: Vec<u8> = (0..random.below(200)).map(|_| random.bits() as u8).collect();
        read_all(&noise);
    }
}

#[test]
fn pointers_in_a_circle_end() {
    for circle in [&[0xc0, 12][..], &[0xc0, 14, 0xc0, 12], &[1, b'a', 0xc0, 12], &[0xff, 0xff]] {
        let bytes = Build::new(1, 0x8000).announce(0, 1).raw(circle).raw(&[0, 1, 0, 1]).bytes;
        let (found, error) = record(&bytes);
        let expected = match circle {
            [1, ..] => DnsError::NameTooLong,
            [0xff, ..] => DnsError::Truncated,
            _ => DnsError::Pointers,
        };
        assert_eq!((found.questions.len(), error), (0, Some(expected)));
    }
}

#[test]
fn reserved_label_forms_end_the_reading() {
    for first in [0x40, 0x7f, 0x80, 0xbf] {
        let bytes = Build::new(1, 0).announce(0, 1).raw(&[first, 0, 0, 1, 0, 1]).bytes;
        assert_eq!(record(&bytes).1, Some(DnsError::Label(first)));
    }
}

#[test]
fn a_name_may_have_255_bytes_and_no_more() {
    let label = |length: u8| [vec![length], vec![b'a'; length as usize]].concat();
    let name = |last: u8| [label(63), label(63), label(63), label(last), vec![0]].concat();
    for (last, error) in [(61, None), (62, Some(DnsError::NameTooLong))] {
        let bytes = Build::new(1, 0).announce(0, 1).raw(&name(last)).raw(&[0, 1, 0, 1]).bytes;
        assert_eq!(record(&bytes).1, error);
    }
}

#[test]
fn a_pointer_may_lead_forward() {
    let bytes = Build::new(1, 0x8000).announce(0, 1).raw(&[0xc0, 18, 0, 1, 0, 1]).raw(b"\x01x\x00").bytes;
    assert_eq!(record(&bytes).0.questions[0].name.as_str(), "x");
}

/// A message of the longest size whose records all point to the longest name, which is all pointers.
fn bomb() -> Vec<u8> {
    let mut bytes = Build::new(1, 0x8000).announce(1, u16::MAX).bytes;
    // 127 labels of one byte, each reached by a pointer of its own.
    let first = bytes.len() as u16;
    for n in 0..126u16 {
        bytes.extend_from_slice(&[1, b'a']);
        bytes.extend_from_slice(&(0xc000 | (first + (n + 1) * 4)).to_be_bytes());
    }
    bytes.extend_from_slice(&[1, b'a', 0]);
    // The first answer's owner begins here; make the names before it its data.
    let names = bytes.split_off(12);
    bytes.extend_from_slice(&[0, 0, 1, 0, 1, 0, 0, 0, 0]);
    bytes.extend_from_slice(&(names.len() as u16).to_be_bytes());
    let shift = (bytes.len() - 12) as u16;
    for pair in names.chunks(4) {
        match pair {
            [1, a, high, low] => {
                let to = u16::from_be_bytes([*high, *low]) + shift;
                bytes.extend_from_slice(&[1, *a]);
                bytes.extend_from_slice(&to.to_be_bytes());
            }
            rest => bytes.extend_from_slice(rest),
        }
    }
    let owner = (0xc000 | (first + shift)).to_be_bytes();
    while bytes.len() < 65_500 {
        bytes.extend_from_slice(&owner);
        bytes.extend_from_slice(&[0, 5, 0, 1, 0, 0, 0, 0, 0, 0]);
    }
    bytes
}

#[test]
fn a_bomb_of_compression_grows_no_more_than_its_length_allows() {
    let bytes = bomb();
    let names = Message::new(&bytes).unwrap().entries().flatten().count();
    assert!(names > 5_000, "{names}");
    let (found, _) = record(&bytes);
    assert_eq!(found.answers[1].name.as_str().len(), 253);
    let text: usize = found.answers.iter().map(|a| a.name.as_str().len()).sum();
    assert!(text <= 16 * bytes.len() + 4096 + 255, "{text}");
}

//! Captures made here, whole and damaged, in every form.

use std::io::{Cursor, Write as _};

use super::*;

/// A packet as a test writes it: seconds, nanoseconds, length on the wire, bytes.
type Sample = (u32, u32, u32, Vec<u8>);

fn samples() -> Vec<Sample> {
    vec![
        (1_700_000_000, 123_456_000, 60, (0..60).collect()),
        (1_700_000_001, 0, 9000, vec![7; 33]),
        (1_700_000_001, 999_999_000, 0, vec![]),
        (1_700_000_002, 1000, 2000, vec![9; 2000]),
    ]
}

fn put16(out: &mut Vec<u8>, big: bool, value: u16) {
    out.extend(if big { value.to_be_bytes() } else { value.to_le_bytes() });
}

fn put32(out: &mut Vec<u8>, big: bool, value: u32) {
    out.extend(if big { value.to_be_bytes() } else { value.to_le_bytes() });
}

fn classic(big: bool, magic: u32, unit: u32) -> Vec<u8> {
    let mut out = Vec::new();
    put32(&mut out, big, magic);
    put16(&mut out, big, 2);
    put16(&mut out, big, 4);
    for word in [0, 0, 65535, 1] {
        put32(&mut out, big, word);
    }
    for (seconds, nanoseconds, length, bytes) in samples() {
        for word in [seconds, nanoseconds / unit, bytes.len() as u32, length] {
            put32(&mut out, big, word);
        }
        if magic == 0xa1b2_cd34 {
            out.extend([0; 8]);
        }
        out.extend(bytes);
    }
    out
}

fn block(out: &mut Vec<u8>, big: bool, kind: u32, body: &[u8]) {
    let padded = body.len().next_multiple_of(4);
    put32(out, big, kind);
    put32(out, big, padded as u32 + 12);
    out.extend(body);
    out.resize(out.len() + padded - body.len(), 0);
    put32(out, big, padded as u32 + 12);
}

fn section(out: &mut Vec<u8>, big: bool) {
    section_of(out, big, (1, 0));
}

fn section_of(out: &mut Vec<u8>, big: bool, (major, minor): (u16, u16)) {
    let mut body = Vec::new();
    put32(&mut body, big, 0x1a2b_3c4d);
    put16(&mut body, big, major);
    put16(&mut body, big, minor);
    body.extend([0xff; 8]);
    block(out, big, 0x0a0d_0d0a, &body);
}

/// An interface with a resolution and an offset in seconds.
fn interface(out: &mut Vec<u8>, big: bool, link_type: u16, resolution: u8, offset: i64) {
    let mut body = Vec::new();
    put16(&mut body, big, link_type);
    put16(&mut body, big, 0);
    put32(&mut body, big, 100);
    // A name, which is of no interest and not a multiple of four.
    put16(&mut body, big, 2);
    put16(&mut body, big, 5);
    body.extend(b"eth00\0\0\0");
    put16(&mut body, big, 9);
    put16(&mut body, big, 1);
    body.extend([resolution, 0, 0, 0]);
    put16(&mut body, big, 14);
    put16(&mut body, big, 8);
    body.extend(if big { offset.to_be_bytes() } else { offset.to_le_bytes() });
    put32(&mut body, big, 0);
    block(out, big, 1, &body);
}

fn enhanced(out: &mut Vec<u8>, big: bool, number: u32, units: u64, length: u32, bytes: &[u8]) {
    let mut body = Vec::new();
    for word in [number, (units >> 32) as u32, units as u32, bytes.len() as u32, length] {
        put32(&mut body, big, word);
    }
    body.extend(bytes);
    block(out, big, 6, &body);
}

fn ng(big: bool) -> Vec<u8> {
    let mut out = Vec::new();
    section(&mut out, big);
    interface(&mut out, big, 1, 9, 0);
    for (seconds, nanoseconds, length, bytes) in samples() {
        let units = u64::from(seconds) * 1_000_000_000 + u64::from(nanoseconds);
        enhanced(&mut out, big, 0, units, length, &bytes);
        // A block of a type that nobody knows.
        block(&mut out, big, 0x0bad, &[1, 2, 3]);
    }
    out
}

fn open(bytes: &[u8]) -> Result<Capture, CaptureError> {
    Capture::new("made", Box::new(Cursor::new(bytes.to_vec())))
}

type Seen = (u64, u32, u32, Vec<u8>);

/// Everything that can be read, and how it ended.
fn read(bytes: &[u8]) -> (Vec<Seen>, Option<CaptureError>) {
    read_from(open(bytes))
}

/// The same of a file.
fn read_file(bytes: &[u8]) -> (Vec<Seen>, Option<CaptureError>) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("made");
    std::fs::write(&path, bytes).expect("space");
    read_from(Capture::open(&path))
}

fn read_from(opened: Result<Capture, CaptureError>) -> (Vec<Seen>, Option<CaptureError>) {
    let mut seen = Vec::new();
    let mut capture = match opened {
        Ok(capture) => capture,
        Err(error) => return (seen, Some(error)),
    };
    loop {
        match capture.next_packet() {
            Ok(Some(p)) => {
                assert_eq!(p.number, seen.len() as u64 + 1);
                seen.push((p.time, p.length, p.link_type, p.bytes.to_vec()));
            }
            Ok(None) => return (seen, None),
            Err(error) => return (seen, Some(error)),
        }
    }
}

fn expected() -> Vec<Seen> {
    let time = |s: u32, ns: u32| u64::from(s) * 1_000_000_000 + u64::from(ns);
    samples().into_iter().map(|(s, ns, length, bytes)| (time(s, ns), length, 1, bytes)).collect()
}

fn all_forms() -> Vec<Vec<u8>> {
    let mut forms = Vec::new();
    for big in [false, true] {
        forms.push(classic(big, 0xa1b2_c3d4, 1000));
        forms.push(classic(big, 0xa1b2_3c4d, 1));
        forms.push(classic(big, 0xa1b2_cd34, 1000));
        forms.push(ng(big));
    }
    forms
}

#[test]
fn packets_of_the_epoch_come_one_by_one() {
    let mut file = Vec::new();
    section(&mut file, false);
    interface(&mut file, false, 1, 9, 0);
    for _ in 0..3 {
        enhanced(&mut file, false, 0, 0, 60, &[7; 60]);
    }
    let (seen, error) = read(&file);
    assert!(error.is_none(), "{error:?}");
    assert_eq!(seen, vec![(0, 60, 1, vec![7; 60]); 3]);
}

#[test]
fn every_form_gives_the_same_packets() {
    for form in all_forms() {
        let (seen, error) = read(&form);
        assert_eq!(seen, expected());
        assert!(error.is_none(), "{error:?}");
    }
}

#[test]
fn compression_is_known_by_content_also_in_pieces() {
    let plain = ng(false);
    let gzip = |bytes: &[u8]| {
        let mut to = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        to.write_all(bytes).expect("memory");
        to.finish().expect("memory")
    };
    let zstd =
        |bytes: &[u8]| ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest);
    let (first, second) = plain.split_at(333);
    for packed in [
        gzip(&plain),
        zstd(&plain),
        [gzip(first), gzip(second)].concat(),
        [zstd(first), zstd(second)].concat(),
    ] {
        let (seen, error) = read(&packed);
        assert_eq!(seen, expected());
        assert!(error.is_none(), "{error:?}");
        let (seen, error) = read(&packed[..packed.len() - 20]);
        assert!(seen.len() < expected().len() || error.is_some(), "a cut stream is no whole one");
        // Unpacked beside the reader, as files are, it is the same, with its damage at the same place.
        assert_eq!(read_file(&packed).0, expected());
        let (seen_beside, error_beside) = read_file(&packed[..packed.len() - 20]);
        assert_eq!(seen_beside, seen);
        assert_eq!(error_beside.is_some(), error.is_some());
    }
}

#[test]
fn a_cut_file_gives_what_stands_before_the_cut_and_says_where() {
    for form in all_forms() {
        let mut before = 0;
        for end in 0..form.len() {
            let (seen, error) = read(&form[..end]);
            assert!(seen.len() >= before && seen.len() <= expected().len());
            assert_eq!(seen, expected()[..seen.len()]);
            before = seen.len();
            match error {
                // Between two records nobody can tell that more was to come.
                None => {}
                Some(CaptureError::Refused { .. }) => assert!(end < 28, "{end}"),
                Some(CaptureError::Damaged { offset, packets, reason: Damage::Cut, .. }) => {
                    assert!(offset < end as u64 && packets == seen.len() as u64, "{end}");
                }
                Some(other) => panic!("{other:?}"),
            }
        }
    }
}

#[test]
fn damage_is_reported_at_its_offset() {
    let mut bytes = classic(false, 0xa1b2_c3d4, 1000);
    let third = 24 + (16 + 60) + (16 + 33);
    bytes[third + 8..third + 12].copy_from_slice(&u32::MAX.to_le_bytes());
    let (seen, error) = read(&bytes);
    assert_eq!(seen.len(), 2);
    let Some(CaptureError::Damaged { offset, packets: 2, reason: Damage::Length(_), .. }) = error else {
        panic!("{error:?}")
    };
    assert_eq!(offset, third as u64);
}

#[test]
fn contradictions_between_blocks_are_damage() {
    let mut lengths = ng(false);
    // Behind the last packet is one block of 16 bytes.
    let end = lengths.len() - 16;
    lengths[end - 4] ^= 0x10;
    let (seen, error) = read(&lengths);
    assert_eq!(seen.len(), expected().len() - 1);
    assert!(matches!(error, Some(CaptureError::Damaged { reason: Damage::Lengths(..), .. })), "{error:?}");
    let mut stranger = Vec::new();
    section(&mut stranger, true);
    interface(&mut stranger, true, 1, 9, 0);
    enhanced(&mut stranger, true, 1, 0, 4, &[1, 2, 3, 4]);
    assert!(matches!(
        read(&stranger).1,
        Some(CaptureError::Damaged { reason: Damage::Interface(1), packets: 0, .. })
    ));
}

#[test]
fn what_is_no_capture_is_refused() {
    let old = {
        let mut bytes = classic(false, 0xa1b2_c3d4, 1000);
        bytes[4] = 1;
        bytes
    };
    for bytes in [&b"{\"not\": \"a capture\"}"[..], b"", b"abc", &[0; 100], &old] {
        assert!(matches!(open(bytes), Err(CaptureError::Refused { .. })));
    }
}

#[test]
fn sections_have_interfaces_resolutions_and_orders_of_their_own() {
    let mut out = Vec::new();
    section(&mut out, false);
    interface(&mut out, false, 1, 6, 0);
    interface(&mut out, false, 101, 0x8a, 5);
    enhanced(&mut out, false, 1, 1024 + 512, 4, &[1, 2, 3, 4]);
    enhanced(&mut out, false, 0, 2_000_001, 4, &[1, 2, 3, 4]);
    section(&mut out, true);
    interface(&mut out, true, 113, 12, -1);
    enhanced(&mut out, true, 0, 3_000_000_009_999, 4, &[1, 2, 3, 4]);
    let (seen, error) = read(&out);
    assert!(error.is_none(), "{error:?}");
    let times: Vec<(u64, u32)> = seen.iter().map(|(time, _, link_type, _)| (*time, *link_type)).collect();
    assert_eq!(times, [(6_500_000_000, 101), (2_000_001_000, 1), (2_000_000_009, 113)]);
}

#[test]
fn simple_and_old_packet_blocks_are_read() {
    let mut out = Vec::new();
    section(&mut out, false);
    interface(&mut out, false, 1, 6, 0);
    let mut old = Vec::new();
    put16(&mut old, false, 0);
    put16(&mut old, false, 3);
    for word in [0, 1_000_000, 3, 50] {
        put32(&mut old, false, word);
    }
    old.extend([1, 2, 3]);
    block(&mut out, false, 2, &old);
    for length in [6u32, 500] {
        let mut simple = Vec::new();
        put32(&mut simple, false, length);
        simple.extend(vec![8; length.min(100) as usize]);
        block(&mut out, false, 3, &simple);
    }
    let (seen, error) = read(&out);
    assert!(error.is_none(), "{error:?}");
    let second = 1_000_000_000;
    assert_eq!(
        seen,
        [(second, 50, 1, vec![1, 2, 3]), (second, 6, 1, vec![8; 6]), (second, 500, 1, vec![8; 100])]
    );
}

#[test]
fn packets_of_pcapng_say_their_direction_and_interface() {
    let mut out = Vec::new();
    section(&mut out, false);
    interface(&mut out, false, 1, 6, 0);
    section(&mut out, true);
    interface(&mut out, true, 101, 6, 0);
    for flags in [None, Some(1), Some(2), Some(0)] {
        let mut body = Vec::new();
        for word in [0, 0, 7, 3, 3] {
            put32(&mut body, true, word);
        }
        body.extend([1, 2, 3, 0]);
        if let Some(flags) = flags {
            // A comment stands before it.
            body.extend([0, 1, 0, 2, b'h', b'i', 0, 0, 0, 2, 0, 4]);
            put32(&mut body, true, flags);
        }
        block(&mut out, true, 6, &body);
    }
    let mut capture = open(&out).expect("a capture");
    let mut seen = Vec::new();
    while let Some(packet) = capture.next_packet().expect("whole") {
        assert_eq!((packet.interface, packet.link_type, packet.bytes.len()), (1, 101, 3));
        seen.push(packet.way);
    }
    assert_eq!(seen, [None, Some(Direction::Receive), Some(Direction::Transmit), None]);
    let names: Vec<_> = capture.interfaces().iter().map(|i| (i.link_type, i.name.as_slice())).collect();
    assert_eq!(names, [(1, &b"eth00"[..]), (101, &b"eth00"[..])]);
}

#[test]
fn captures_behind_each_other_are_all_read() {
    for first in all_forms() {
        for second in all_forms() {
            let (seen, error) = read(&[&first[..], &second].concat());
            assert!(error.is_none(), "{error:?}");
            assert_eq!(seen, [expected(), expected()].concat());
        }
    }
    // Of other link types: the second is an interface of its own.
    let mut other = classic(true, 0xa1b2_c3d4, 1000);
    other[23] = 101;
    let (seen, _) = read(&[classic(false, 0xa1b2_3c4d, 1), other].concat());
    let links: Vec<u32> = seen.iter().map(|(_, _, link_type, _)| *link_type).collect();
    assert_eq!(links, [1, 1, 1, 1, 101, 101, 101, 101]);
}

#[test]
fn captures_behind_each_other_are_read_where_a_buffer_ends() {
    // As many as make a header lie across the end of what is read at once, whatever that is.
    let one = classic(false, 0xa1b2_c3d4, 1000);
    let many = one.repeat(400);
    let (seen, error) = read(&many);
    assert!(error.is_none(), "{error:?}");
    assert_eq!(seen.len(), 400 * samples().len());
    assert!(seen.iter().all(|(time, ..)| *time < 2_000_000_000_000_000_000), "no packet of the year 2055");
}

#[test]
fn a_packet_of_the_year_2055_is_one() {
    let mut file = classic(false, 0xa1b2_c3d4, 1000);
    let begin = file.len();
    for word in [0xa1b2_c3d4, 0, 4, 4] {
        put32(&mut file, false, word);
    }
    file.extend([1, 2, 3, 4]);
    let (seen, error) = read(&file);
    assert!(error.is_none() && begin > 0, "{error:?}");
    assert_eq!(seen.last(), Some(&(0xa1b2_c3d4 * 1_000_000_000, 4, 1, vec![1, 2, 3, 4])));
}

#[test]
fn sections_of_another_version_are_passed_over_and_named() {
    for big in [false, true] {
        let mut out = Vec::new();
        for (version, n) in [(2, 0), (1, 0), (1, 1), (1, 2), (3, 4)].into_iter().zip(1..) {
            section_of(&mut out, big, version);
            interface(&mut out, big, 1, 6, 0);
            enhanced(&mut out, big, 0, u64::from(n), 60, &[n; 60]);
        }
        let (seen, error) = read(&out);
        assert_eq!(seen, [(2000, 60, 1, vec![2; 60]), (4000, 60, 1, vec![4; 60])]);
        assert!(
            matches!(error, Some(CaptureError::Skipped { reason: Damage::Sections(3, 3, 4), .. })),
            "{error:?}"
        );
    }
}

#[test]
fn what_a_file_declares_is_bounded() {
    let mut out = Vec::new();
    section(&mut out, false);
    let mut body = vec![1, 0, 0, 0, 0, 0, 1, 0, 2, 0, 0xff, 0xff];
    body.resize(12 + 0x1_0000, b'n');
    for _ in 0..8000 {
        block(&mut out, false, 1, &body);
    }
    enhanced(&mut out, false, 7999, 1, 4, &[1, 2, 3, 4]);
    let mut capture = open(&out).expect("a capture");
    assert!(capture.next_packet().expect("whole").is_some(), "what has no name any more is still one");
    let names: usize = capture.interfaces().iter().map(|i| i.name.len()).sum();
    assert!(capture.interfaces().len() == 8000 && names <= 1 << 20, "{names} bytes of names");
    let mut endless = Vec::new();
    section(&mut endless, false);
    for _ in 0..=1 << 16 {
        block(&mut endless, false, 1, &[1, 0, 0, 0, 0, 0, 1, 0]);
    }
    let (_, error) = read(&endless);
    assert!(
        matches!(error, Some(CaptureError::Damaged { reason: Damage::Interfaces(65_536), .. })),
        "{error:?}"
    );
}

#[test]
fn changed_bytes_never_panic() {
    let mut state = 88_172_645_463_325_252_u64;
    let mut random = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for form in all_forms() {
        for _ in 0..300 {
            let mut bytes = form.clone();
            for _ in 0..4 {
                let at = random() as usize % bytes.len();
                bytes[at] = random() as u8;
            }
            let (seen, _) = read(&bytes);
            for (_, _, _, bytes) in seen {
                for link_type in 0..300 {
                    if let Some(stripped) = strip(link_type, &bytes) {
                        assert!(stripped.before <= bytes.len());
                    }
                }
            }
        }
    }
}

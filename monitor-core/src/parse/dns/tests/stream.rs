//! Messages over TCP.

use super::build::Build;
use crate::{parse::dns::Stream, random::Random};

fn ids(stream: &mut Stream, bytes: &[u8]) -> Vec<u16> {
    let mut out = Vec::new();
    stream.push(bytes, |message| out.push(u16::from_be_bytes([message[0], message[1]])));
    out
}

fn three() -> Vec<u8> {
    [1, 2, 3].map(|id| Build::query(id, "www.example.org", 1).framed()).concat()
}

#[test]
fn messages_come_out_however_the_stream_is_cut() {
    let all = three();
    assert_eq!(ids(&mut Stream::default(), &all), [1, 2, 3]);
    for first in 0..=all.len() {
        for second in (first..=all.len()).step_by(7) {
            let mut stream = Stream::default();
            let mut found = ids(&mut stream, &all[..first]);
            found.extend(ids(&mut stream, &all[first..second]));
            found.extend(ids(&mut stream, &all[second..]));
            assert_eq!(found, [1, 2, 3], "{first} {second}");
        }
    }
    let mut stream = Stream::default();
    let found: Vec<u16> = all.iter().flat_map(|byte| ids(&mut stream, &[*byte])).collect();
    assert_eq!(found, [1, 2, 3]);
    assert_eq!(stream.unfinished(), None);
}

#[test]
fn after_a_gap_it_goes_on_where_a_message_begins() {
    let mut stream = Stream::default();
    let one = Build::query(1, "www.example.org", 1).framed();
    assert_eq!(ids(&mut stream, &one[..20]), [0; 0]);
    stream.gap();
    // The tail of something, then the next message.
    assert_eq!(ids(&mut stream, &one[25..]), [0; 0]);
    assert_eq!(ids(&mut stream, &three()), [1, 2, 3]);
}

#[test]
fn a_stream_found_running_begins_at_a_message() {
    let mut stream = Stream::midway();
    assert_eq!(ids(&mut stream, b"GET / HTTP/1.1\r\n\r\n"), [0; 0]);
    let two = three();
    assert_eq!(ids(&mut stream, &two[2..]), [0; 0]);
    assert_eq!(ids(&mut stream, &two), [1, 2, 3]);
}

#[test]
fn a_stream_found_running_begins_at_a_message_however_that_is_cut() {
    let all = three();
    for first in 1..all.len() {
        for second in (first..=all.len()).step_by(5) {
            let mut stream = Stream::midway();
            let mut found = ids(&mut stream, &all[..first]);
            found.extend(ids(&mut stream, &all[first..second]));
            found.extend(ids(&mut stream, &all[second..]));
            assert_eq!(found, [1, 2, 3], "{first} {second}");
        }
    }
    let mut stream = Stream::midway();
    let found: Vec<u16> = all.iter().flat_map(|byte| ids(&mut stream, &[*byte])).collect();
    assert_eq!(found, [1, 2, 3], "byte by byte");
    // What waited was the end of something else: the next segment is looked at alone.
    let mut stream = Stream::midway();
    assert_eq!(ids(&mut stream, &[0, 40, 9]), [0; 0]);
    assert_eq!(stream.unfinished(), None);
    assert_eq!(ids(&mut stream, &all), [1, 2, 3]);
}

#[test]
fn what_waits_to_be_told_from_noise_is_little() {
    let mut random = Random(6);
    let mut stream = Stream::midway();
    for _ in 0..5_000 {
        let bytes: Vec<u8> = (0..random.below(1_500)).map(|_| random.bits() as u8).collect();
        stream.push(&bytes, |_| {});
        if stream.unfinished().is_some() {
            stream.gap();
        }
        assert!(stream.memory() < 70_000, "{}", stream.memory());
    }
}

#[test]
fn lengths_of_nothing_are_passed_over() {
    let mut stream = Stream::default();
    let mut found = 0;
    stream.push(&[0; 40], |message| found += usize::from(message.is_empty()));
    stream.push(&[0], |_| unreachable!());
    stream.push(&[0], |message| found += usize::from(message.is_empty()));
    assert_eq!(found, 21);
}

#[test]
fn it_holds_one_message_at_most() {
    let mut stream = Stream::default();
    let mut random = Random(5);
    let mut total = 0;
    for _ in 0..2_000 {
        let bytes: Vec<u8> = (0..random.below(1_500)).map(|_| random.bits() as u8).collect();
        stream.push(&bytes, |message| total += message.len());
        assert!(stream.memory() <= 2 * 65_537);
    }
    assert!(total > 0);
    stream.gap();
    assert_eq!(stream.memory(), 0);
}

//! Streams cut, turned round and repeated.

use super::*;
use crate::random::Random;

fn text(length: usize) -> Vec<u8> {
    let mut random = Random(7);
    (0..length).map(|_| random.bits() as u8).collect()
}

#[test]
fn segments_in_order_are_contiguous() {
    let mut stream = Assembler::new(100);
    stream.start(10);
    assert!(stream.is_next(10) && !stream.is_next(11));
    assert_eq!(stream.push(10, b"abc"), Ok(Pushed::Grew));
    assert_eq!(stream.push(13, b"def"), Ok(Pushed::Grew));
    assert_eq!(stream.contiguous(), b"abcdef");
    assert_eq!(stream.next_seq(), Some(16));
}

#[test]
fn every_order_of_segments_gives_the_same_stream() {
    let whole = text(23);
    let cuts = [0usize, 1, 6, 7, 15, 23];
    let mut order = [0usize, 1, 2, 3, 4];
    // Heap's algorithm.
    let mut counts = [0usize; 5];
    let mut index = 0;
    let mut seen = 0;
    loop {
        for base in [0u32, 5000, u32::MAX - 9] {
            let mut stream = Assembler::new(100);
            stream.start(base);
            for &piece in &order {
                let range = cuts[piece]..cuts[piece + 1];
                stream.push(base.wrapping_add(range.start as u32), &whole[range]).unwrap();
            }
            assert_eq!(stream.contiguous(), whole, "{order:?}");
            assert!(!stream.has_hole());
        }
        seen += 1;
        while index < 5 && counts[index] >= index {
            counts[index] = 0;
            index += 1;
        }
        if index == 5 {
            break;
        }
        order.swap(if index % 2 == 0 { 0 } else { counts[index] }, index);
        counts[index] += 1;
        index = 0;
    }
    assert_eq!(seen, 120);
}

#[test]
fn a_stream_that_was_found_in_its_middle_may_begin_earlier() {
    let mut stream = Assembler::new(100);
    assert_eq!(stream.push(5, b"world"), Ok(Pushed::Grew));
    assert_eq!(stream.push(0, b"hello"), Ok(Pushed::Grew));
    assert_eq!(stream.contiguous(), b"helloworld");
    stream.consume(1);
    assert_eq!(stream.push(u32::MAX, b"x"), Ok(Pushed::Old));
    assert_eq!(stream.contiguous(), b"elloworld");

    let mut apart = Assembler::new(100);
    apart.push(10, b"c").unwrap();
    assert_eq!(apart.push(0, b"a"), Ok(Pushed::Grew));
    assert_eq!(apart.contiguous(), b"a");
    assert_eq!(apart.push(1, b"123456789"), Ok(Pushed::Grew));
    assert_eq!(apart.contiguous(), b"a123456789c");
}

#[test]
fn nothing_stands_before_the_syn() {
    let mut stream = Assembler::new(100);
    stream.start(5);
    stream.push(5, b"world").unwrap();
    assert_eq!(stream.push(0, b"hello"), Ok(Pushed::Old));
    assert_eq!(stream.contiguous(), b"world");
}

#[test]
fn the_first_copy_of_a_byte_stays() {
    let mut stream = Assembler::new(100);
    stream.start(0);
    stream.push(4, b"EE").unwrap();
    stream.push(8, b"II").unwrap();
    assert_eq!(stream.push(3, b"xxxxxxxx"), Ok(Pushed::Held));
    assert_eq!(stream.push(0, b"ooooooooooo"), Ok(Pushed::Grew));
    assert_eq!(stream.contiguous(), b"oooxEExxIIx");
    assert_eq!(stream.push(0, b"zzzzzzzzzzz"), Ok(Pushed::Old));
    assert_eq!(stream.contiguous(), b"oooxEExxIIx");
}

#[test]
fn a_stream_goes_on_while_it_is_read() {
    let whole = text(200_000);
    let mut stream = Assembler::new(1000);
    let mut read = Vec::new();
    let base = u32::MAX - 70_000;
    stream.start(base);
    for (index, chunk) in whole.chunks(900).enumerate() {
        assert_eq!(stream.push(base.wrapping_add(index as u32 * 900), chunk), Ok(Pushed::Grew));
        let take = stream.contiguous().len() - index % 7;
        read.extend_from_slice(&stream.contiguous()[..take]);
        stream.consume(take);
    }
    read.extend_from_slice(stream.contiguous());
    assert!(read == whole);
    assert!(stream.memory() < 8192, "{}", stream.memory());
}

#[test]
fn more_than_the_limit_is_refused_and_what_fits_stays() {
    let mut stream = Assembler::new(10);
    stream.start(0);
    assert_eq!(stream.push(0, b"0123456789ab"), Err(GivenUp::TooLong));
    assert_eq!(stream.contiguous(), b"0123456789");
    assert_eq!(stream.push(10, b"a"), Err(GivenUp::TooLong));
    stream.consume(4);
    assert_eq!(stream.push(10, b"ab"), Ok(Pushed::Grew));
    assert_eq!(stream.contiguous(), b"456789ab");
    assert_eq!(stream.push(1 << 30, b"far"), Err(GivenUp::TooLong));
    assert_eq!(stream.push(3 << 30, b"behind"), Ok(Pushed::Old));
}

#[test]
fn holes_are_bounded() {
    let mut stream = Assembler::new(1 << 16);
    stream.start(0);
    for index in 1..=HELD_MAX as u32 {
        assert_eq!(stream.push(index * 2, b"x"), Ok(Pushed::Held));
    }
    assert_eq!(stream.push(1000, b"x"), Err(GivenUp::TooManyHoles));
    assert!(stream.memory() < 4096);
}

#[test]
fn a_hole_can_be_skipped() {
    let mut stream = Assembler::new(100);
    stream.start(0);
    stream.push(0, b"abc").unwrap();
    stream.push_at(7, b"h", 1).unwrap();
    stream.push_at(8, b"i", 2).unwrap();
    stream.push_at(20, b"z", 3).unwrap();
    assert_eq!(stream.skip_hole(), Some(Hole { missing: 4, time: 1 }));
    assert_eq!(stream.contiguous(), b"h");
    assert_eq!(stream.next_piece(), Some(2));
    assert_eq!(stream.contiguous(), b"hi");
    assert_eq!(stream.next_piece(), None);
    assert_eq!(stream.push(3, b"defg"), Ok(Pushed::Old));
    assert_eq!(stream.push(9, b"j"), Ok(Pushed::Grew));
    assert_eq!(stream.contiguous(), b"hij");
    assert_eq!(stream.skip_hole(), Some(Hole { missing: 10, time: 3 }));
    assert_eq!(stream.skip_hole(), None);
}

#[test]
fn bytes_read_in_place_are_not_missed() {
    let mut stream = Assembler::new(100);
    stream.start(0);
    assert!(stream.is_next(0));
    stream.skip_to(50);
    assert_eq!(stream.memory(), 0);
    assert!(stream.is_next(50));
    assert_eq!(stream.push(48, b"xxab"), Ok(Pushed::Grew));
    assert_eq!(stream.contiguous(), b"ab");
}

/// Against a plain model: an array of bytes, each set once.
#[test]
fn random_segments_agree_with_a_plain_model() {
    let mut random = Random(42);
    for round in 0..2_000 {
        let base = random.bits() as u32;
        let limit = 64 + random.below(200) as usize;
        let mut stream = Assembler::new(limit);
        stream.start(base);
        let mut model: Vec<Option<u8>> = vec![None; limit];
        for _ in 0..random.below(60) {
            let at = random.below(limit as u64) as usize;
            let length = 1 + random.below(40) as usize;
            let bytes: Vec<u8> = (0..length).map(|_| random.bits() as u8).collect();
            let pushed = stream.push(base.wrapping_add(at as u32), &bytes);
            assert_eq!(pushed == Err(GivenUp::TooLong), at + length > limit, "{round}");
            if pushed == Err(GivenUp::TooManyHoles) {
                break;
            }
            for (offset, byte) in bytes.iter().enumerate() {
                if let Some(place) = model.get_mut(at + offset) {
                    place.get_or_insert(*byte);
                }
            }
            let expected: Vec<u8> = model.iter().map_while(|byte| *byte).collect();
            assert_eq!(stream.contiguous(), expected, "round {round}");
        }
    }
}

/// Many small segments in the worst order take time that grows with their number only.
#[test]
fn reversed_and_repeated_segments_do_not_cost_more_than_their_number() {
    let mut stream = Assembler::new(1 << 16);
    stream.start(0);
    let whole = text(1 << 16);
    for round in 0..4 {
        for index in (0..HELD_MAX).rev() {
            let at = index * 2048;
            let pushed = stream.push(at as u32, &whole[at..at + 2048]);
            assert_eq!(pushed == Ok(Pushed::Old), round > 0);
        }
    }
    assert!(stream.contiguous() == whole);
}

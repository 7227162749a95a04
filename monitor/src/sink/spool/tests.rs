use std::fs;

use super::*;

const BOUNDS: Bounds = Bounds { bytes: 1 << 20, age: u64::MAX, format: 1 };

fn origin(run: &str) -> Origin {
    Origin { host: "h".to_owned(), boot: "b".to_owned(), run: run.to_owned() }
}

fn open(path: &Path, bounds: Bounds, run: &str) -> (Spool, Before) {
    Spool::open(path, bounds, &origin(run), &mut Tally::default()).unwrap()
}

fn frames_of(numbers: std::ops::Range<u64>, size: usize) -> (Vec<u8>, u64) {
    let (mut bytes, body) = (Vec::new(), vec![b'x'; size]);
    for number in numbers.clone() {
        Frame { kind: Kind::Record, stream: 0, number, flow: 0, body: &body }.write(&mut bytes);
    }
    (bytes, numbers.end - numbers.start)
}

fn put(spool: &Spool, numbers: std::ops::Range<u64>, size: usize, tally: &mut Tally) {
    let (bytes, records) = frames_of(numbers, size);
    spool.append(&bytes, records, tally).unwrap();
}

/// Reads all that is there.
fn drain(spool: &Spool, most: u64) -> Vec<u64> {
    let mut all = Vec::new();
    while let Some(chunk) = spool.next(most, 1 << 16, None, Duration::ZERO).unwrap() {
        let records = frames(&chunk.bytes).filter(|(frame, _)| frame.kind == Kind::Record);
        all.extend(records.map(|(frame, _)| frame.number));
        spool.acknowledge(chunk.end, 0).unwrap();
    }
    all
}

#[test]
fn what_was_written_is_read_in_order_by_this_run_and_the_next() {
    let directory = tempfile::tempdir().unwrap();
    let mut tally = Tally::default();
    let (spool, before) = open(directory.path(), BOUNDS, "one");
    assert_eq!(before, None);
    put(&spool, 1..101, 10, &mut tally);
    let chunk = spool.next(40, 1 << 16, None, Duration::ZERO).unwrap().unwrap();
    assert_eq!(chunk.records, 40);
    spool.acknowledge(chunk.end, 7).unwrap();
    assert_eq!(spool.filling().records, 60);
    // No end, as by a kill.
    drop(spool);
    let (spool, before) = open(directory.path(), BOUNDS, "two");
    let (run, marks) = before.unwrap();
    assert_eq!((run.run.as_str(), marks[0].last), ("one", 100));
    assert_eq!((spool.intended(), spool.filling().records), ((None, 7), 60));
    put(&spool, 1..11, 10, &mut tally);
    assert_eq!(drain(&spool, 7), (41..101).chain(1..11).collect::<Vec<_>>());
    assert_eq!(spool.filling().records, 0);
    let segments = fs::read_dir(directory.path()).unwrap().count();
    // The one that is written, the lock and the note.
    assert_eq!(segments, 3);
    // An empty one still tells of the run before.
    drop(spool);
    assert_eq!(open(directory.path(), BOUNDS, "three").1.unwrap().1[0].last, 10);
}

#[test]
fn a_torn_or_damaged_end_is_left_out_and_what_comes_is_read() {
    for damage in [3_usize, 200] {
        let directory = tempfile::tempdir().unwrap();
        let mut tally = Tally::default();
        let (spool, _) = open(directory.path(), BOUNDS, "one");
        put(&spool, 1..21, 30, &mut tally);
        drop(spool);
        let segment = directory.path().join(format!("{:016x}.segment", 1));
        let mut bytes = fs::read(&segment).unwrap();
        let length = bytes.len();
        if damage == 3 {
            bytes.truncate(length - damage);
        } else {
            bytes[length - damage] ^= 1;
        }
        fs::write(&segment, &bytes).unwrap();
        let (spool, _) = open(directory.path(), BOUNDS, "two");
        put(&spool, 101..103, 30, &mut tally);
        let read = drain(&spool, 100);
        let whole = 20 - damage.div_ceil(55);
        assert_eq!(read, (1..=whole as u64).chain(101..103).collect::<Vec<_>>());
    }
}

#[test]
fn a_full_one_drops_the_oldest_and_counts_what_nobody_had() {
    let directory = tempfile::tempdir().unwrap();
    let (mut tally, bounds) = (Tally::default(), Bounds { bytes: 64 << 10, ..BOUNDS });
    let (spool, _) = open(directory.path(), bounds, "one");
    for at in 0..100 {
        put(&spool, at * 10 + 1..at * 10 + 11, 200, &mut tally);
    }
    assert!(spool.filling().bytes <= 64 << 10);
    let lost: u64 = tally.lost().map(|(_, records)| records).sum();
    let read = drain(&spool, 1000);
    assert_eq!(lost + read.len() as u64, 1000);
    assert!(lost > 500 && tally.lost().any(|(reason, n)| reason == Reason::SpoolFull && n == lost));
    // What was left is the newest, without a gap.
    assert_eq!(read, (lost + 1..=1000).collect::<Vec<_>>());
}

#[test]
fn what_is_too_old_goes() {
    let directory = tempfile::tempdir().unwrap();
    let mut tally = Tally::default();
    let (spool, _) = open(directory.path(), Bounds { age: 0, ..BOUNDS }, "one");
    put(&spool, 1..11, 10, &mut tally);
    put(&spool, 11..21, 10, &mut tally);
    assert!(tally.lost().any(|(reason, records)| reason == Reason::SpoolExpired && records == 10));
    assert_eq!(drain(&spool, 100), (11..21).collect::<Vec<_>>());
}

#[test]
fn what_was_to_be_sent_together_is_read_together_again() {
    let directory = tempfile::tempdir().unwrap();
    let (spool, _) = open(directory.path(), BOUNDS, "one");
    put(&spool, 1..101, 10, &mut Tally::default());
    let chunk = spool.next(30, 1 << 16, None, Duration::ZERO).unwrap().unwrap();
    spool.intend(chunk.begin, chunk.end, 3).unwrap();
    drop(spool);
    let (spool, _) = open(directory.path(), BOUNDS, "two");
    let (intended, count) = spool.intended();
    assert_eq!((intended, count), (Some(chunk.end), 3));
    let again = spool.next(100, 1 << 16, intended, Duration::ZERO).unwrap().unwrap();
    assert_eq!((again.bytes, again.records), (chunk.bytes, 30));
}

#[test]
fn one_process_has_it_at_a_time_and_what_was_written_for_another_kind_is_counted() {
    let directory = tempfile::tempdir().unwrap();
    let (spool, _) = open(directory.path(), BOUNDS, "one");
    put(&spool, 1..6, 10, &mut Tally::default());
    let busy = Spool::open(directory.path(), BOUNDS, &origin("two"), &mut Tally::default());
    assert!(busy.is_err());
    drop(spool);
    let mut tally = Tally::default();
    let other = Bounds { format: 2, ..BOUNDS };
    let (spool, before) = Spool::open(directory.path(), other, &origin("two"), &mut tally).unwrap();
    assert_eq!((drain(&spool, 10).len(), before.unwrap().1[0].last), (0, 5));
    assert!(tally.lost().any(|(reason, records)| reason == Reason::Refused && records == 5));
}

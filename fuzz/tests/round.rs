//! A short round of every target: its corpus, and mutations of it that are the same in every run.
#![expect(clippy::unwrap_used, reason = "a test that cannot read its files fails")]

use std::{fs, path::Path};

use weir_fuzz::{TARGETS, Target};

/// Mutations of each file.
const ROUNDS: u64 = 400;

/// xorshift64 (Marsaglia 2003).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit.max(1) as u64) as usize
    }
}

fn corpus(target: Target) -> Vec<Vec<u8>> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target.name);
    let mut paths: Vec<_> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

fn mutate(bytes: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len());
        match random.below(6) {
            0 => bytes.truncate(at),
            1 => bytes.insert(at, random.below(256) as u8),
            2 if at < bytes.len() => drop(bytes.remove(at)),
            3 => {
                let from = random.below(other.len());
                bytes.truncate(at);
                bytes.extend_from_slice(other.get(from..).unwrap_or_default());
            }
            4 => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << random.below(8);
                }
            }
            _ => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = [0, 1, 0x7f, 0x80, 0xff][random.below(5)];
                }
            }
        }
    }
}

#[test]
fn every_target_has_a_corpus() {
    for target in TARGETS {
        assert!(!corpus(target).is_empty(), "{}", target.name);
    }
}

#[test]
fn corpus_and_mutations_of_it_break_nothing() {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for target in TARGETS {
        let corpus = corpus(target);
        (target.run)(&[]);
        for bytes in &corpus {
            (target.run)(bytes);
            for _ in 0..ROUNDS {
                let mut mutated = bytes.clone();
                let other = &corpus[random.below(corpus.len())];
                mutate(&mut mutated, other, &mut random);
                (target.run)(&mutated);
            }
        }
    }
}

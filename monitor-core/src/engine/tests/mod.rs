//! The engine, driven by real slots that packets were accounted on.

#![expect(clippy::float_cmp, reason = "rates and times that divide without rest")]

mod accounting;
mod carry;
mod duplicates;
mod live;
mod names;
mod owners;
mod random;
mod reach;
mod records;
mod reuse;
mod several;
mod silence;
mod table;
mod tcp;
mod translated;
mod world;

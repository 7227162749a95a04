//! Messages: whole, cut, hostile.

pub(crate) mod build;
mod hostile;
mod matching;
mod messages;
mod stream;

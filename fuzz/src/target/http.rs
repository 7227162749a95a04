//! HTTP/1: a connection's bytes in any pieces.

use monitor_common::abi::Side;
use monitor_core::parse::http::{Connection, Dialect, begins};

use crate::input::Input;

/// What a connection may hold.
const MEMORY_MAX: usize = 256 * 1024;

pub(crate) fn run(bytes: &[u8]) {
    let mut input = Input(bytes);
    let choice = input.byte();
    let dialect = if choice & 1 == 0 { Dialect::Known } else { Dialect::Any };
    let _ = begins(input.0, dialect);
    let mut connection = if choice & 2 == 0 { Connection::new(dialect) } else { Connection::midway(dialect) };
    let mut messages = 0;
    let mut total = 0;
    let mut done = [false; 2];
    while let Some((side, piece)) = input.piece() {
        total += piece.len();
        if done[side.index()] {
            continue;
        }
        if piece.is_empty() {
            connection.gap(side, u64::from(choice));
            continue;
        }
        let over = connection.push(side, 1, piece, |_| messages += 1);
        if let Some(over) = over {
            assert!(over.rest <= piece.len(), "more is left than came");
            done[side.index()] = true;
        }
        assert!(connection.memory() <= MEMORY_MAX, "{} bytes are held", connection.memory());
    }
    assert!(messages <= total, "{messages} messages in {total} bytes");
    let _ = (connection.is_lost(), Side::Lower);
}

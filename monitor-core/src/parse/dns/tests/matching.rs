//! Queries and their responses.

use std::net::IpAddr;

use super::build::Build;
use crate::parse::dns::{Exchange, MatchConfig, Message, QueryTable, Verdict};

const SECOND: u64 = 1_000_000_000;

fn exchange(id: u16) -> Exchange {
    Exchange {
        client: IpAddr::from([192, 0, 2, 1]),
        server: IpAddr::from([192, 0, 2, 53]),
        client_port: 40_000,
        server_port: 53,
        protocol: 17,
        id,
    }
}

fn ask(table: &mut QueryTable, id: u16, name: &str, now: u64) {
    let bytes = Build::query(id, name, 1).bytes;
    table.query(exchange(id), &Message::new(&bytes).unwrap(), now);
}

fn respond(table: &mut QueryTable, at: Exchange, name: &str, now: u64) -> Verdict {
    let bytes = Build::response(at.id, name, 1).bytes;
    table.response(&at, &Message::new(&bytes).unwrap(), now)
}

#[test]
fn a_response_finds_its_query_once_whatever_the_case_of_the_name() {
    let mut table = QueryTable::new(MatchConfig::default());
    ask(&mut table, 1, "wWw.eXample.org", SECOND);
    assert_eq!(
        respond(&mut table, exchange(1), "www.example.org", SECOND + 5),
        Verdict::Answer { latency: 5 }
    );
    assert_eq!(respond(&mut table, exchange(1), "www.example.org", SECOND + 6), Verdict::Unsolicited);
    assert_eq!(table.unanswered(), 0);
}

#[test]
fn what_nobody_asked_names_nothing() {
    let mut table = QueryTable::new(MatchConfig::default());
    ask(&mut table, 1, "a.example", 0);
    let other = Exchange { client_port: 40_001, ..exchange(1) };
    for (at, name, verdict) in [
        (exchange(2), "a.example", Verdict::Unsolicited),
        (other, "a.example", Verdict::Unsolicited),
        (exchange(1), "b.example", Verdict::OtherQuestion),
        (exchange(1), "example", Verdict::OtherQuestion),
    ] {
        assert_eq!(respond(&mut table, at, name, 1), verdict);
        assert!(!verdict.names());
    }
    // The forged ones did not take the query away from the true response.
    assert!(respond(&mut table, exchange(1), "a.example", 2).names());
}

#[test]
fn a_response_without_question_has_a_latency_and_no_name() {
    let mut table = QueryTable::new(MatchConfig::default());
    ask(&mut table, 1, "a.example", 0);
    let bytes = Build::new(1, 0x8181).bytes;
    let verdict = table.response(&exchange(1), &Message::new(&bytes).unwrap(), 9);
    assert_eq!((verdict, verdict.names()), (Verdict::Unnamed { latency: 9 }, false));
}

#[test]
fn a_query_that_is_sent_again_counts_from_its_first_time() {
    let mut table = QueryTable::new(MatchConfig::default());
    ask(&mut table, 1, "a.example", 0);
    ask(&mut table, 1, "a.example", SECOND);
    assert_eq!(respond(&mut table, exchange(1), "a.example", 2 * SECOND).latency(), Some(2 * SECOND));
    assert_eq!(table.unanswered(), 0);
}

#[test]
fn both_copies_of_a_retransmitted_query_have_a_response_and_no_third() {
    let mut table = QueryTable::new(MatchConfig { queries: 10, timeout: 10 * SECOND });
    let query = Build::query(1, "a.example", 1).bytes;
    let query = Message::new(&query).unwrap();
    assert!(!table.query(exchange(1), &query, 0));
    assert!(table.query(exchange(1), &query, SECOND));
    assert_eq!(table.waiting(), 1);
    assert!(respond(&mut table, exchange(1), "a.example", 2 * SECOND).names());
    assert_eq!(table.waiting(), 0);
    assert_eq!(respond(&mut table, exchange(1), "b.example", 2 * SECOND), Verdict::OtherQuestion);
    assert_eq!(respond(&mut table, exchange(1), "a.example", 3 * SECOND), Verdict::Again);
    assert_eq!(respond(&mut table, exchange(1), "a.example", 3 * SECOND), Verdict::Unsolicited);
    // A copy without a response of its own is no unanswered query.
    table.query(exchange(2), &query, 4 * SECOND);
    table.query(exchange(2), &query, 5 * SECOND);
    assert!(respond(&mut table, exchange(2), "a.example", 6 * SECOND).names());
    table.expire(60 * SECOND);
    assert_eq!((table.unanswered(), table.waiting()), (0, 0));
}

#[test]
fn queries_without_response_are_counted_when_they_are_late_or_too_many() {
    let mut table = QueryTable::new(MatchConfig { queries: 10, timeout: SECOND });
    for id in 0..25 {
        ask(&mut table, id, "a.example", 0);
        assert!(table.waiting() <= 10);
    }
    assert_eq!(table.unanswered(), 15);
    table.expire(SECOND);
    assert_eq!((table.waiting(), table.unanswered()), (10, 15));
    table.expire(SECOND + 1);
    assert_eq!((table.waiting(), table.unanswered()), (0, 25));
    assert_eq!(respond(&mut table, exchange(24), "a.example", SECOND + 1), Verdict::Unsolicited);
}

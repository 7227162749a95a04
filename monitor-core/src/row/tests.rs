use serde_json::{Value as Json, json};

use super::*;
use crate::record::{
    AnyRecord, DnsKind, DnsRecord, FlowRecord, NamedIdentity, Question, Text, Time, tests as records, to_json,
};
use crate::schema::Record as _;

fn json_of(columns: &Columns, row: &Row) -> Json {
    let mut line = Vec::new();
    row.to_json(columns, &mut line).unwrap();
    assert_eq!(line.last(), Some(&b'\n'));
    serde_json::from_slice(&line).unwrap()
}

#[test]
fn a_row_of_all_columns_is_the_record() {
    let columns = Columns::all(FlowRecord::FIELDS);
    let mut row = Row::default();
    for record in [records::full(), records::small(), records::full()] {
        let record = AnyRecord::Flow(Box::new(record));
        row.fill(&columns, &record).unwrap();
        assert_eq!(row.cells().len(), columns.as_slice().len());
        let mut line = Vec::new();
        to_json(&record, &mut line).unwrap();
        assert_eq!(json_of(&columns, &row), serde_json::from_slice::<Json>(&line).unwrap());
    }
}

#[test]
fn lists_of_records_keep_their_form() {
    let record = DnsRecord {
        time: Time(0),
        identity: NamedIdentity(records::full().identity),
        kind: DnsKind::Dns,
        id: 7,
        response: false,
        opcode: 0,
        rcode: None,
        truncated: false,
        questions: vec![
            Question { name: Text::from("=a"), r#type: Text::from("A") },
            Question { name: Text::from(""), r#type: Text::from("NS") },
        ],
        answers: Vec::new(),
        authority: Vec::new(),
        latency_seconds: Some(0.5),
        retransmission: false,
    };
    let columns = Columns::chosen(DnsRecord::FIELDS, &|name| {
        ["questions", "answers", "rcode", "latency_seconds"].contains(&name)
    });
    let mut row = Row::default();
    row.fill(&columns, &record).unwrap();
    let names: Vec<_> = columns.as_slice().iter().map(|column| column.name.as_str()).collect();
    assert_eq!(names, ["rcode", "questions", "answers", "latency_seconds"]);
    assert_eq!(row.cells()[0], Cell::Absent);
    let expected = json!({
        "questions": [{"name": "=a", "type": "A"}, {"name": "", "type": "NS"}],
        "answers": [], "latency_seconds": 0.5,
    });
    assert_eq!(json_of(&columns, &row), expected);
}

#[test]
fn chosen_columns_alone_are_there_and_nested_as_in_the_record() {
    let columns = Columns::chosen(FlowRecord::FIELDS, &|name| {
        ["received.fin", "sent.packets", "rtt_seconds.server.min", "rtt_seconds.client.min", "name"]
            .contains(&name)
    });
    let mut row = Row::default();
    row.fill(&columns, &records::full()).unwrap();
    let expected = json!({
        "sent": {"packets": 9}, "received": {"fin": 0},
        "rtt_seconds": {"server": {"min": 0.01}}, "name": "www.example.com\\x1b",
    });
    assert_eq!(json_of(&columns, &row), expected);
    row.fill(&columns, &records::small()).unwrap();
    assert_eq!(json_of(&columns, &row), json!({"sent": {"packets": 1}}));
}

#[test]
fn a_record_of_another_kind_is_refused() {
    let mut row = Row::default();
    let columns = Columns::all(DnsRecord::FIELDS);
    assert!(row.fill(&columns, &records::full()).is_err());
}

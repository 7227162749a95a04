//! Which fields of records are written.

use std::fmt::Write as _;

use monitor_core::{
    record::{PacketRecord, RECORDS},
    row::Columns,
    schema::{Field, Record as _, Type, columns},
};

use super::OutputError;

/// What people call columns of packets.
const WORDS_OF_PACKETS: [(&str, &str); 3] =
    [("source", "source_ip"), ("destination", "destination_ip"), ("protocol", "transport")];

/// All fields, or those that were chosen.
#[derive(Clone, Debug, Default)]
pub struct Fields(Option<Vec<String>>);

impl Fields {
    /// Those of the given names; of a name with fields below it (`sent`) all of them. Without names, all.
    pub fn choose(names: &[String]) -> Result<Self, OutputError> {
        if names.is_empty() {
            return Ok(Self(None));
        }
        let mut known = Vec::new();
        for (_, fields) in kinds() {
            columns(fields, &mut |name, _| known.push(name.to_owned()));
        }
        for name in names {
            let is_word = WORDS_OF_PACKETS.iter().any(|(word, _)| word == name);
            if !is_word && !known.iter().any(|known| is_chosen(known, name)) {
                let nearest = crate::config::nearest(name, known.iter().map(String::as_str));
                return Err(OutputError::Field { name: name.clone(), nearest: nearest.map(str::to_owned) });
            }
        }
        Ok(Self(Some(names.to_vec())))
    }

    /// Whether all are.
    pub const fn is_all(&self) -> bool {
        self.0.is_none()
    }

    /// The columns of a kind of record whose lines stand among those of other kinds: `record` is always one of them.
    pub(super) fn columns_of_lines(&self, fields: &'static [Field]) -> Columns {
        match &self.0 {
            Some(names) if !self.columns(fields).is_empty() => Columns::chosen(fields, &|name| {
                name == "record" || names.iter().any(|given| is_chosen(name, given))
            }),
            _ => self.columns(fields),
        }
    }

    /// The columns of packets, some of which have a shorter word.
    pub(super) fn columns_of_packets(&self) -> Columns {
        let field = |name: &str| {
            let known = WORDS_OF_PACKETS.iter().find(|(word, _)| *word == name);
            known.map_or(name, |(_, field)| field).to_owned()
        };
        Self(self.0.as_ref().map(|names| names.iter().map(|name| field(name)).collect()))
            .columns(PacketRecord::FIELDS)
    }

    /// The columns of a kind of record.
    pub(super) fn columns(&self, fields: &'static [Field]) -> Columns {
        match &self.0 {
            None => Columns::all(fields),
            Some(names) => Columns::chosen(fields, &|name| names.iter().any(|given| is_chosen(name, given))),
        }
    }
}

fn is_chosen(name: &str, given: &str) -> bool {
    name.strip_prefix(given).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// Every kind of record that is written somewhere, packets included.
fn kinds() -> impl Iterator<Item = (&'static str, &'static [Field])> {
    RECORDS.iter().copied().chain([(PacketRecord::KIND, PacketRecord::FIELDS)])
}

/// All fields with their types and meaning, a table for people (`--fields help`).
pub fn list() -> String {
    let mut text = String::new();
    for (kind, fields) in kinds() {
        if !text.is_empty() {
            text.push('\n');
        }
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{kind}");
        columns(fields, &mut |name, field| {
            let _ = writeln!(text, "  {name:<32} {:<8} {}", type_name(field.kind), field.doc);
        });
    }
    text
}

const fn type_name(kind: Type) -> &'static str {
    match kind {
        Type::Time => "time",
        Type::Text => "text",
        Type::Word => "word",
        Type::Address => "address",
        Type::Integer => "integer",
        Type::Number => "number",
        Type::Boolean => "boolean",
        Type::List(_) => "list",
        Type::Record(_) | Type::Inline(_) => "record",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choose(names: &[&str]) -> Result<Fields, String> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        Fields::choose(&names).map_err(|error| error.to_string())
    }

    #[test]
    fn a_name_chooses_its_field_or_all_below_it() {
        let fields = choose(&["sent.packets", "rtt_seconds", "name"]).unwrap();
        let (_, flow) = RECORDS.iter().find(|(kind, _)| *kind == "flow").unwrap();
        let columns = fields.columns(flow);
        let names: Vec<_> = columns.as_slice().iter().map(|column| column.name.as_str()).collect();
        assert_eq!(names.first(), Some(&"sent.packets"));
        assert_eq!(names.iter().filter(|name| name.starts_with("rtt_seconds.")).count(), 8);
        assert_eq!(names.len(), 10);
    }

    #[test]
    fn a_line_says_of_what_kind_it_is_whatever_fields_were_chosen() {
        let fields = choose(&["client_ip", "sent.bytes"]).unwrap();
        for (kind, all) in RECORDS {
            let columns = fields.columns_of_lines(all);
            let has = |name| columns.as_slice().iter().any(|column| column.name == name);
            assert_eq!(has("record"), has("client_ip"), "{kind}");
        }
        assert!(RECORDS.iter().any(|(_, all)| !fields.columns_of_lines(all).is_empty()));
    }

    #[test]
    fn columns_of_packets_have_the_words_that_people_use() {
        let fields =
            choose(&["time", "source", "destination", "protocol", "name", "domain", "length"]).unwrap();
        let columns = fields.columns_of_packets();
        let names: Vec<_> = columns.as_slice().iter().map(|column| column.name.as_str()).collect();
        assert_eq!(names, ["time", "length", "transport", "source_ip", "destination_ip", "name", "domain"]);
    }

    #[test]
    fn an_unknown_name_is_one_line_with_the_nearest() {
        for (given, nearest) in
            [("server_prot", "server_port"), ("sent.byte", "sent.bytes"), ("windw", "window"), ("ja3", "ja4")]
        {
            let error = choose(&[given]).unwrap_err();
            assert!(error.contains(&format!("did you mean {nearest}?")), "{error}");
            assert_eq!(error.lines().count(), 1);
        }
        let error = choose(&["completely_different"]).unwrap_err();
        assert!(!error.contains("did you mean") && error.contains("--fields help"), "{error}");
        assert!(choose(&["sen"]).is_err());
    }

    #[test]
    fn the_list_names_every_field_once() {
        let list = list();
        for name in ["sent.retransmissions", "questions", "server_name", "timestamp_echo"] {
            assert!(list.contains(&format!("\n  {name} ")), "{name}");
        }
    }
}

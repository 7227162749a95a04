//! The schema of records that leave the host, in the forms that receivers take; all of it from the one list of fields.

use std::fmt::Write as _;

use monitor_core::{
    record::RECORDS,
    row::Columns,
    schema::{Field, Type},
};
use serde_json::{Map, Value, json};

use crate::sink::number::{SCHEMA, own_name};

/// Days that raw records stay.
const RAW_DAYS: u32 = 15;
/// Roll-ups: their name, the function of their step, and the days that they stay.
const ROLL_UPS: [(&str, &str, u32); 3] =
    [("1m", "toStartOfMinute", 7), ("5m", "toStartOfFiveMinutes", 90), ("1h", "toStartOfHour", 360)];
/// Columns by which flows are summed, where there are such.
const DIMENSIONS: [&str; 22] = [
    "interface",
    "transport",
    "domain",
    "application",
    "owner",
    "unit",
    "container",
    "image",
    "namespace",
    "pod",
    "client_owner",
    "client_unit",
    "client_container",
    "client_namespace",
    "client_pod",
    "client_process",
    "server_owner",
    "server_unit",
    "server_container",
    "server_namespace",
    "server_pod",
    "server_process",
];

/// Fields that stand before those of a record: name, JSON type, meaning.
const ENVELOPE: [(&str, &str, &str); 6] = [
    ("host", "string", "Name of the host."),
    ("boot", "string", "The boot, as the kernel names it."),
    ("run", "string", "The run, new at each start."),
    ("schema", "integer", "Version of this schema."),
    ("stream", "string", "The kind of record, whose numbers have no gaps in a run."),
    ("seq", "integer", "The record's number in its stream, from 1 on."),
];

fn object(fields: &[Field], into: &mut Map<String, Value>, required: &mut Vec<Value>) {
    for field in fields {
        if let Type::Inline(inner) = field.kind {
            if field.optional {
                object(inner, into, &mut Vec::new());
            } else {
                object(inner, into, required);
            }
            continue;
        }
        let mut value = json_type(&field.kind);
        if let Value::Object(value) = &mut value {
            value.insert("description".to_owned(), field.doc.into());
            if !field.unit.as_str().is_empty() {
                value.insert("unit".to_owned(), field.unit.as_str().into());
            }
        }
        into.insert(own_name(field.name).to_owned(), value);
        if !field.optional {
            required.push(own_name(field.name).into());
        }
    }
}

fn json_type(kind: &Type) -> Value {
    match kind {
        Type::Time => json!({ "type": "string", "format": "date-time" }),
        Type::Text | Type::Word | Type::Address => json!({ "type": "string" }),
        Type::Integer => json!({ "type": "integer", "minimum": 0 }),
        Type::Number => json!({ "type": "number" }),
        Type::Boolean => json!({ "type": "boolean" }),
        Type::List(item) => json!({ "type": "array", "items": json_type(item) }),
        Type::Record(fields) | Type::Inline(fields) => {
            let (mut properties, mut required) = (Map::new(), Vec::new());
            object(fields, &mut properties, &mut required);
            json!({ "type": "object", "properties": properties, "required": required })
        }
    }
}

/// JSON Schema.
pub(super) fn json_schema() -> String {
    let envelope = |properties: &mut Map<String, Value>, required: &mut Vec<Value>, numbered: bool| {
        for (name, kind, doc) in ENVELOPE.iter().filter(|(name, ..)| numbered || *name != "seq") {
            properties.insert((*name).to_owned(), json!({ "type": kind, "description": doc }));
            required.push((*name).into());
        }
    };
    let mut kinds: Vec<Value> = Vec::new();
    for (kind, fields) in RECORDS {
        let (mut properties, mut required) = (Map::new(), Vec::new());
        envelope(&mut properties, &mut required, true);
        object(fields, &mut properties, &mut required);
        properties.insert("record".to_owned(), json!({ "const": kind }));
        kinds
            .push(json!({ "title": kind, "type": "object", "properties": properties, "required": required }));
    }
    let (mut properties, mut required) = (Map::new(), Vec::new());
    envelope(&mut properties, &mut required, false);
    properties.insert("record".to_owned(), json!({ "const": "mark" }));
    properties.insert("time".to_owned(), json_type(&Type::Time));
    for (name, doc) in [
        ("first", "The first number that this output was given."),
        ("last", "The last number that there was."),
    ] {
        properties.insert(name.to_owned(), json!({ "type": "integer", "minimum": 0, "description": doc }));
        required.push(name.into());
    }
    required.extend(["record".into(), "time".into()]);
    kinds.push(json!({ "title": "mark", "type": "object", "properties": properties, "required": required }));
    let schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Records of Weir that leave the host",
        "version": SCHEMA,
        "oneOf": kinds,
    });
    let mut text = serde_json::to_string_pretty(&schema).unwrap_or_default();
    text.push('\n');
    text
}

fn camel(name: &str) -> String {
    let mut up = true;
    let letter = |c: char| {
        if c == '_' {
            up = true;
            return None;
        }
        Some(if std::mem::take(&mut up) { c.to_ascii_uppercase() } else { c })
    };
    name.chars().filter_map(letter).collect()
}

fn flatten<'a>(fields: &'a [Field], flat: &mut Vec<&'a Field>) {
    for field in fields {
        if let Type::Inline(inner) = field.kind { flatten(inner, flat) } else { flat.push(field) }
    }
}

/// The fields of a message, and the messages that stand in them.
fn message(name: &str, fields: &[Field], first: &[(&str, &str, &str)], depth: usize, out: &mut String) {
    let pad = "  ".repeat(depth);
    let mut flat: Vec<&Field> = Vec::new();
    flatten(fields, &mut flat);
    // Writing to a string cannot fail.
    let _ = writeln!(out, "{pad}message {name} {{");
    for field in &flat {
        let inner = match field.kind {
            Type::Record(inner) => inner,
            Type::List(Type::Record(inner)) => *inner,
            _ => continue,
        };
        message(&camel(field.name), inner, &[], depth + 1, out);
    }
    let mut number = 0;
    for (name, kind, doc) in first {
        number += 1;
        let kind = if *kind == "integer" { "uint64" } else { "string" };
        let _ = writeln!(out, "{pad}  // {doc}\n{pad}  {kind} {name} = {number} [json_name = \"{name}\"];");
    }
    for field in &flat {
        number += 1;
        let (name, doc) = (own_name(field.name), field.doc);
        let kind = |kind: &Type| match kind {
            Type::Time | Type::Text | Type::Word | Type::Address => "string".to_owned(),
            Type::Integer => "uint64".to_owned(),
            Type::Number => "double".to_owned(),
            Type::Boolean => "bool".to_owned(),
            _ => camel(field.name),
        };
        let (label, kind) = match field.kind {
            Type::List(item) => ("repeated ", kind(item)),
            Type::Record(_) => ("", kind(&field.kind)),
            other => (if field.optional { "optional " } else { "" }, kind(&other)),
        };
        let _ = writeln!(
            out,
            "{pad}  // {doc}\n{pad}  {label}{kind} {name} = {number} [json_name = \"{name}\"];"
        );
    }
    let _ = writeln!(out, "{pad}}}");
}

/// Messages of Protocol Buffers, whose JSON form is that of the records.
pub(super) fn protobuf() -> String {
    let mut out = format!(
        "// Records of Weir that leave the host, schema {SCHEMA}; in JSON form they are what Kafka and NATS get.\n\
         syntax = \"proto3\";\n\npackage weir.records;\n\n"
    );
    for (kind, fields) in RECORDS {
        message(&camel(kind), fields, &ENVELOPE, 0, &mut out);
        out.push('\n');
    }
    out
}

/// A column's type, and how it is compressed.
fn column(kind: Type, optional: bool) -> (String, &'static str) {
    let may = |name: &str| if optional { format!("Nullable({name})") } else { name.to_owned() };
    match kind {
        Type::Time => (may("DateTime64(9, 'UTC')"), " CODEC(DoubleDelta, LZ4)"),
        // Absent and empty are the same for a name.
        Type::Text => ("String".to_owned(), ""),
        Type::Word => ("LowCardinality(String)".to_owned(), ""),
        Type::Address => (may("IPv6"), ""),
        Type::Integer => (may("UInt64"), " CODEC(T64, LZ4)"),
        Type::Number => (may("Float64"), ""),
        Type::Boolean => (may("Bool"), ""),
        Type::List(item) => (format!("Array({})", column(*item, false).0), ""),
        Type::Record(fields) | Type::Inline(fields) => {
            let inner: Vec<String> = fields
                .iter()
                .map(|field| format!("`{}` {}", field.name, column(field.kind, false).0))
                .collect();
            (format!("Tuple({})", inner.join(", ")), "")
        }
    }
}

/// Names that stand in most rows again.
fn is_low(name: &str) -> bool {
    DIMENSIONS.contains(&name) || matches!(name, "name" | "server_name" | "ja4" | "method" | "content_type")
}

/// Tables and roll-ups of `ClickHouse`.
pub(super) fn clickhouse() -> String {
    let mut out = format!(
        "-- Records of Weir, schema {SCHEMA}. `weir records schema --form clickhouse` prints this.\n\
         CREATE DATABASE IF NOT EXISTS weir;\n"
    );
    // Writing to a string cannot fail.
    for (kind_of_record, fields) in RECORDS {
        let kind = kind_of_record;
        let columns = Columns::all(fields);
        let (time, keys) = if *kind == "flow" {
            ("end", "client_ip, server_ip, server_port")
        } else if *kind == "fanout" {
            ("time", "seq")
        } else {
            // What a record does not have cannot order it; what may be absent would need a setting of its own.
            let has = |name: &str| {
                columns.as_slice().iter().any(|column| column.name == name && !column.field.optional)
            };
            ("time", if has("client_ip") { "client_ip, server_ip" } else { "kind" })
        };
        let _ = write!(
            out,
            "\nCREATE TABLE IF NOT EXISTS weir.{kind}\n(\n    \
             host LowCardinality(String),\n    boot LowCardinality(String),\n    run LowCardinality(String),\n    \
             schema UInt16,\n    seq UInt64 CODEC(Delta, LZ4)"
        );
        for of in columns.as_slice().iter().filter(|column| column.name != "record") {
            let name = own_name(&of.name).replace('.', "_");
            let (mut kind, codec) = column(of.field.kind, of.field.optional && of.name != time);
            if name == "flow_id" || name == "id" && *kind_of_record != "dns" {
                kind = String::from("UInt64");
            } else if kind == "String" && is_low(&name) {
                kind = String::from("LowCardinality(String)");
            }
            let doc = of.field.doc.replace('\'', "''");
            let _ = write!(out, ",\n    `{name}` {kind}{codec} COMMENT '{doc}'");
        }
        let _ = write!(
            out,
            "\n)\nENGINE = MergeTree\nPARTITION BY toStartOfInterval(`{time}`, INTERVAL 8 HOUR)\n\
             ORDER BY (toStartOfFiveMinutes(`{time}`), host, {keys})\n\
             TTL toDateTime(`{time}`) + INTERVAL {RAW_DAYS} DAY\n\
             SETTINGS non_replicated_deduplication_window = 10000;\n"
        );
    }
    let _ = write!(
        out,
        "\nCREATE TABLE IF NOT EXISTS weir.mark\n(\n    host LowCardinality(String),\n    \
         boot LowCardinality(String),\n    run LowCardinality(String),\n    schema UInt16,\n    \
         stream LowCardinality(String),\n    time DateTime64(9, 'UTC'),\n    first UInt64,\n    last UInt64\n)\n\
         ENGINE = MergeTree\nORDER BY (host, run, stream, time)\nTTL toDateTime(time) + INTERVAL {RAW_DAYS} DAY;\n"
    );
    for (name, step, days) in ROLL_UPS {
        roll_up(name, step, days, &mut out);
    }
    out
}

fn roll_up(name: &str, step: &str, days: u32, out: &mut String) {
    let Some((_, fields)) = RECORDS.iter().find(|(kind, _)| *kind == "flow") else { return };
    let columns = Columns::all(fields);
    let names: Vec<&str> = columns.as_slice().iter().map(|column| column.name.as_str()).collect();
    let dimensions: Vec<&str> = DIMENSIONS.into_iter().filter(|name| names.contains(name)).collect();
    let sums: Vec<String> = columns
        .as_slice()
        .iter()
        .filter(|column| matches!(column.field.kind, Type::Integer))
        .filter(|column| column.name.starts_with("sent.") || column.name.starts_with("received."))
        .map(|column| column.name.replace('.', "_"))
        .collect();
    // Writing to a string cannot fail.
    let _ = write!(
        out,
        "\nCREATE TABLE IF NOT EXISTS weir.flow_{name}\n(\n    time DateTime CODEC(DoubleDelta, LZ4),\n    host LowCardinality(String)"
    );
    for dimension in &dimensions {
        let _ = write!(out, ",\n    `{dimension}` LowCardinality(String)");
    }
    let _ = write!(out, ",\n    records UInt64 CODEC(T64, LZ4)");
    for sum in &sums {
        let _ = write!(out, ",\n    `{sum}` UInt64 CODEC(T64, LZ4)");
    }
    let list = dimensions.iter().fold(String::new(), |list, name| list + ", `" + name + "`");
    let _ = write!(
        out,
        "\n)\nENGINE = SummingMergeTree\nPARTITION BY toYYYYMMDD(time)\nORDER BY (time, host{list})\n\
         TTL time + INTERVAL {days} DAY\nSETTINGS non_replicated_deduplication_window = 10000;\n\n\
         CREATE MATERIALIZED VIEW IF NOT EXISTS weir.flow_{name}_view TO weir.flow_{name} AS\n\
         SELECT {step}(toDateTime(end)) AS time, host{list}, count() AS records"
    );
    for sum in &sums {
        let _ = write!(out, ",\n    sum(ifNull(`{sum}`, 0)) AS `{sum}`");
    }
    let _ = write!(out, "\nFROM weir.flow\nGROUP BY time, host{list};\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_record_is_in_every_form() {
        let (schema, protobuf, tables) = (json_schema(), protobuf(), clickhouse());
        let value: Value = serde_json::from_str(&schema).unwrap();
        assert_eq!(value["oneOf"].as_array().unwrap().len(), RECORDS.len() + 1);
        for (kind, _) in RECORDS {
            assert!(protobuf.contains(&format!("message {} {{", camel(kind))), "{kind}");
            assert!(tables.contains(&format!("EXISTS weir.{kind}\n")), "{kind}");
        }
        assert!(tables.contains("`sent_packets` UInt64") && tables.contains("flow_1h_view"));
    }
}

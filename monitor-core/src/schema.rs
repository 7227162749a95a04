//! What a record consists of, declared once: every output (JSON lines, CSV, Parquet, the
//! documentation) reads the same list of fields.
//!
//! `record!` makes three things of one declaration: the struct that is filled, its [`Field`]s, and its
//! `serde::Serialize`, which leaves out what is absent.

use serde::ser::{Serialize, SerializeStruct};

/// A field of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its name in every output.
    pub name: &'static str,
    /// What it holds.
    pub kind: Type,
    /// What a number of it counts.
    pub unit: Unit,
    /// Whether it may be left out.
    pub optional: bool,
    /// What it says, one sentence or two.
    pub doc: &'static str,
}

/// What a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// A point in time: RFC 3339, UTC, nanoseconds.
    Time,
    /// Text, escaped as [`crate::record::Text`] says.
    Text,
    /// One of a few words.
    Word,
    /// An IPv4 or IPv6 address.
    Address,
    /// A whole number, not negative.
    Integer,
    /// A number with a fraction.
    Number,
    /// True or false.
    Boolean,
    /// Fields of its own under the field's name.
    Record(&'static [Field]),
    /// Fields of its own that stand beside the others, without the name.
    Inline(&'static [Field]),
    /// Any number of values.
    List(&'static Type),
}

/// What a number counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Nothing: an identifier, a number of times, or no number.
    None,
    /// Bytes.
    Bytes,
    /// Packets on the wire.
    Packets,
    /// Seconds.
    Seconds,
}

impl Unit {
    /// The unit's name, empty for none.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Bytes => "bytes",
            Self::Packets => "packets",
            Self::Seconds => "seconds",
        }
    }
}

/// A kind of record.
pub trait Record: Serialize {
    /// Value of the field `record`.
    const KIND: &'static str;
    /// Its fields, in the order of output.
    const FIELDS: &'static [Field];
}

/// Calls `with` for every field that holds a value itself, with the path to it (`sent.packets`): the
/// columns of a flat output.
pub fn columns(fields: &'static [Field], with: &mut dyn FnMut(&str, &'static Field)) {
    fn walk(prefix: &str, fields: &'static [Field], with: &mut dyn FnMut(&str, &'static Field)) {
        for field in fields {
            match field.kind {
                Type::Inline(inner) => walk(prefix, inner, with),
                Type::Record(inner) => walk(&format!("{prefix}{}.", field.name), inner, with),
                _ => with(&format!("{prefix}{}", field.name), field),
            }
        }
    }
    walk("", fields, with);
}

/// A type that a field can have.
pub(crate) trait Value {
    /// Its description.
    const TYPE: Type;
    /// Whether a value may be absent.
    const OPTIONAL: bool = false;

    /// Writes it as the field `name`, or nothing if it is absent.
    fn emit<S: SerializeStruct>(&self, name: &'static str, to: &mut S) -> Result<(), S::Error>;
}

impl<T: Value> Value for Option<T> {
    const TYPE: Type = T::TYPE;
    const OPTIONAL: bool = true;

    fn emit<S: SerializeStruct>(&self, name: &'static str, to: &mut S) -> Result<(), S::Error> {
        match self {
            Some(value) => value.emit(name, to),
            None => to.skip_field(name),
        }
    }
}

impl<T: Value + Serialize> Value for Vec<T> {
    const TYPE: Type = Type::List(&T::TYPE);

    fn emit<S: SerializeStruct>(&self, name: &'static str, to: &mut S) -> Result<(), S::Error> {
        to.serialize_field(name, self)
    }
}

/// Implements [`Value`] for types that serialize themselves.
macro_rules! values {
    ($($kind:ident: $($type:ty),+;)+) => {$($(
        impl $crate::schema::Value for $type {
            const TYPE: $crate::schema::Type = $crate::schema::Type::$kind;

            fn emit<S: serde::ser::SerializeStruct>(
                &self,
                name: &'static str,
                to: &mut S,
            ) -> Result<(), S::Error> {
                to.serialize_field(name, self)
            }
        }
    )+)+};
}

/// Implements [`Value`] for types with `as_str`.
macro_rules! words {
    ($($type:ty),+ $(,)?) => {$(
        impl $crate::schema::Value for $type {
            const TYPE: $crate::schema::Type = $crate::schema::Type::Word;

            fn emit<S: serde::ser::SerializeStruct>(
                &self,
                name: &'static str,
                to: &mut S,
            ) -> Result<(), S::Error> {
                to.serialize_field(name, self.as_str())
            }
        }
    )+};
}

values! {
    Boolean: bool;
    Integer: u8, u16, u32, u64;
    Number: f64;
    Address: std::net::IpAddr;
}

/// A field's name without the `r#` that a Rust keyword needs.
pub(crate) const fn plain(name: &'static str) -> &'static str {
    match name.as_bytes() {
        [b'r', b'#', rest @ ..] => match core::str::from_utf8(rest) {
            Ok(plain) => plain,
            Err(_) => name,
        },
        _ => name,
    }
}

/// Declares a record (`record "kind" Name`), a part of one under a name of its own (`part Name`), or one
/// whose fields stand among the others (`inline Name`).
macro_rules! record {
    (record $kind:literal $(#[$doc:meta])* $name:ident { $($fields:tt)+ }) => {
        record!(@struct $(#[$doc])* $name { $($fields)+ });
        record!(@fields $name [$crate::schema::Field {
            name: "record",
            kind: $crate::schema::Type::Word,
            unit: $crate::schema::Unit::None,
            optional: false,
            doc: "The kind of record.",
        },] { $($fields)+ });

        impl $crate::schema::Record for $name {
            const KIND: &'static str = $kind;
            const FIELDS: &'static [$crate::schema::Field] = Self::FIELD_LIST;
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                use serde::ser::SerializeStruct as _;
                let mut to = serializer.serialize_struct(stringify!($name), Self::FIELD_LIST.len())?;
                to.serialize_field("record", $kind)?;
                self.emit_fields(&mut to)?;
                to.end()
            }
        }
    };
    (part $(#[$doc:meta])* $name:ident { $($fields:tt)+ }) => {
        record!(@struct $(#[$doc])* $name { $($fields)+ });
        record!(@fields $name [] { $($fields)+ });

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                use serde::ser::SerializeStruct as _;
                let mut to = serializer.serialize_struct(stringify!($name), Self::FIELD_LIST.len())?;
                self.emit_fields(&mut to)?;
                to.end()
            }
        }

        impl $crate::schema::Value for $name {
            const TYPE: $crate::schema::Type = $crate::schema::Type::Record(Self::FIELD_LIST);

            fn emit<S: serde::ser::SerializeStruct>(
                &self,
                name: &'static str,
                to: &mut S,
            ) -> Result<(), S::Error> {
                to.serialize_field(name, self)
            }
        }
    };
    (inline $(#[$doc:meta])* $name:ident { $($fields:tt)+ }) => {
        record!(@struct $(#[$doc])* $name { $($fields)+ });
        record!(@fields $name [] { $($fields)+ });

        impl $crate::schema::Value for $name {
            const TYPE: $crate::schema::Type = $crate::schema::Type::Inline(Self::FIELD_LIST);

            fn emit<S: serde::ser::SerializeStruct>(
                &self,
                _: &'static str,
                to: &mut S,
            ) -> Result<(), S::Error> {
                self.emit_fields(to)
            }
        }
    };
    (@struct $(#[$sdoc:meta])* $name:ident {
        $($(#[doc = $doc:literal])+ $field:ident: $type:ty $(, $unit:ident)?;)+
    }) => {
        $(#[$sdoc])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name {
            $($(#[doc = $doc])+ pub $field: $type,)+
        }
    };
    (@fields $name:ident [$($first:expr,)?] {
        $($(#[doc = $doc:literal])+ $field:ident: $type:ty $(, $unit:ident)?;)+
    }) => {
        impl $name {
            const FIELD_LIST: &'static [$crate::schema::Field] = &[
                $($first,)?
                $($crate::schema::Field {
                    name: $crate::schema::plain(stringify!($field)),
                    kind: <$type as $crate::schema::Value>::TYPE,
                    unit: record!(@unit $($unit)?),
                    optional: <$type as $crate::schema::Value>::OPTIONAL,
                    doc: concat!($($doc),+).trim_ascii(),
                },)+
            ];

            fn emit_fields<S: serde::ser::SerializeStruct>(&self, to: &mut S) -> Result<(), S::Error> {
                $($crate::schema::Value::emit(
                    &self.$field,
                    const { $crate::schema::plain(stringify!($field)) },
                    to,
                )?;)+
                Ok(())
            }
        }
    };
    (@unit) => { $crate::schema::Unit::None };
    (@unit $unit:ident) => { $crate::schema::Unit::$unit };
}

pub(crate) use {record, values, words};

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::record::RECORDS;

    #[test]
    fn every_field_has_a_name_in_snake_case_and_a_doc() {
        for (kind, fields) in RECORDS {
            let mut names = HashSet::new();
            columns(fields, &mut |name, field| {
                assert!(names.insert(name.to_owned()), "{kind}.{name} stands twice");
                let syntax =
                    field.name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
                assert!(syntax && !field.name.is_empty(), "{kind}.{name}");
                assert!(
                    field.doc.ends_with('.') && !field.doc.contains("  "),
                    "{kind}.{name}: {:?}",
                    field.doc
                );
            });
            let who: &[_] = if *kind == "fanout" {
                &["source"]
            } else if *kind == "detection" {
                &["source_ip", "first_flow"]
            } else {
                &["client_ip", if *kind == "dns" { "flow_id" } else { "id" }]
            };
            assert!(names.contains("record") && who.iter().all(|name| names.contains(*name)), "{kind}");
        }
    }

    #[test]
    fn names_of_seconds_and_bytes_say_so() {
        for (kind, fields) in RECORDS {
            columns(fields, &mut |name, field| match field.unit {
                Unit::Seconds => assert!(name.contains("seconds") || name.ends_with("ttl"), "{kind}.{name}"),
                Unit::Bytes => assert!(name.ends_with("bytes") || name.starts_with("mss"), "{kind}.{name}"),
                Unit::Packets | Unit::None => {}
            });
        }
    }
}

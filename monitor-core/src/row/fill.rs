//! Takes a record apart: a `serde` serializer whose output is cells.

use std::fmt::{self, Display};

use serde::ser::{self, Impossible, Serialize, SerializeSeq, SerializeStruct, Serializer};

use super::{Cell, Columns, Row, Step, What};
use crate::schema::{Field, Type};

/// A value that is not of the form that the schema declares.
#[derive(Debug)]
pub struct RowError(String);

impl Display for RowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a record is not as its schema says: {}", self.0)
    }
}

impl std::error::Error for RowError {}

impl ser::Error for RowError {
    fn custom<T: Display>(what: T) -> Self {
        Self(what.to_string())
    }
}

impl Row {
    /// Takes `record`, which is of the kind that `columns` were made for.
    ///
    /// # Errors
    /// None that a record of this crate can cause: fields that the schema does not have.
    pub fn fill<R: Serialize>(&mut self, columns: &Columns, record: &R) -> Result<(), RowError> {
        self.text.clear();
        self.cells.clear();
        self.cells.resize_with(columns.columns.len(), Cell::default);
        record.serialize(Group { steps: &columns.plan, columns, row: self })
    }
}

/// Answers what only other types call.
macro_rules! refuse {
    ($($method:ident($($type:ty),*) -> $out:ty;)+) => {$(
        fn $method(self $(, _: $type)*) -> Result<$out, RowError> {
            Err(ser::Error::custom(stringify!($method)))
        }
    )+};
}

/// What neither a record nor a value of the schema ever is.
macro_rules! refuse_compounds {
    () => {
        type SerializeTuple = Impossible<(), RowError>;
        type SerializeTupleStruct = Impossible<(), RowError>;
        type SerializeTupleVariant = Impossible<(), RowError>;
        type SerializeMap = Impossible<(), RowError>;
        type SerializeStructVariant = Impossible<(), RowError>;

        refuse! {
            serialize_bytes(&[u8]) -> ();
            serialize_char(char) -> ();
            serialize_i8(i8) -> ();
            serialize_i16(i16) -> ();
            serialize_i32(i32) -> ();
            serialize_i64(i64) -> ();
            serialize_unit() -> ();
            serialize_unit_struct(&'static str) -> ();
            serialize_unit_variant(&'static str, u32, &'static str) -> ();
            serialize_tuple(usize) -> Self::SerializeTuple;
            serialize_tuple_struct(&'static str, usize) -> Self::SerializeTupleStruct;
            serialize_tuple_variant(&'static str, u32, &'static str, usize) -> Self::SerializeTupleVariant;
            serialize_map(Option<usize>) -> Self::SerializeMap;
            serialize_struct_variant(&'static str, u32, &'static str, usize) -> Self::SerializeStructVariant;
        }

        fn serialize_newtype_struct<T: Serialize + ?Sized>(
            self,
            _: &'static str,
            value: &T,
        ) -> Result<(), RowError> {
            value.serialize(self)
        }

        fn serialize_newtype_variant<T: Serialize + ?Sized>(
            self,
            _: &'static str,
            _: u32,
            _: &'static str,
            _: &T,
        ) -> Result<(), RowError> {
            Err(ser::Error::custom("serialize_newtype_variant"))
        }
    };
}

/// A record, or fields under a name within one.
struct Group<'a> {
    steps: &'a [Step],
    columns: &'a Columns,
    row: &'a mut Row,
}

impl<'a> Serializer for Group<'a> {
    type Ok = ();
    type Error = RowError;
    type SerializeSeq = Impossible<(), RowError>;
    type SerializeStruct = GroupFields<'a>;

    refuse_compounds!();
    refuse! {
        serialize_bool(bool) -> ();
        serialize_u8(u8) -> ();
        serialize_u16(u16) -> ();
        serialize_u32(u32) -> ();
        serialize_u64(u64) -> ();
        serialize_f32(f32) -> ();
        serialize_f64(f64) -> ();
        serialize_str(&str) -> ();
        serialize_seq(Option<usize>) -> Self::SerializeSeq;
    }

    fn serialize_none(self) -> Result<(), RowError> {
        Ok(())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), RowError> {
        value.serialize(self)
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self::SerializeStruct, RowError> {
        Ok(GroupFields { left: self.steps.iter(), columns: self.columns, row: self.row })
    }
}

/// Fields come in the order of the schema, less those that are absent.
struct GroupFields<'a> {
    left: std::slice::Iter<'a, Step>,
    columns: &'a Columns,
    row: &'a mut Row,
}

impl SerializeStruct for GroupFields<'_> {
    type Ok = ();
    type Error = RowError;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), RowError> {
        let Some(step) = self.left.find(|step| step.name == name) else {
            return Err(ser::Error::custom(name));
        };
        match &step.what {
            What::Nothing => Ok(()),
            What::Group(steps) => value.serialize(Group { steps, columns: self.columns, row: self.row }),
            What::Cell(at) => {
                let column = self.columns.columns.get(*at);
                let kind = column.map_or(Type::Text, |column| column.field.kind);
                let mut cell = Cell::Absent;
                value.serialize(Value { kind, cell: &mut cell, text: &mut self.row.text })?;
                if let Some(place) = self.row.cells.get_mut(*at) {
                    *place = cell;
                }
                Ok(())
            }
        }
    }

    fn end(self) -> Result<(), RowError> {
        Ok(())
    }
}

/// A value.
struct Value<'a> {
    kind: Type,
    cell: &'a mut Cell,
    text: &'a mut String,
}

impl<'a> Serializer for Value<'a> {
    type Ok = ();
    type Error = RowError;
    type SerializeSeq = Items<'a>;
    type SerializeStruct = Members<'a>;

    refuse_compounds!();

    fn serialize_bool(self, value: bool) -> Result<(), RowError> {
        *self.cell = Cell::Boolean(value);
        Ok(())
    }

    fn serialize_u8(self, value: u8) -> Result<(), RowError> {
        self.serialize_u64(value.into())
    }

    fn serialize_u16(self, value: u16) -> Result<(), RowError> {
        self.serialize_u64(value.into())
    }

    fn serialize_u32(self, value: u32) -> Result<(), RowError> {
        self.serialize_u64(value.into())
    }

    fn serialize_u64(self, value: u64) -> Result<(), RowError> {
        *self.cell = Cell::Integer(value);
        Ok(())
    }

    fn serialize_f32(self, value: f32) -> Result<(), RowError> {
        self.serialize_f64(value.into())
    }

    fn serialize_f64(self, value: f64) -> Result<(), RowError> {
        *self.cell = Cell::Number(value);
        Ok(())
    }

    fn serialize_str(self, value: &str) -> Result<(), RowError> {
        let begin = self.text.len();
        self.text.push_str(value);
        *self.cell = Cell::Text(begin..self.text.len());
        Ok(())
    }

    fn collect_str<T: Display + ?Sized>(self, value: &T) -> Result<(), RowError> {
        let begin = self.text.len();
        fmt::Write::write_fmt(self.text, format_args!("{value}")).map_err(ser::Error::custom)?;
        *self.cell = Cell::Text(begin..self.text.len());
        Ok(())
    }

    fn serialize_none(self) -> Result<(), RowError> {
        Ok(())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), RowError> {
        value.serialize(self)
    }

    fn serialize_seq(self, length: Option<usize>) -> Result<Items<'a>, RowError> {
        let Type::List(kind) = self.kind else { return Err(ser::Error::custom("a list")) };
        let done = Vec::with_capacity(length.unwrap_or_default());
        Ok(Items { kind: *kind, done, cell: self.cell, text: self.text })
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Members<'a>, RowError> {
        let Type::Record(fields) = self.kind else { return Err(ser::Error::custom("a record")) };
        let done = vec![Cell::Absent; fields.len()];
        Ok(Members { fields, done, cell: self.cell, text: self.text })
    }
}

struct Items<'a> {
    kind: Type,
    done: Vec<Cell>,
    cell: &'a mut Cell,
    text: &'a mut String,
}

impl SerializeSeq for Items<'_> {
    type Ok = ();
    type Error = RowError;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), RowError> {
        let mut cell = Cell::Absent;
        value.serialize(Value { kind: self.kind, cell: &mut cell, text: self.text })?;
        self.done.push(cell);
        Ok(())
    }

    fn end(self) -> Result<(), RowError> {
        *self.cell = Cell::List(self.done);
        Ok(())
    }
}

/// The fields of a record within a list.
struct Members<'a> {
    fields: &'static [Field],
    done: Vec<Cell>,
    cell: &'a mut Cell,
    text: &'a mut String,
}

impl SerializeStruct for Members<'_> {
    type Ok = ();
    type Error = RowError;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), RowError> {
        let found = self.fields.iter().zip(&mut self.done).find(|(field, _)| field.name == name);
        let Some((field, cell)) = found else { return Err(ser::Error::custom(name)) };
        value.serialize(Value { kind: field.kind, cell, text: self.text })
    }

    fn end(self) -> Result<(), RowError> {
        *self.cell = Cell::Record(self.done);
        Ok(())
    }
}

//! Records as JSON, straight into the bytes of a line.
//!
//! What records consist of is little: objects, lists, text, numbers. The names of their fields need no escapes, and
//! nearly all text needs none; so this writes each piece once, where a writer of any JSON looks at each. What is rare
//! (escapes, fractions) is left to `serde_json`, and every line is what that would write, to the byte.

use std::fmt::Display;
use std::io::Write as _;

use serde::ser::{Error as _, Impossible, Serialize, SerializeSeq, SerializeStruct, Serializer};
use serde_json::Error;

/// Writes a value behind what is there.
pub(super) struct Json<'a>(pub(super) &'a mut Vec<u8>);

/// An object or a list that is being written.
pub(super) struct Open<'a> {
    to: &'a mut Vec<u8>,
    empty: bool,
}

impl Open<'_> {
    #[inline]
    fn separate(&mut self) {
        if !std::mem::take(&mut self.empty) {
            self.to.push(b',');
        }
    }
}

impl<'a> Json<'a> {
    fn open(self, bracket: u8) -> Open<'a> {
        self.0.push(bracket);
        Open { to: self.0, empty: true }
    }

    fn integer(self, number: impl itoa::Integer) {
        self.0.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
    }
}

/// Whether a byte of text stands in JSON as it is.
const fn is_plain(byte: u8) -> bool {
    byte >= 0x20 && byte != b'"' && byte != b'\\'
}

/// No record has a value of this kind.
fn none<T>() -> Result<T, Error> {
    Err(Error::custom("no record has such a value"))
}

impl<'a> Serializer for Json<'a> {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = Open<'a>;
    type SerializeTuple = Impossible<(), Error>;
    type SerializeTupleStruct = Impossible<(), Error>;
    type SerializeTupleVariant = Impossible<(), Error>;
    type SerializeMap = Impossible<(), Error>;
    type SerializeStruct = Open<'a>;
    type SerializeStructVariant = Impossible<(), Error>;

    #[inline]
    fn serialize_bool(self, v: bool) -> Result<(), Error> {
        self.0.extend_from_slice(if v { b"true" } else { b"false" });
        Ok(())
    }

    fn serialize_i8(self, v: i8) -> Result<(), Error> {
        self.integer(v);
        Ok(())
    }

    fn serialize_i16(self, v: i16) -> Result<(), Error> {
        self.integer(v);
        Ok(())
    }

    fn serialize_i32(self, v: i32) -> Result<(), Error> {
        self.integer(v);
        Ok(())
    }

    fn serialize_i64(self, v: i64) -> Result<(), Error> {
        self.integer(v);
        Ok(())
    }

    fn serialize_u8(self, v: u8) -> Result<(), Error> {
        self.integer(v);
        Ok(())
    }

    fn serialize_u16(self, v: u16) -> Result<(), Error> {
        self.integer(v);
        Ok(())
    }

    fn serialize_u32(self, v: u32) -> Result<(), Error> {
        self.integer(v);
        Ok(())
    }

    #[inline]
    fn serialize_u64(self, v: u64) -> Result<(), Error> {
        // Most counters of most flows are one digit.
        if v < 10 {
            self.0.push(b'0' + v as u8);
        } else {
            self.integer(v);
        }
        Ok(())
    }

    fn serialize_f32(self, v: f32) -> Result<(), Error> {
        serde_json::to_writer(self.0, &v)
    }

    fn serialize_f64(self, v: f64) -> Result<(), Error> {
        serde_json::to_writer(self.0, &v)
    }

    fn serialize_char(self, v: char) -> Result<(), Error> {
        serde_json::to_writer(self.0, &v)
    }

    fn serialize_str(self, v: &str) -> Result<(), Error> {
        if !v.bytes().all(is_plain) {
            return serde_json::to_writer(self.0, v);
        }
        self.0.reserve(v.len() + 2);
        self.0.push(b'"');
        self.0.extend_from_slice(v.as_bytes());
        self.0.push(b'"');
        Ok(())
    }

    fn collect_str<T: Display + ?Sized>(self, value: &T) -> Result<(), Error> {
        let begin = self.0.len();
        self.0.push(b'"');
        write!(self.0, "{value}").map_err(Error::custom)?;
        let text = self.0.get(begin + 1..).unwrap_or_default();
        if text.iter().all(|byte| is_plain(*byte)) {
            self.0.push(b'"');
            return Ok(());
        }
        let text = String::from_utf8_lossy(text).into_owned();
        self.0.truncate(begin);
        serde_json::to_writer(self.0, &text)
    }

    fn serialize_bytes(self, _: &[u8]) -> Result<(), Error> {
        none()
    }

    fn serialize_none(self) -> Result<(), Error> {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), Error> {
        self.0.extend_from_slice(b"null");
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Error> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<(), Error> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<(), Error> {
        none()
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Open<'a>, Error> {
        Ok(self.open(b'['))
    }

    fn serialize_tuple(self, _: usize) -> Result<Self::SerializeTuple, Error> {
        none()
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self::SerializeTupleStruct, Error> {
        none()
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, Error> {
        none()
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Self::SerializeMap, Error> {
        none()
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Open<'a>, Error> {
        Ok(self.open(b'{'))
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, Error> {
        none()
    }
}

impl SerializeStruct for Open<'_> {
    type Ok = ();
    type Error = Error;

    #[inline]
    fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), Error> {
        self.to.reserve(key.len() + 8);
        self.separate();
        self.to.push(b'"');
        self.to.extend_from_slice(key.as_bytes());
        self.to.extend_from_slice(b"\":");
        value.serialize(Json(self.to))
    }

    fn end(self) -> Result<(), Error> {
        self.to.push(b'}');
        Ok(())
    }
}

impl SerializeSeq for Open<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.separate();
        value.serialize(Json(self.to))
    }

    fn end(self) -> Result<(), Error> {
        self.to.push(b']');
        Ok(())
    }
}

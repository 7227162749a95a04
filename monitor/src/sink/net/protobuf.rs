//! Messages of Protocol Buffers (protobuf.dev, "Encoding"): as much as OTLP takes.

/// Wire types.
const VARINT: u64 = 0;
const FIXED: u64 = 1;
const BYTES: u64 = 2;

/// A message that is being made.
#[derive(Clone, Debug, Default)]
pub(super) struct Message(Vec<u8>);

impl Message {
    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    /// A whole number, also if it is 0.
    pub(super) fn always(&mut self, field: u64, value: u64) {
        self.varint(field << 3 | VARINT);
        self.varint(value);
    }

    /// A number of eight bytes.
    pub(super) fn fixed(&mut self, field: u64, value: u64) {
        self.varint(field << 3 | FIXED);
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    /// A number with a fraction.
    pub(super) fn double(&mut self, field: u64, value: f64) {
        self.fixed(field, value.to_bits());
    }

    pub(super) fn bytes(&mut self, field: u64, value: &[u8]) {
        self.varint(field << 3 | BYTES);
        self.varint(value.len() as u64);
        self.0.extend_from_slice(value);
    }

    pub(super) fn text(&mut self, field: u64, value: &str) {
        self.bytes(field, value.as_bytes());
    }

    pub(super) fn message(&mut self, field: u64, value: &Self) {
        self.bytes(field, &value.0);
    }
}

fn read_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// The first field of a number in a message: its bytes, or its number as an error. `None`: it is not there, or the message
/// is none.
pub(super) fn find(mut bytes: &[u8], wanted: u64) -> Option<Result<&[u8], u64>> {
    loop {
        let key = read_varint(&mut bytes)?;
        let found = match key & 7 {
            VARINT => Err(read_varint(&mut bytes)?),
            BYTES => {
                let length = usize::try_from(read_varint(&mut bytes)?).ok()?;
                let (value, rest) = bytes.split_at_checked(length)?;
                bytes = rest;
                Ok(value)
            }
            FIXED => {
                bytes = bytes.get(8..)?;
                continue;
            }
            5 => {
                bytes = bytes.get(4..)?;
                continue;
            }
            _ => return None,
        };
        if key >> 3 == wanted {
            return Some(found);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_found_and_what_is_cut_is_not() {
        let mut inner = Message::default();
        inner.always(1, 300);
        let mut message = Message::default();
        message.double(7, 1.5);
        message.message(1, &inner);
        assert_eq!(message.as_bytes()[9..], [10, 3, 8, 0xac, 2]);
        let found = find(message.as_bytes(), 1).unwrap().unwrap();
        assert_eq!(find(found, 1), Some(Err(300)));
        for cut in 0..message.as_bytes().len() {
            assert_eq!(find(&message.as_bytes()[..cut], 1), None, "{cut}");
        }
        assert_eq!(find(&[0xff; 20], 1), None);
    }
}

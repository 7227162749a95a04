//! Kafka's primitive types (kafka.apache.org/protocol, "Protocol Primitive Types"), big-endian.

/// A request that is being made.
#[derive(Debug, Default)]
pub(super) struct Writer(pub(super) Vec<u8>);

impl Writer {
    /// Begins a request, with header version 1.
    pub(super) fn request(key: i16, version: i16, correlation: i32) -> Self {
        let mut writer = Self(vec![0; 4]);
        writer.int16(key);
        writer.int16(version);
        writer.int32(correlation);
        writer.string(Some("weir"));
        writer
    }

    /// The request with its length before it.
    pub(super) fn end(mut self) -> Vec<u8> {
        let length = (self.0.len() - 4) as u32;
        if let Some(place) = self.0.get_mut(..4) {
            place.copy_from_slice(&length.to_be_bytes());
        }
        self.0
    }

    pub(super) fn int8(&mut self, value: i8) {
        self.0.push(value as u8);
    }

    pub(super) fn int16(&mut self, value: i16) {
        self.0.extend(value.to_be_bytes());
    }

    pub(super) fn int32(&mut self, value: i32) {
        self.0.extend(value.to_be_bytes());
    }

    pub(super) fn int64(&mut self, value: i64) {
        self.0.extend(value.to_be_bytes());
    }

    pub(super) fn string(&mut self, value: Option<&str>) {
        match value {
            None => self.int16(-1),
            Some(value) => {
                self.int16(value.len() as i16);
                self.0.extend_from_slice(value.as_bytes());
            }
        }
    }

    pub(super) fn bytes(&mut self, value: &[u8]) {
        self.int32(value.len() as i32);
        self.0.extend_from_slice(value);
    }

    /// A number in zig-zag form, as in records.
    pub(super) fn varint(&mut self, value: i64) {
        let mut value = ((value << 1) ^ (value >> 63)) as u64;
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    pub(super) fn varint_bytes(&mut self, value: &[u8]) {
        self.varint(value.len() as i64);
        self.0.extend_from_slice(value);
    }
}

/// An answer that is being read; `None`: it ends before.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }

    pub(super) fn int8(&mut self) -> Option<i8> {
        self.take().map(i8::from_be_bytes)
    }

    pub(super) fn int16(&mut self) -> Option<i16> {
        self.take().map(i16::from_be_bytes)
    }

    pub(super) fn int32(&mut self) -> Option<i32> {
        self.take().map(i32::from_be_bytes)
    }

    pub(super) fn int64(&mut self) -> Option<i64> {
        self.take().map(i64::from_be_bytes)
    }

    /// A length that what is left can hold, a byte an element at least.
    pub(super) fn length(&mut self) -> Option<usize> {
        let length = self.int32()?;
        usize::try_from(length).ok().filter(|length| *length <= self.0.len())
    }

    /// A text; an absent one is empty.
    pub(super) fn string(&mut self) -> Option<String> {
        let Ok(length) = usize::try_from(self.int16()?) else { return Some(String::new()) };
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(String::from_utf8_lossy(text).into_owned())
    }

    pub(super) fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = self.length()?;
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes)
    }
}

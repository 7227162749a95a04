//! Apache Parquet, typed by the schema of the records.

use std::{fs::File, io, sync::Arc};

use arrow_array::{
    ArrayRef, ListArray, RecordBatch, StructArray,
    builder::{BooleanBuilder, Float64Builder, StringBuilder, TimestampNanosecondBuilder, UInt64Builder},
};
use arrow_buffer::{NullBuffer, OffsetBuffer};
use arrow_schema::{ArrowError, DataType, Field, Fields, Schema, SchemaRef, TimeUnit};
use monitor_core::{
    record::Time,
    row::{Cell, Columns, Row},
    schema::{self, Type},
};
use parquet::{
    arrow::ArrowWriter, basic::Compression, errors::ParquetError, file::properties::WriterProperties,
};

/// Rows that are collected before they are encoded.
const BATCH: usize = 4096;
/// Bytes of a row group, and so about the memory that a file takes, however long it gets.
const GROUP_BYTES: usize = 16 << 20;
/// Bytes of a column's dictionary in a row group; beyond that its values stand as they are.
const DICTIONARY_BYTES: usize = 128 << 10;

/// A Parquet file. Every column may be null; lists are lists.
#[derive(Debug)]
pub(super) struct ParquetTable {
    writer: ArrowWriter<File>,
    schema: SchemaRef,
    columns: Vec<Builder>,
    rows: usize,
}

impl ParquetTable {
    pub(super) fn new(file: File, columns: &Columns) -> io::Result<Self> {
        let columns = columns.as_slice();
        let fields: Vec<Field> = columns
            .iter()
            .map(|column| Field::new(&column.name, data_type(column.field.kind), true))
            .collect();
        let schema = Arc::new(Schema::new(fields));
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_dictionary_page_size_limit(DICTIONARY_BYTES)
            .set_created_by(concat!("weir ", env!("CARGO_PKG_VERSION")).to_owned())
            .build();
        let writer = ArrowWriter::try_new(file, Arc::clone(&schema), Some(properties)).map_err(parquet)?;
        let columns = columns.iter().map(|column| Builder::new(column.field.kind)).collect();
        Ok(Self { writer, schema, columns, rows: 0 })
    }

    pub(super) fn add(&mut self, row: &Row) -> io::Result<()> {
        for (column, cell) in self.columns.iter_mut().zip(row.cells()) {
            column.push(row, cell);
        }
        self.rows += 1;
        if self.rows == BATCH {
            self.encode()?;
        }
        Ok(())
    }

    /// Encodes the rows that were collected.
    fn encode(&mut self) -> io::Result<()> {
        if self.rows == 0 {
            return Ok(());
        }
        self.rows = 0;
        let columns =
            self.columns.iter_mut().map(Builder::finish).collect::<Result<_, _>>().map_err(arrow)?;
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), columns).map_err(arrow)?;
        self.writer.write(&batch).map_err(parquet)?;
        if self.writer.memory_size() > GROUP_BYTES {
            self.writer.flush().map_err(parquet)?;
        }
        Ok(())
    }

    pub(super) fn bytes(&self) -> u64 {
        (self.writer.bytes_written() + self.writer.in_progress_size()) as u64
    }

    pub(super) fn finish(mut self) -> io::Result<File> {
        self.encode()?;
        self.writer.into_inner().map_err(parquet)
    }
}

fn arrow(error: ArrowError) -> io::Error {
    io::Error::other(error)
}

/// What the file system said, if it was that.
fn parquet(error: ParquetError) -> io::Error {
    match error {
        ParquetError::External(source) => match source.downcast::<io::Error>() {
            Ok(error) => *error,
            Err(source) => io::Error::other(source),
        },
        error => io::Error::other(error),
    }
}

/// The type of a field.
fn data_type(kind: Type) -> DataType {
    match kind {
        Type::Time => DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into())),
        Type::Text | Type::Word | Type::Address => DataType::Utf8,
        Type::Integer => DataType::UInt64,
        Type::Number => DataType::Float64,
        Type::Boolean => DataType::Boolean,
        Type::List(item) => DataType::List(Arc::new(item_field(*item))),
        Type::Record(fields) | Type::Inline(fields) => DataType::Struct(struct_fields(fields)),
    }
}

fn item_field(kind: Type) -> Field {
    Field::new(Field::LIST_FIELD_DEFAULT_NAME, data_type(kind), true)
}

fn struct_fields(fields: &[schema::Field]) -> Fields {
    fields.iter().map(|field| Field::new(field.name, data_type(field.kind), true)).collect()
}

/// Values of a column, or of the items of its lists.
#[derive(Debug)]
enum Builder {
    Time(TimestampNanosecondBuilder),
    Text(StringBuilder),
    Integer(UInt64Builder),
    Number(Float64Builder),
    Boolean(BooleanBuilder),
    List { item: Type, lengths: Vec<usize>, present: Vec<bool>, items: Box<Self> },
    Record { fields: &'static [schema::Field], present: Vec<bool>, members: Vec<Self> },
}

impl Builder {
    fn new(kind: Type) -> Self {
        match kind {
            Type::Time => Self::Time(TimestampNanosecondBuilder::new().with_timezone("UTC")),
            Type::Text | Type::Word | Type::Address => Self::Text(StringBuilder::new()),
            Type::Integer => Self::Integer(UInt64Builder::new()),
            Type::Number => Self::Number(Float64Builder::new()),
            Type::Boolean => Self::Boolean(BooleanBuilder::new()),
            Type::List(item) => Self::List {
                item: *item,
                lengths: Vec::new(),
                present: Vec::new(),
                items: Box::new(Self::new(*item)),
            },
            Type::Record(fields) | Type::Inline(fields) => Self::Record {
                fields,
                present: Vec::new(),
                members: fields.iter().map(|field| Self::new(field.kind)).collect(),
            },
        }
    }

    /// Adds a value; one of another type is none.
    fn push(&mut self, row: &Row, cell: &Cell) {
        match self {
            Self::Time(builder) => builder.append_option(match cell {
                // Beyond the year 2262 there are no nanoseconds in Parquet.
                Cell::Text(at) => Time::parse(row.text(at)).and_then(|time| i64::try_from(time.0).ok()),
                _ => None,
            }),
            Self::Text(builder) => builder.append_option(match cell {
                Cell::Text(at) => Some(row.text(at)),
                _ => None,
            }),
            Self::Integer(builder) => builder.append_option(match cell {
                Cell::Integer(value) => Some(*value),
                _ => None,
            }),
            Self::Number(builder) => builder.append_option(match cell {
                Cell::Number(value) => Some(*value),
                _ => None,
            }),
            Self::Boolean(builder) => builder.append_option(match cell {
                Cell::Boolean(value) => Some(*value),
                _ => None,
            }),
            Self::List { lengths, present, items, .. } => {
                let cells: &[Cell] = if let Cell::List(cells) = cell { cells } else { &[] };
                for cell in cells {
                    items.push(row, cell);
                }
                lengths.push(cells.len());
                present.push(matches!(cell, Cell::List(_)));
            }
            Self::Record { present, members, .. } => {
                let cells: &[Cell] = if let Cell::Record(cells) = cell { cells } else { &[] };
                for (i, member) in members.iter_mut().enumerate() {
                    member.push(row, cells.get(i).unwrap_or(&Cell::Absent));
                }
                present.push(matches!(cell, Cell::Record(_)));
            }
        }
    }

    /// What was added since the last time.
    fn finish(&mut self) -> Result<ArrayRef, ArrowError> {
        Ok(match self {
            Self::Time(builder) => Arc::new(builder.finish()),
            Self::Text(builder) => Arc::new(builder.finish()),
            Self::Integer(builder) => Arc::new(builder.finish()),
            Self::Number(builder) => Arc::new(builder.finish()),
            Self::Boolean(builder) => Arc::new(builder.finish()),
            Self::List { item, lengths, present, items } => Arc::new(ListArray::try_new(
                Arc::new(item_field(*item)),
                OffsetBuffer::from_lengths(lengths.drain(..)),
                items.finish()?,
                Some(NullBuffer::from(std::mem::take(present))),
            )?),
            Self::Record { fields, present, members } => Arc::new(StructArray::try_new(
                struct_fields(fields),
                members.iter_mut().map(Self::finish).collect::<Result<_, _>>()?,
                Some(NullBuffer::from(std::mem::take(present))),
            )?),
        })
    }
}

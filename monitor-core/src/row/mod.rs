//! Records as rows of cells, for outputs with columns: CSV, Parquet, and JSON with some of the fields.
//!
//! [`Columns`] are made from the schema of a kind of record; [`Row::fill`] takes any record of that kind
//! apart. What is nested gets names with dots (`sent.packets`), lists stay one cell.

mod fill;
#[cfg(test)]
mod tests;

use std::ops::Range;

pub use fill::RowError;

use crate::schema::{Field, Type};

/// A column.
#[derive(Clone, Debug)]
pub struct Column {
    /// Its name: names of the fields that lead to it, with dots.
    pub name: String,
    /// The field that it holds.
    pub field: &'static Field,
}

/// The columns of a kind of record: all, or those that were chosen.
#[derive(Clone, Debug)]
pub struct Columns {
    columns: Vec<Column>,
    plan: Vec<Step>,
}

/// What becomes of a field, in the order in which a record writes its fields.
#[derive(Clone, Debug)]
struct Step {
    name: &'static str,
    what: What,
}

#[derive(Clone, Debug)]
enum What {
    /// It goes to the column of this number.
    Cell(usize),
    /// It has fields of its own.
    Group(Vec<Step>),
    /// Nobody wants it.
    Nothing,
}

impl Columns {
    /// All columns of these fields.
    pub fn all(fields: &'static [Field]) -> Self {
        Self::chosen(fields, &|_| true)
    }

    /// The columns of these fields whose names are wanted, in the order of the schema.
    pub fn chosen(fields: &'static [Field], wanted: &dyn Fn(&str) -> bool) -> Self {
        let mut columns = Vec::new();
        let plan = plan(fields, "", wanted, &mut columns);
        Self { columns, plan }
    }

    /// The columns in their order.
    pub fn as_slice(&self) -> &[Column] {
        &self.columns
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.columns.is_empty()
    }
}

fn plan(
    fields: &'static [Field],
    prefix: &str,
    wanted: &dyn Fn(&str) -> bool,
    columns: &mut Vec<Column>,
) -> Vec<Step> {
    let mut steps = Vec::with_capacity(fields.len());
    for field in fields {
        let what = match field.kind {
            Type::Inline(inner) => {
                steps.extend(plan(inner, prefix, wanted, columns));
                continue;
            }
            Type::Record(inner) => {
                let before = columns.len();
                let group = plan(inner, &format!("{prefix}{}.", field.name), wanted, columns);
                if columns.len() == before { What::Nothing } else { What::Group(group) }
            }
            _ => {
                let name = format!("{prefix}{}", field.name);
                if wanted(&name) {
                    columns.push(Column { name, field });
                    What::Cell(columns.len() - 1)
                } else {
                    What::Nothing
                }
            }
        };
        steps.push(Step { name: field.name, what });
    }
    steps
}

/// What stands in a column.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Cell {
    /// Nothing.
    #[default]
    Absent,
    /// True or false.
    Boolean(bool),
    /// A whole number.
    Integer(u64),
    /// A number with a fraction.
    Number(f64),
    /// A text, a word, an address or a time, as JSON shows it: see [`Row::text`].
    Text(Range<usize>),
    /// Any number of values.
    List(Vec<Self>),
    /// The fields of a record within a list, in the order of its schema.
    Record(Vec<Self>),
}

/// The cells of one record; used again for the next.
#[derive(Clone, Debug, Default)]
pub struct Row {
    cells: Vec<Cell>,
    text: String,
}

impl Row {
    /// The cells, one a column.
    pub fn cells(&self) -> &[Cell] {
        &self.cells
    }

    /// The text of a cell of this row that holds one.
    pub fn text(&self, at: &Range<usize>) -> &str {
        self.text.get(at.clone()).unwrap_or_default()
    }

    /// Appends a cell as JSON (RFC 8259).
    ///
    /// # Errors
    /// None that a cell can cause.
    pub fn cell_to_json(&self, cell: &Cell, kind: Type, out: &mut Vec<u8>) -> Result<(), serde_json::Error> {
        match cell {
            Cell::Absent => out.extend_from_slice(b"null"),
            Cell::Boolean(value) => serde_json::to_writer(out, value)?,
            Cell::Integer(value) => serde_json::to_writer(out, value)?,
            Cell::Number(value) => serde_json::to_writer(out, value)?,
            Cell::Text(at) => serde_json::to_writer(out, self.text(at))?,
            Cell::List(items) => {
                let item_kind = if let Type::List(kind) = kind { *kind } else { kind };
                out.push(b'[');
                for (i, item) in items.iter().enumerate() {
                    if i != 0 {
                        out.push(b',');
                    }
                    self.cell_to_json(item, item_kind, out)?;
                }
                out.push(b']');
            }
            Cell::Record(cells) => {
                let fields = if let Type::Record(fields) = kind { fields } else { &[] };
                out.push(b'{');
                let present = fields.iter().zip(cells).filter(|(_, cell)| **cell != Cell::Absent);
                for (i, (field, cell)) in present.enumerate() {
                    if i != 0 {
                        out.push(b',');
                    }
                    serde_json::to_writer(&mut *out, field.name)?;
                    out.push(b':');
                    self.cell_to_json(cell, field.kind, out)?;
                }
                out.push(b'}');
            }
        }
        Ok(())
    }

    /// Appends the row as one line of JSON, nested as the record is; what is absent is left out.
    ///
    /// # Errors
    /// None that a row can cause.
    pub fn to_json(&self, columns: &Columns, out: &mut Vec<u8>) -> Result<(), serde_json::Error> {
        let mut first = true;
        self.group_to_json(&columns.plan, columns, &mut first, None, out)?;
        out.extend_from_slice(if first { b"{}\n" } else { b"}\n" });
        Ok(())
    }

    /// Writes the members of a group behind its opening brace, which comes with the first of them.
    fn group_to_json(
        &self,
        steps: &[Step],
        columns: &Columns,
        first: &mut bool,
        name: Option<&str>,
        out: &mut Vec<u8>,
    ) -> Result<(), serde_json::Error> {
        let mut open = |out: &mut Vec<u8>| -> Result<(), serde_json::Error> {
            if !std::mem::take(first) {
                out.push(b',');
                return Ok(());
            }
            if let Some(name) = name {
                serde_json::to_writer(&mut *out, name)?;
                out.push(b':');
            }
            out.push(b'{');
            Ok(())
        };
        for step in steps {
            match &step.what {
                What::Nothing => {}
                What::Cell(at) => {
                    let (Some(cell), Some(column)) = (self.cells.get(*at), columns.columns.get(*at)) else {
                        continue;
                    };
                    if *cell == Cell::Absent {
                        continue;
                    }
                    open(out)?;
                    serde_json::to_writer(&mut *out, step.name)?;
                    out.push(b':');
                    self.cell_to_json(cell, column.field.kind, out)?;
                }
                What::Group(steps) => {
                    if !self.any(steps) {
                        continue;
                    }
                    open(out)?;
                    self.group_to_json(steps, columns, &mut true, Some(step.name), out)?;
                    out.push(b'}');
                }
            }
        }
        Ok(())
    }

    /// Whether something of a group is there.
    fn any(&self, steps: &[Step]) -> bool {
        steps.iter().any(|step| match &step.what {
            What::Nothing => false,
            What::Cell(at) => self.cells.get(*at).is_some_and(|cell| *cell != Cell::Absent),
            What::Group(steps) => self.any(steps),
        })
    }
}

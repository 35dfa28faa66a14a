//! Columns of a row group: values with their levels, as Parquet's own column writers and readers take them.

use std::fs::File;
use std::io::Write;
use std::ops::Range;

use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::{ByteArray, ByteArrayType, DataType, DoubleType, Int64Type};
use parquet::errors::{ParquetError, Result};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::writer::SerializedFileWriter;

/// One column. Required columns have no levels, optional ones no repetition.
#[derive(Debug, Default)]
pub(super) struct Column<T> {
    values: Vec<T>,
    def: Vec<i16>,
    rep: Vec<i16>,
}

impl<T> Column<T> {
    fn optional(&mut self, value: Option<T>) {
        self.def.push(i16::from(value.is_some()));
        self.values.extend(value);
    }

    fn list(&mut self, values: impl Iterator<Item = T>) {
        let before = self.values.len();
        self.values.extend(values);
        let len = self.values.len() - before;
        // An empty list is one level without a value.
        self.def
            .extend(std::iter::repeat_n(i16::from(len > 0), len.max(1)));
        self.rep.push(0);
        self.rep.extend(std::iter::repeat_n(1, len.saturating_sub(1)));
    }
}

/// A column of one of the three kinds of value that our tables have.
#[derive(Debug)]
pub(super) enum Cells {
    Int(Column<i64>),
    Real(Column<f64>),
    Text(Column<ByteArray>),
}

/// The columns of a table's row group that is being gathered; each row fills them from left to right.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    columns: Vec<Cells>,
    at: usize,
    rows: usize,
}

impl Gathered {
    pub(super) fn int(&mut self, value: i64) -> &mut Self {
        self.ints(|column| column.values.push(value))
    }

    pub(super) fn optional_int(&mut self, value: Option<i64>) -> &mut Self {
        self.ints(|column| column.optional(value))
    }

    pub(super) fn int_list(&mut self, values: impl Iterator<Item = i64>) -> &mut Self {
        self.ints(|column| column.list(values))
    }

    pub(super) fn real(&mut self, value: f64) -> &mut Self {
        self.reals(|column| column.values.push(value))
    }

    pub(super) fn optional_real(&mut self, value: Option<f64>) -> &mut Self {
        self.reals(|column| column.optional(value))
    }

    pub(super) fn text(&mut self, value: &str) -> &mut Self {
        self.texts(|column| column.values.push(value.into()))
    }

    pub(super) fn optional_text(&mut self, value: Option<&str>) -> &mut Self {
        self.texts(|column| column.optional(value.map(Into::into)))
    }

    pub(super) fn text_list<'a>(&mut self, values: impl Iterator<Item = &'a str>) -> &mut Self {
        self.texts(|column| column.list(values.map(Into::into)))
    }

    fn ints(&mut self, push: impl FnOnce(&mut Column<i64>)) -> &mut Self {
        if let Cells::Int(column) = self.next(|| Cells::Int(Column::default())) {
            push(column);
        }
        self
    }

    fn reals(&mut self, push: impl FnOnce(&mut Column<f64>)) -> &mut Self {
        if let Cells::Real(column) = self.next(|| Cells::Real(Column::default())) {
            push(column);
        }
        self
    }

    fn texts(&mut self, push: impl FnOnce(&mut Column<ByteArray>)) -> &mut Self {
        if let Cells::Text(column) = self.next(|| Cells::Text(Column::default())) {
            push(column);
        }
        self
    }

    fn next(&mut self, new: impl FnOnce() -> Cells) -> &mut Cells {
        if self.at == self.columns.len() {
            self.columns.push(new());
        }
        self.at += 1;
        &mut self.columns[self.at - 1]
    }

    pub(super) fn end_row(&mut self) {
        self.at = 0;
        self.rows += 1;
    }

    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// Writes what was gathered as a row group, and begins anew.
    pub(super) fn write<W: Write + Send>(&mut self, writer: &mut SerializedFileWriter<W>) -> Result<()> {
        if self.rows == 0 {
            return Ok(());
        }
        let gathered = std::mem::take(self);
        let mut group = writer.next_row_group()?;
        for cells in &gathered.columns {
            let mut column = group
                .next_column()?
                .ok_or_else(|| ParquetError::General("a row has more cells than columns".to_owned()))?;
            match cells {
                Cells::Int(cells) => column.typed::<Int64Type>().write_batch(
                    &cells.values,
                    levels(&cells.def),
                    levels(&cells.rep),
                )?,
                Cells::Real(cells) => column.typed::<DoubleType>().write_batch(
                    &cells.values,
                    levels(&cells.def),
                    levels(&cells.rep),
                )?,
                Cells::Text(cells) => column.typed::<ByteArrayType>().write_batch(
                    &cells.values,
                    levels(&cells.def),
                    levels(&cells.rep),
                )?,
            };
            column.close()?;
        }
        group.close()?;
        Ok(())
    }
}

/// A required column has none.
fn levels(levels: &[i16]) -> Option<&[i16]> {
    (!levels.is_empty()).then_some(levels)
}

/// A row group as it was read; each row takes from its columns from left to right.
pub(super) struct Taken {
    columns: Vec<Taking>,
    at: usize,
    rows: usize,
}

struct Taking {
    cells: Cells,
    value: usize,
    level: usize,
}

/// The whole numbers of a row group's first column, which is required.
pub(super) fn first_column(file: &SerializedFileReader<File>, group: usize) -> Result<Vec<i64>> {
    let group = file.get_row_group(group)?;
    let rows = usize::try_from(group.metadata().num_rows()).unwrap_or(0);
    match group.get_column_reader(0)? {
        ColumnReader::Int64ColumnReader(reader) => Ok(some(reader, 0..rows)?.values),
        _ => Err(ParquetError::General(
            "the first column is of another kind".to_owned(),
        )),
    }
}

impl Taken {
    pub(super) fn read(file: &SerializedFileReader<File>, group: usize) -> Result<Self> {
        let rows = file.metadata().row_group(group).num_rows();
        Self::read_rows(file, group, 0..usize::try_from(rows).unwrap_or(0))
    }

    /// Reads some rows; those before them are passed over.
    pub(super) fn read_rows(
        file: &SerializedFileReader<File>,
        group: usize,
        rows: Range<usize>,
    ) -> Result<Self> {
        let group = file.get_row_group(group)?;
        let columns = (0..group.num_columns()).map(|number| {
            let cells = match group.get_column_reader(number)? {
                ColumnReader::Int64ColumnReader(reader) => Cells::Int(some(reader, rows.clone())?),
                ColumnReader::DoubleColumnReader(reader) => Cells::Real(some(reader, rows.clone())?),
                ColumnReader::ByteArrayColumnReader(reader) => Cells::Text(some(reader, rows.clone())?),
                _ => {
                    return Err(ParquetError::General(
                        "a column of a kind that is not ours".to_owned(),
                    ));
                }
            };
            Ok(Taking {
                cells,
                value: 0,
                level: 0,
            })
        });
        Ok(Self {
            columns: columns.collect::<Result<_>>()?,
            at: 0,
            rows: rows.len(),
        })
    }

    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    pub(super) fn next_row(&mut self) {
        self.at = 0;
    }

    fn next(&mut self) -> Option<&mut Taking> {
        self.at += 1;
        self.columns.get_mut(self.at - 1)
    }

    pub(super) fn int(&mut self) -> i64 {
        self.next()
            .and_then(|taking| {
                taking.value += 1;
                match &taking.cells {
                    Cells::Int(cells) => cells.values.get(taking.value - 1).copied(),
                    _ => None,
                }
            })
            .unwrap_or(0)
    }

    pub(super) fn real(&mut self) -> f64 {
        self.next()
            .and_then(|taking| {
                taking.value += 1;
                match &taking.cells {
                    Cells::Real(cells) => cells.values.get(taking.value - 1).copied(),
                    _ => None,
                }
            })
            .unwrap_or(0.0)
    }

    pub(super) fn text(&mut self) -> String {
        self.next()
            .and_then(|taking| {
                taking.value += 1;
                match &taking.cells {
                    Cells::Text(cells) => cells.values.get(taking.value - 1).map(text),
                    _ => None,
                }
            })
            .unwrap_or_default()
    }

    pub(super) fn optional_int(&mut self) -> Option<i64> {
        self.present().then(|| self.int())
    }

    pub(super) fn optional_real(&mut self) -> Option<f64> {
        self.present().then(|| self.real())
    }

    pub(super) fn optional_text(&mut self) -> Option<String> {
        self.present().then(|| self.text())
    }

    /// Whether the next cell, of an optional column, has a value; one that has none is passed over.
    fn present(&mut self) -> bool {
        let Some(taking) = self.columns.get_mut(self.at) else {
            return false;
        };
        taking.level += 1;
        let def = match &taking.cells {
            Cells::Int(cells) => &cells.def,
            Cells::Real(cells) => &cells.def,
            Cells::Text(cells) => &cells.def,
        };
        let present = def.get(taking.level - 1).is_some_and(|def| *def > 0);
        if !present {
            self.at += 1;
        }
        present
    }

    pub(super) fn int_list(&mut self) -> Vec<i64> {
        let Some(taking) = self.next() else {
            return Vec::new();
        };
        match &taking.cells {
            Cells::Int(cells) => take_list(cells, &mut taking.value, &mut taking.level),
            _ => Vec::new(),
        }
    }

    pub(super) fn text_list(&mut self) -> Vec<String> {
        let Some(taking) = self.next() else {
            return Vec::new();
        };
        match &taking.cells {
            Cells::Text(cells) => take_list(cells, &mut taking.value, &mut taking.level)
                .iter()
                .map(text)
                .collect(),
            _ => Vec::new(),
        }
    }
}

fn take_list<T: Clone>(cells: &Column<T>, value: &mut usize, level: &mut usize) -> Vec<T> {
    let mut list = Vec::new();
    loop {
        if cells.def.get(*level).is_some_and(|def| *def > 0) {
            list.extend(cells.values.get(*value).cloned());
            *value += 1;
        }
        *level += 1;
        if cells.rep.get(*level).is_none_or(|rep| *rep == 0) {
            return list;
        }
    }
}

fn text(bytes: &ByteArray) -> String {
    String::from_utf8_lossy(bytes.data()).into_owned()
}

fn some<T: DataType>(mut reader: ColumnReaderImpl<T>, rows: Range<usize>) -> Result<Column<T::T>> {
    let mut column = Column {
        values: Vec::new(),
        def: Vec::new(),
        rep: Vec::new(),
    };
    let early = || ParquetError::General("a column ends too early".to_owned());
    if reader.skip_records(rows.start)? < rows.start {
        return Err(early());
    }
    let mut read = 0;
    while read < rows.len() {
        let (records, _, _) = reader.read_records(
            rows.len() - read,
            Some(&mut column.def),
            Some(&mut column.rep),
            &mut column.values,
        )?;
        if records == 0 {
            return Err(early());
        }
        read += records;
    }
    Ok(column)
}

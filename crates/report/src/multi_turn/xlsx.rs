//! The tool's workbook: `Summary` and `Raw data`.

use std::path::Path;

use rust_xlsxwriter::{Format, FormatAlign, FormatBorder, Workbook, Worksheet, XlsxError};

use super::{Cell, Parameters, RequestStats, Statistics};

/// A column of `Raw data`.
type Column = (&'static str, fn(&RequestStats) -> Cell);

/// The columns of `Raw data`, in the tool's order; what is told on demand stands before the last.
const COLUMNS: [Column; 12] = [
    ("ttft_ms", |r| Cell::Number(r.ttft_ms)),
    ("tpot_ms", |r| Cell::Number(r.tpot_ms)),
    ("latency_ms", |r| Cell::Number(r.latency_ms)),
    ("start_time_ms", |r| Cell::Number(r.start_time_ms)),
    ("input_num_turns", |r| Cell::Number(r.input_num_turns.into())),
    ("input_num_tokens", |r| Cell::Number(r.input_num_tokens.into())),
    ("output_num_tokens", |r| Cell::Number(r.output_num_tokens.into())),
    ("output_num_chunks", |r| Cell::Number(r.output_num_chunks.into())),
    ("output_num_first_chunk_tokens", |r| Cell::Number(r.output_num_first_chunk_tokens.into())),
    ("approx_cached_percent", |r| Cell::Number(r.approx_cached_percent)),
    ("conversation_id", |r| Cell::Text(r.conversation_id.clone())),
    ("client_id", |r| r.client_id.map_or(Cell::Nothing, |id| Cell::Number(id.into()))),
];

const BETWEEN: Column = ("time_between_user_turns_sec", |request| {
    request.time_between_user_turns_sec.map_or(Cell::Nothing, Cell::Number)
});

const END: Column = ("end_time_ms", |request| Cell::Number(request.end_time_ms()));

pub(super) fn write(
    path: &Path,
    parameters: &Parameters,
    statistics: &[Statistics],
    requests: &[RequestStats],
) -> Result<(), XlsxError> {
    let mut book = Workbook::new();
    let mut sheet = Sheet { sheet: book.add_worksheet(), row: 0 };
    sheet.sheet.set_name("Summary")?;
    sheet.record(&parameters.table())?;
    // Gaps as the tool leaves them.
    sheet.row += if parameters.generation.is_empty() { 2 } else { 1 };
    if !parameters.generation.is_empty() {
        let text = |(name, value): &(String, String)| (name.clone(), Cell::Text(value.clone()));
        sheet.record(&parameters.generation.iter().map(text).collect::<Vec<_>>())?;
        sheet.row += 3;
    }
    for of in statistics {
        let told = of.parameters().into_iter();
        let told: Vec<_> =
            told.map(|(name, value)| (name.to_owned(), Cell::Number(value))).collect();
        sheet.record(&told)?;
        sheet.row += 1;
        sheet.statistics(of)?;
        sheet.row += 2;
    }
    let mut sheet = Sheet { sheet: book.add_worksheet(), row: 0 };
    sheet.sheet.set_name("Raw data")?;
    let between = parameters.verbose.then_some(BETWEEN);
    let columns: Vec<Column> = COLUMNS.into_iter().chain(between).chain([END]).collect();
    sheet.header(0, columns.iter().map(|(name, _)| *name))?;
    for request in requests {
        for (place, (_, of)) in (0..).zip(&columns) {
            sheet.cell(place, &of(request))?;
        }
        sheet.row += 1;
    }
    book.save(path)
}

/// A sheet, and the row to write next.
struct Sheet<'s> {
    sheet: &'s mut Worksheet,
    row: u32,
}

impl Sheet<'_> {
    /// A header and one row.
    fn record(&mut self, record: &[(String, Cell)]) -> Result<(), XlsxError> {
        self.header(0, record.iter().map(|(name, _)| name.as_str()))?;
        for (place, (_, value)) in (0..).zip(record) {
            self.cell(place, value)?;
        }
        self.row += 1;
        Ok(())
    }

    /// A header and a row for each quantity, which its name begins.
    fn statistics(&mut self, of: &Statistics) -> Result<(), XlsxError> {
        self.header(1, of.table.columns.iter().copied())?;
        for (name, values) in &of.table.rows {
            self.sheet.write_with_format(self.row, 0, *name, &heading())?;
            for (place, value) in (1..).zip(values) {
                self.cell(place, &Cell::Number(*value))?;
            }
            self.row += 1;
        }
        Ok(())
    }

    fn header<'n>(
        &mut self,
        from: u16,
        names: impl Iterator<Item = &'n str>,
    ) -> Result<(), XlsxError> {
        for (place, name) in (from..).zip(names) {
            self.sheet.write_with_format(self.row, place, name, &heading())?;
        }
        self.row += 1;
        Ok(())
    }

    /// What stands in a cell. Text is a string, never a formula: ids come from files of others.
    fn cell(&mut self, column: u16, cell: &Cell) -> Result<(), XlsxError> {
        match cell {
            Cell::Number(number) if number.is_finite() => {
                self.sheet.write_number(self.row, column, *number)?;
            }
            Cell::Text(text) => {
                self.sheet.write_string(self.row, column, text)?;
            }
            Cell::Number(_) | Cell::Nothing => {}
        }
        Ok(())
    }
}

/// How pandas writes headings.
fn heading() -> Format {
    Format::new().set_bold().set_border(FormatBorder::Thin).set_align(FormatAlign::Center)
}

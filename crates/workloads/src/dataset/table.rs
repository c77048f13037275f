//! Tables: CSV with a header. A row is an object of texts; an empty cell is absent.

use std::collections::BTreeMap;

use csv::{ErrorKind, Position, ReaderBuilder, StringRecord};

use super::{
    container::{Placed, Take},
    error::{ENCODING, Wrong},
    input::{Input, too_long},
    record::Record,
};

pub(super) fn each(input: Input<'_>, delimiter: u8, take: Take<'_>) -> Result<(), Placed> {
    let (reader, meter) = input.metered();
    let mut table = ReaderBuilder::new().delimiter(delimiter).flexible(true).from_reader(reader);
    let header = match table.headers() {
        Ok(header) => header.clone(),
        Err(_) if meter.is_spent() => return Err((too_long("the header"), Some(1))),
        Err(error) => return Err(placed(&error)),
    };
    check(&header).map_err(|wrong| (wrong, Some(1)))?;
    let mut row = StringRecord::new();
    loop {
        let line = table.position().line();
        meter.begin();
        match table.read_record(&mut row) {
            Ok(false) => return Ok(()),
            Ok(true) => {}
            Err(_) if meter.is_spent() => {
                let wrong = too_long("a row");
                let remedy = "check for a quotation mark that is not closed";
                return Err((Wrong { remedy: remedy.into(), ..wrong }, Some(line)));
            }
            Err(error) => return Err(placed(&error)),
        }
        let line = row.position().map_or(line, Position::line);
        let record = record(&header, &row, line).map_err(|wrong| (wrong, Some(line)))?;
        if !take(&record).map_err(|wrong| (Wrong { place: None, ..wrong }, Some(line)))? {
            return Ok(());
        }
    }
}

fn check(header: &StringRecord) -> Result<(), Wrong> {
    let mut names: Vec<&str> = header.iter().map(str::trim).collect();
    names.sort_unstable();
    match names.windows(2).find(|pair| pair[0] == pair[1] && !pair[0].is_empty()) {
        None => Ok(()),
        Some(pair) => {
            let what = format!("two columns are called `{}`", pair[0]);
            Err(Wrong::new(what, "give each column a name of its own"))
        }
    }
}

/// The row as JSON.
fn record(header: &StringRecord, row: &StringRecord, line: u64) -> Result<Record, Wrong> {
    if row.len() != header.len() {
        let what = format!("{} cells below a header of {}", row.len(), header.len());
        return Err(Wrong::new(what, "put cells that hold commas or line ends in quotation marks"));
    }
    let cells = header.iter().zip(row);
    let object: BTreeMap<&str, Option<&str>> = cells
        .map(|(name, cell)| (name.trim(), Some(cell).filter(|cell| !cell.is_empty())))
        .collect();
    Ok(Record { line, text: serde_json::to_string(&object)? })
}

fn placed(error: &csv::Error) -> Placed {
    let line = error.position().map(Position::line);
    let wrong = match error.kind() {
        ErrorKind::Utf8 { err, .. } => {
            Wrong::new(format!("a cell is no UTF-8: {err}; the file may be in Latin-1"), ENCODING)
        }
        ErrorKind::Io(error) => {
            Wrong::new(format!("cannot be read: {error}"), "check that the file can be read")
        }
        _ => Wrong::new(error.to_string(), "correct the table there"),
    };
    (wrong, line)
}

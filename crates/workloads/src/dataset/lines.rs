//! JSON lines: an object a line.

use std::io::{BufRead, Read};

use super::{
    container::{Placed, Take},
    error::{ENCODING, Wrong},
    input::{Input, MOST_BYTES, too_long},
    record::Record,
};

pub(super) fn each(input: Input<'_>, take: Take<'_>) -> Result<(), Placed> {
    let mut reader = input.reader();
    let mut record = Record { line: 0, text: String::new() };
    loop {
        record.line += 1;
        let line = record.line;
        let read = next(&mut reader, &mut record.text).map_err(|wrong| (wrong, Some(line)))?;
        if !read {
            return Ok(());
        }
        let is_blank = record.text.trim_ascii().is_empty();
        if !is_blank && !take(&record).map_err(|wrong| (wrong, Some(line)))? {
            return Ok(());
        }
    }
}

/// Reads a line, without its end, in place of what is in `text`; false if there is none.
fn next(reader: &mut impl BufRead, text: &mut String) -> Result<bool, Wrong> {
    let mut bytes = std::mem::take(text).into_bytes();
    bytes.clear();
    let read = reader.by_ref().take(MOST_BYTES as u64 + 1).read_until(b'\n', &mut bytes)?;
    if read == 0 {
        return Ok(false);
    }
    let end = bytes.trim_ascii_end().len();
    if read > MOST_BYTES && end > 0 {
        return Err(too_long("it"));
    }
    bytes.truncate(end);
    *text = String::from_utf8(bytes).map_err(|e| {
        let at = e.utf8_error().valid_up_to();
        let byte = e.as_bytes()[at];
        let what = format!("byte 0x{byte:02X} is no UTF-8: the file may be in Latin-1");
        Wrong { place: Some((1, at as u64 + 1)), ..Wrong::new(what, ENCODING) }
    })?;
    Ok(true)
}

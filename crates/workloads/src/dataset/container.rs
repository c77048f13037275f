//! How entries follow each other in a file, whatever they are.

use std::path::Path;

use super::{
    error::Wrong,
    input::Input,
    record::{Record, short},
};

/// How entries follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Container {
    /// A JSON object a line.
    Lines,
    /// One JSON list.
    List,
    /// One JSON object: an entry, or those in its list `data`.
    Object,
    /// A table with a header, its cells apart by this byte.
    Table(u8),
}

/// Takes the entries, in order, with the number of the line for its errors; false ends the reading.
pub(super) type Take<'t> = &'t mut dyn FnMut(&Record) -> Result<bool, Wrong>;

/// What is wrong, and the line that the entry begins in, where it is known.
pub(super) type Placed = (Wrong, Option<u64>);

impl Container {
    /// What the beginning of a file and its name say.
    pub(super) fn of(input: &Input<'_>, path: &Path) -> Result<Self, Wrong> {
        let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
        match (input.first(), &*extension.to_ascii_lowercase()) {
            (None, _) => Err(Wrong::new("is blank", "name a file with conversations in it")),
            (_, "csv" | "tsv") => Ok(Self::Table(delimiter(input.first_line()))),
            (Some(b'['), _) => Ok(Self::List),
            (Some(b'{'), "jsonl" | "ndjson") => Ok(Self::Lines),
            (Some(b'{'), _) if is_one_object(input) => Ok(Self::Object),
            (Some(b'{'), _) => Ok(Self::Lines),
            (Some(_), "txt" | "") if input.first_line().contains(&b',') => {
                Ok(Self::Table(delimiter(input.first_line())))
            }
            (Some(_), _) => {
                let first = String::from_utf8_lossy(input.first_line());
                Err(Wrong::new(
                    format!("begins with `{}`, which is neither JSON nor a table", short(&first)),
                    "give JSON, JSON lines, Parquet, or CSV with a header in a file that ends in .csv",
                ))
            }
        }
    }

    /// Hands over each entry.
    pub(super) fn each(self, input: Input<'_>, take: Take<'_>) -> Result<(), Placed> {
        match self {
            Self::Lines => super::lines::each(input, take),
            Self::List | Self::Object => super::json::each(input, take),
            Self::Table(delimiter) => super::table::each(input, delimiter, take),
        }
    }
}

/// Whether it is one object over several lines, or one that holds its entries in `data`.
fn is_one_object(input: &Input<'_>) -> bool {
    let head = input.head.trim_ascii_start();
    let after = |bytes: &'_ [u8], word: &[u8]| -> Option<Vec<u8>> {
        Some(bytes.trim_ascii_start().strip_prefix(word)?.to_vec())
    };
    let holds_data = after(head, b"{")
        .and_then(|rest| after(&rest, b"\"data\""))
        .and_then(|rest| after(&rest, b":"))
        .and_then(|rest| after(&rest, b"["));
    if holds_data.is_some() {
        return true;
    }
    // A line that goes on beyond the beginning is an entry of JSON lines.
    let is_cut = input.first_line().len() >= head.trim_ascii_end().len() && !head.contains(&b'\n');
    match serde_json::from_slice::<serde::de::IgnoredAny>(input.first_line()) {
        Ok(_) => false,
        Err(error) => error.is_eof() && !is_cut,
    }
}

/// Commas, unless the header has none of them and others.
fn delimiter(header: &[u8]) -> u8 {
    let has = |byte: u8| header.contains(&byte);
    match () {
        () if has(b',') => b',',
        () if has(b'\t') => b'\t',
        () if has(b';') => b';',
        () => b',',
    }
}

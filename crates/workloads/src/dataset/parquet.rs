//! Parquet. A row is an object.

use std::fs::File;

use ::parquet::{
    errors::ParquetError,
    file::{reader::FileReader, serialized_reader::SerializedFileReader},
    record::{Field, Row},
};
use serde_json::{Map, Value};

use super::{
    container::{Placed, Take},
    error::Wrong,
    record::Record,
};

pub(super) fn each(file: File, take: Take<'_>) -> Result<(), Placed> {
    let reader = SerializedFileReader::new(file).map_err(|e| (wrong(&e), None))?;
    let rows = reader.get_row_iter(None).map_err(|e| (wrong(&e), None))?;
    for (row, line) in rows.zip(1..) {
        let row = row.map_err(|e| (wrong(&e), Some(line)))?;
        let text = Value::Object(object(&row)).to_string();
        if !take(&Record { line, text }).map_err(|wrong| {
            // A place in JSON that is not in the file.
            (Wrong { place: None, ..wrong }, Some(line))
        })? {
            break;
        }
    }
    Ok(())
}

fn wrong(error: &ParquetError) -> Wrong {
    let said = error.to_string();
    if said.contains("feature") || said.contains("ompression") {
        let what = format!("cannot be unpacked: {said}");
        return Wrong::new(what, "write it without compression or with Snappy, or as JSON lines");
    }
    Wrong::new(format!("cannot be read as Parquet: {said}"), "get the file anew")
}

fn object(row: &Row) -> Map<String, Value> {
    row.get_column_iter().map(|(name, field)| (name.clone(), value(field))).collect()
}

/// What JSON says for it; what JSON has no word for is text.
fn value(field: &Field) -> Value {
    match field {
        Field::Null => Value::Null,
        Field::Bool(value) => Value::from(*value),
        Field::Byte(value) => Value::from(*value),
        Field::Short(value) => Value::from(*value),
        Field::Int(value) => Value::from(*value),
        Field::Long(value) => Value::from(*value),
        Field::UByte(value) => Value::from(*value),
        Field::UShort(value) => Value::from(*value),
        Field::UInt(value) => Value::from(*value),
        Field::ULong(value) => Value::from(*value),
        Field::Float(value) => Value::from(*value),
        Field::Double(value) => Value::from(*value),
        Field::Str(text) => Value::from(text.as_str()),
        Field::Bytes(bytes) => Value::from(String::from_utf8_lossy(bytes.data())),
        Field::Group(row) => Value::Object(object(row)),
        Field::ListInternal(list) => list.elements().iter().map(value).collect(),
        Field::MapInternal(map) => {
            let key = |field: &Field| match value(field) {
                Value::String(text) => text,
                other => other.to_string(),
            };
            Value::Object(map.entries().iter().map(|(k, v)| (key(k), value(v))).collect())
        }
        other => Value::from(other.to_string()),
    }
}

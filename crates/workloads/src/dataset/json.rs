//! One JSON list, or one JSON object, read entry by entry.

use std::{fmt, rc::Rc};

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::{
    container::{Placed, Take},
    error::Wrong,
    input::{Input, Meter, too_long},
    record::Record,
};

/// The list of an object that holds entries, such as AIPerf's `inputs.json`.
const ENTRIES: &str = "data";

pub(super) fn each(input: Input<'_>, take: Take<'_>) -> Result<(), Placed> {
    let (reader, meter) = input.metered();
    let mut end = End::Whole;
    let mut json = serde_json::Deserializer::from_reader(reader);
    let entries = Entries { take, meter: &meter, end: &mut end };
    let read = entries.deserialize(&mut json).and_then(|()| json.end());
    match (end, read) {
        (End::Enough, _) | (End::Whole, Ok(())) => Ok(()),
        (End::Wrong(placed), _) => Err(*placed),
        (End::Whole, Err(_)) if meter.is_spent() => {
            Err((too_long("the entry that begins before it"), Some(meter.line())))
        }
        // Its place is one within the whole file.
        (End::Whole, Err(error)) => Err((error.into(), Some(1))),
    }
}

/// How the reading ended, where JSON's reader cannot tell.
enum End {
    Whole,
    /// Nothing more was wanted.
    Enough,
    Wrong(Box<Placed>),
}

/// Where the entries are.
struct Entries<'e, 't> {
    take: Take<'t>,
    meter: &'e Rc<Meter>,
    end: &'e mut End,
}

impl Entries<'_, '_> {
    /// Hands an entry over. The error ends the reading; what it is stands in `end`.
    fn hand_over<E: Error>(&mut self, text: String) -> Result<(), E> {
        let newlines = text.bytes().filter(|byte| *byte == b'\n').count() as u64;
        let record = Record { line: self.meter.line().saturating_sub(newlines).max(1), text };
        self.meter.begin();
        let end = match (self.take)(&record) {
            Ok(true) => return Ok(()),
            Ok(false) => End::Enough,
            Err(wrong) => {
                // Where the entry begins in its first line is not known.
                let place = wrong.place.filter(|(line, _)| *line > 1);
                End::Wrong(Box::new((Wrong { place, ..wrong }, Some(record.line))))
            }
        };
        *self.end = end;
        Err(E::custom("ended"))
    }
}

impl<'de> DeserializeSeed<'de> for Entries<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Entries<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of entries")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<(), A::Error> {
        while let Some(entry) = list.next_element::<Box<RawValue>>()? {
            self.hand_over(String::from(Box::<str>::from(entry)))?;
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut object: A) -> Result<(), A::Error> {
        let mut fields: Vec<(String, Box<RawValue>)> = Vec::new();
        while let Some(name) = object.next_key::<String>()? {
            if name == ENTRIES && fields.is_empty() {
                let Self { take, meter, end } = &mut self;
                object.next_value_seed(Entries { take: &mut **take, meter, end })?;
                // What comes beside the entries says nothing of them.
                while object.next_entry::<serde::de::IgnoredAny, serde::de::IgnoredAny>()?.is_some()
                {
                }
                return Ok(());
            }
            fields.push((name, object.next_value()?));
        }
        self.hand_over(object_of(&fields))
    }
}

/// The text of an object of these fields.
fn object_of(fields: &[(String, Box<RawValue>)]) -> String {
    let fields = fields.iter().map(|(name, value)| {
        // Made of text alone, which can always be written.
        format!("{}:{}", serde_json::Value::from(name.as_str()), value.get())
    });
    format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
}

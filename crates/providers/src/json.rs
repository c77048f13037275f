//! Pieces of JSON that are read without an allocation.

use std::{borrow::Cow, fmt, marker::PhantomData, ops::Deref};

use bench_core::ProviderError;
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, Error, IgnoredAny, SeqAccess, Visitor},
};

use crate::said;

/// The document that `data` is.
pub(crate) fn read<'a, T: Deserialize<'a>>(data: &'a [u8]) -> Result<T, ProviderError> {
    // Checked once for the whole document, which is cheaper than for each string of it.
    let text = std::str::from_utf8(data).map_err(|error| said::malformed(&error, data))?;
    serde_json::from_str(text).map_err(|error| said::malformed(&error, data))
}

/// What `seed` reads of the document that `data` is.
pub(crate) fn read_by<'a, S: DeserializeSeed<'a>>(
    seed: S,
    data: &'a [u8],
) -> Result<S::Value, ProviderError> {
    let text = std::str::from_utf8(data).map_err(|error| said::malformed(&error, data))?;
    let mut document = serde_json::Deserializer::from_str(text);
    let read = seed.deserialize(&mut document).and_then(|read| document.end().map(|()| read));
    read.map_err(|error| said::malformed(&error, data))
}

/// A string, or null, which is none. Borrowed unless it has escapes: `Option<Cow<str>>` never is.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Text<'a>(Cow<'a, str>);

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Borrow;
        impl<'de> Visitor<'de> for Borrow {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or null")
            }

            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }

            fn visit_unit<E: Error>(self) -> Result<Text<'de>, E> {
                Ok(Text::default())
            }
        }
        deserializer.deserialize_any(Borrow)
    }
}

/// Items of a list. An item takes up to a hundred times the memory of the three bytes that it may be: an event
/// of many would take more than the bound of events allows.
const MOST_ITEMS: usize = 256;

/// A list, or null, which is empty. Nearly all have one item, which needs no allocation.
#[derive(Debug)]
pub(crate) struct Few<T> {
    pub(crate) first: Option<T>,
    rest: Vec<T>,
}

impl<T> Few<T> {
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.first.iter().chain(&self.rest)
    }

    /// Whether there is no second item.
    pub(crate) fn is_one(&self) -> bool {
        self.rest.is_empty()
    }
}

impl<T> Default for Few<T> {
    fn default() -> Self {
        Self { first: None, rest: Vec::new() }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Few<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for List<T> {
            type Value = Few<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list or null")
            }

            fn visit_unit<E: Error>(self) -> Result<Few<T>, E> {
                Ok(Few::default())
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Few<T>, A::Error> {
                let mut few = Few { first: list.next_element()?, rest: Vec::new() };
                while let Some(item) = list.next_element()? {
                    if few.rest.len() + 1 == MOST_ITEMS {
                        let said = format!("a list of more than {MOST_ITEMS} items");
                        return Err(A::Error::custom(said));
                    }
                    few.rest.push(item);
                }
                Ok(few)
            }
        }
        deserializer.deserialize_any(List(PhantomData))
    }
}

/// The length of a list; of null, 0.
#[derive(Debug, Default)]
pub(crate) struct Count(pub(crate) u32);

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Length;
        impl<'de> Visitor<'de> for Length {
            type Value = Count;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list or null")
            }

            fn visit_unit<E: Error>(self) -> Result<Count, E> {
                Ok(Count(0))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Count, A::Error> {
                let mut length = 0_u32;
                while list.next_element::<IgnoredAny>()?.is_some() {
                    length = length.saturating_add(1);
                }
                Ok(Count(length))
            }
        }
        deserializer.deserialize_any(Length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_has_a_bound() {
        let list = |items| format!("[{}1]", "1,".repeat(items - 1));
        let few: Few<u8> = read(list(MOST_ITEMS).as_bytes()).unwrap();
        assert_eq!(few.iter().count(), MOST_ITEMS);
        assert!(read::<Few<u8>>(list(MOST_ITEMS + 1).as_bytes()).is_err());
    }
}

//! Short names for runs.

use std::path::Path;

use crate::{RunDirectory, StoreError};

/// Crockford's digits: no I, L, O or U, which are taken for others or make words.
const DIGITS: [u8; 32] = *b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// Letters of an id: a million runs in one place.
const LETTERS: u32 = 4;
/// Letters of an id at most, of which there are more than anybody has runs.
const LONGEST: u32 = 12;

/// An id such as `7Q4K` that no run below `root` has.
///
/// `seed` is anything that differs from run to run, such as the wall clock's nanoseconds; the same seed
/// gives the same id, unless that is taken. Where four letters are used up, it takes more.
///
/// # Errors
///
/// When `root` exists and cannot be looked into.
pub fn new_id(root: &Path, seed: u64) -> Result<String, StoreError> {
    const TRIES_PER_LENGTH: u64 = 32;
    let mut attempt = 0;
    loop {
        let letters = LETTERS + u32::try_from(attempt / TRIES_PER_LENGTH).unwrap_or(u32::MAX);
        let id = spell(mix(seed.wrapping_add(attempt)), letters);
        if RunDirectory::with_id(root, &id)?.is_none() {
            return Ok(id);
        }
        attempt += 1;
    }
}

/// Whether `text` is an id as [`new_id`] makes them.
pub(crate) fn is_id(text: &str) -> bool {
    (LETTERS as usize..=LONGEST as usize).contains(&text.len())
        && text.bytes().all(|b| DIGITS.contains(&b))
}

fn spell(mut number: u64, letters: u32) -> String {
    let mut id = String::new();
    for _ in 0..letters.min(LONGEST) {
        id.push(char::from(DIGITS[(number % 32) as usize]));
        number /= 32;
    }
    id
}

/// The finalizer of splitmix64: neighbouring numbers come out far apart.
fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_four_letters_that_cannot_be_misread() {
        let root = tempfile::tempdir().unwrap();
        let id = new_id(root.path(), 1).unwrap();
        assert_eq!(id.len(), 4);
        assert!(id.bytes().all(|b| DIGITS.contains(&b)), "{id}");
        assert_eq!(id, new_id(root.path(), 1).unwrap());
        assert_ne!(id, new_id(root.path(), 2).unwrap());
    }

    #[test]
    fn an_id_that_is_taken_is_not_given_again() {
        let root = tempfile::tempdir().unwrap();
        let mut ids = std::collections::BTreeSet::new();
        for _ in 0..40 {
            let id = new_id(root.path(), 7).unwrap();
            RunDirectory::create(root.path(), &id, "again").unwrap();
            assert!(ids.insert(id));
        }
        assert!(ids.iter().any(|id| id.len() == 5), "longer where short ones are used up: {ids:?}");
    }

    #[test]
    fn a_place_that_does_not_exist_yet_has_no_runs() {
        let root = tempfile::tempdir().unwrap();
        assert!(new_id(&root.path().join("artifacts"), 1).is_ok());
    }
}

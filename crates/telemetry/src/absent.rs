//! Saying why a value is not among the readings.

use std::collections::BTreeSet;

use bench_core::{Readings, Said};

/// The values that a source cannot give, each of which it says once.
#[derive(Debug, Default)]
pub(crate) struct Absences(BTreeSet<&'static str>);

impl Absences {
    /// Says `why` there is no value of `name`, unless that was said.
    pub(crate) fn say(&mut self, into: &mut Readings, name: &'static str, why: &str) {
        if self.0.insert(name) {
            into.note(None, Said::Absent { name: name.into(), why: why.to_owned() });
        }
    }
}

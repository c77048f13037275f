//! How long tasks have stood still for want of something.

use std::time::Duration;

/// Time during which at least one task waited, of what a file below `/proc/pressure` says; `None` if that is what
/// `text` is not.
pub fn stalled_for(text: &str) -> Option<Duration> {
    let some = text.lines().find_map(|line| line.strip_prefix("some "))?;
    let total = some.split_ascii_whitespace().find_map(|word| word.strip_prefix("total="))?;
    Some(Duration::from_micros(total.parse().ok()?))
}

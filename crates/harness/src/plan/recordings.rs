//! Files that say when requests are sent: the moments of a trace.

use std::{fs::File, io::Read, path::Path, time::Duration};

use serde::Deserialize;

/// A trace of ten million requests.
const MOST_BYTES: u64 = 1 << 30;

/// The text of the file at `path`.
///
/// # Errors
///
/// When it cannot be read.
pub(super) fn text(path: &str) -> Result<String, String> {
    let cannot = |error: std::io::Error| format!("{path} cannot be read: {error}");
    let mut text = String::new();
    let file = File::open(Path::new(path)).map_err(cannot)?;
    file.take(MOST_BYTES).read_to_string(&mut text).map_err(cannot)?;
    Ok(text)
}

/// A line of Mooncake's traces; what else it says is of no concern here.
#[derive(Deserialize)]
struct MooncakeLine {
    timestamp: f64,
}

/// The moments of a trace: seconds, one a line, or JSON lines with `timestamp` in milliseconds.
///
/// # Errors
///
/// Names the line that is none.
pub(super) fn timestamps(text: &str) -> Result<Vec<Duration>, String> {
    let mut timestamps = Vec::new();
    for (line, number) in text.lines().zip(1..) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let seconds = if line.starts_with('{') {
            serde_json::from_str::<MooncakeLine>(line).ok().map(|line| line.timestamp / 1e3)
        } else {
            line.parse().ok()
        };
        let moment = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        timestamps.push(moment.ok_or_else(|| {
            format!("line {number} is neither seconds nor JSON with a timestamp in milliseconds")
        })?);
    }
    if timestamps.is_empty() {
        return Err("there is no moment in it".to_owned());
    }
    Ok(timestamps)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_and_json_lines_are_moments() {
        let expected = [0, 500, 27_482].map(Duration::from_millis).to_vec();
        assert_eq!(timestamps("# s\n0\n0.5\n\n27.482\n"), Ok(expected.clone()));
        let mooncake = "{\"timestamp\": 0, \"input_length\": 6955}\n{\"timestamp\": 500}\n{\"timestamp\": 27482}";
        assert_eq!(timestamps(mooncake), Ok(expected));
        for bad in ["", "a", "-1", "{}", "1\nNaN"] {
            assert!(timestamps(bad).is_err(), "{bad}");
        }
    }
}

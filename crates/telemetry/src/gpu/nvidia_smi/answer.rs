//! How `nvidia-smi` writes values.

/// What stands in a cell.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Said<'a> {
    /// A value.
    Value(&'a str),
    /// That the GPU never has one.
    Never(&'static str),
    /// That there is none now.
    NotNow(&'a str),
    /// That the GPU is gone.
    Lost(&'a str),
}

/// The cells of a line.
pub(super) fn cells(line: &str) -> impl Iterator<Item = &str> {
    line.split(',').map(str::trim)
}

/// What `cell` means. The program has written brackets round what is no value since long ago; names come and go.
pub(super) fn said(cell: &str) -> Said<'_> {
    let bare = cell.trim_start_matches('[').trim_end_matches(']');
    let lower = bare.to_ascii_lowercase();
    match lower.as_str() {
        "n/a"
        | "not supported"
        | "not available"
        | "requested functionality has been deprecated" => Said::Never("not supported by this GPU"),
        "insufficient permissions" => Said::Never("no permission"),
        lower if lower.contains("is lost") || lower.contains("requires reset") => Said::Lost(bare),
        _ if cell.starts_with('[') || cell.is_empty() => Said::NotNow(bare),
        _ => Said::Value(cell),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_value_is_told_from_one() {
        let never = Said::Never("not supported by this GPU");
        let cases = [
            ("35.42", Said::Value("35.42")),
            ("NVIDIA H200", Said::Value("NVIDIA H200")),
            ("[N/A]", never),
            ("[Not Supported]", Said::Never("not supported by this GPU")),
            ("N/A", Said::Never("not supported by this GPU")),
            ("[Insufficient Permissions]", Said::Never("no permission")),
            ("[Unknown Error]", Said::NotNow("Unknown Error")),
            ("[GPU is lost]", Said::Lost("GPU is lost")),
            ("[GPU requires reset]", Said::Lost("GPU requires reset")),
            ("", Said::NotNow("")),
        ];
        for (cell, expected) in cases {
            assert_eq!(said(cell), expected, "{cell:?}");
        }
    }
}

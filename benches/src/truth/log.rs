//! What is written down of each request.

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::Path,
};

use serde::Serialize;

/// One line of the truth file. All moments are nanoseconds of `CLOCK_MONOTONIC`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct RequestTruth {
    /// The client's `X-Request-Id`.
    pub id: Option<String>,
    /// The kernel's receive stamp of the request's last bytes.
    pub arrived_ns: Option<u64>,
    /// When this server had read the request; the stream is paced from here.
    pub received_ns: u64,
    /// Right before the write of the response's head and role event.
    pub headers_ns: u64,
    /// When each content event was planned; at full speed, when the one before it was written.
    pub due_ns: Vec<u64>,
    /// Right before the write that sent each content event.
    pub sends_ns: Vec<u64>,
    /// Right after that write. Where it lies far from `sends_ns`, the server was interrupted
    /// between the two clock readings, and the truth is known no better than that.
    pub sent_ns: Vec<u64>,
    /// Whether the whole stream was written, `[DONE]` too.
    pub complete: bool,
}

/// Replaces the file at `path` by one line of JSON per request.
pub(super) fn write(path: &Path, requests: &[RequestTruth]) -> io::Result<()> {
    let unfinished = path.with_extension("partial");
    let mut file = BufWriter::new(File::create(&unfinished)?);
    for request in requests {
        serde_json::to_writer(&mut file, request)?;
        file.write_all(b"\n")?;
    }
    file.into_inner()?.sync_all()?;
    std::fs::rename(unfinished, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_by_one_line_per_request() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("truth.jsonl");
        write(&path, &[RequestTruth::default(), RequestTruth::default()]).unwrap();
        let request = RequestTruth {
            id: Some("a\"b".to_owned()),
            due_ns: vec![4],
            sends_ns: vec![5],
            ..RequestTruth::default()
        };
        write(&path, &[request]).unwrap();
        assert_eq!(
            std::fs::read_to_string(&path).unwrap(),
            concat!(
                r#"{"id":"a\"b","arrived_ns":null,"received_ns":0,"headers_ns":0,"due_ns":[4],"#,
                r#""sends_ns":[5],"sent_ns":[],"complete":false}"#,
                "\n"
            )
        );
        assert_eq!(folder.path().read_dir().unwrap().count(), 1);
    }
}

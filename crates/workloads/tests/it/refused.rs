//! What is wrong with a dataset is said: where, what, and what to do about it.

use std::io::{self, Read};

use bench_workloads::{Approximate, Columns, DatasetError, DatasetFile, Format};

use crate::data;

fn refused(name: &str, bytes: &[u8]) -> DatasetError {
    let read = DatasetFile::new(name).read_from(bytes, &Approximate);
    match read {
        Err(error) => error,
        Ok(read) => panic!("{name} was read: {read:?}"),
    }
}

/// A file of that name with these bytes is refused: parts of what is said, and of what to do.
fn check(name: &str, bytes: &[u8], what: &str, remedy: &str) {
    let error = refused(name, bytes);
    let text = String::from_utf8_lossy(bytes);
    assert!(error.to_string().contains(what), "{text}\n{error}");
    assert!(error.remedy.contains(remedy), "{text}\n{}", error.remedy);
}

#[test]
fn what_is_wrong_has_a_place() {
    // The file, its bytes, what is said, and a word of what to do.
    let cases: [(&str, &str, &str, &str); 42] = [
        (
            "a.jsonl",
            "{\"prompt\": \"a\"}\n{\"prompt\": }\n",
            "line 2, column 12 of a.jsonl: expected value",
            "JSON",
        ),
        (
            "a.jsonl",
            "{\"prompt\": \"a\"}\n\n{\"prompt\": \"b\n",
            "line 3, column 13 of a.jsonl: EOF while",
            "JSON",
        ),
        (
            "a.jsonl",
            "{\"prompt\": \"a\"} {\"prompt\": \"b\"}\n",
            "line 1, column 17 of a.jsonl: trailing",
            "JSON",
        ),
        (
            "a.json",
            "[{\"prompt\": \"a\"},\n {\"prompt\": \"b\"},\n ]\n",
            "line 3, column 2 of a.json: trailing comma",
            "JSON",
        ),
        (
            "a.json",
            "[\n{\"prompt\": \"a\"},\n{\"prompt\": \"b\"\n",
            "line 4, column 1 of a.json: EOF",
            "JSON",
        ),
        (
            "a.json",
            "[\n{\"prompt\": \"a\"},\n 5]",
            "line 3 of a.json: invalid type: integer",
            "format",
        ),
        (
            "a.json",
            "{\"messages\": [\n  {\"role\": \"user\"}]}",
            "line 1 of a.json: message 1: it has no content",
            "role",
        ),
        ("a.json", "[]", "a.json: holds no conversation", "name a file"),
        ("a.json", " \n ", "a.json: is blank", "name a file"),
        ("a.txt", "Once upon a time\nthere was", "begins with `Once upon a time`", "CSV"),
        (
            "a.json",
            "{\"a\": 1, \"b\": 2}",
            "is of no known format; there is `a` and `b`",
            "name the column",
        ),
        (
            "a.csv",
            "a,b\n1,2\n",
            "line 2 of a.csv: is of no known format; there is `a` and `b`",
            "`mooncake`",
        ),
        ("a.csv", "prompt,b\n", "a.csv: holds no conversation", "name a file"),
        ("a.csv", "prompt,b\nx\n", "line 2 of a.csv: 1 cells below a header of 2", "quotation"),
        (
            "a.csv",
            "prompt,prompt\nx,y\n",
            "line 1 of a.csv: two columns are called `prompt`",
            "own",
        ),
        (
            "a.csv",
            "prompt,max_tokens\n\"x\ny\",many\n",
            "line 2 of a.csv: `max_tokens` is `many`",
            "number",
        ),
        (
            "a.csv",
            "prompt,max_tokens\nx,-4\n",
            "line 2 of a.csv: `max_tokens` is -4: negative",
            "0 or more",
        ),
        ("a.csv", "prompt,max_tokens\nx,0\n", "`max_tokens` is 0", "1 token or more"),
        ("a.csv", "prompt,b\n,2\n", "line 2 of a.csv: `prompt` is empty", "fill it"),
        (
            "a.jsonl",
            "{\"prompt\": [1]}\n",
            "line 1, column 12 of a.jsonl: `prompt`: invalid type",
            "correct",
        ),
        (
            "a.jsonl",
            "{\"messages\": [], \"output_length\": 1}",
            "may be one of `messages` and `mooncake`",
            "name the format",
        ),
        ("a.jsonl", "{\"messages\": []}", "`messages` is an empty list", "role"),
        (
            "a.jsonl",
            "{\"messages\": [{\"role\": \"king\", \"content\": \"a\"}]}",
            "message 1: `king` is no role",
            "`tool`",
        ),
        (
            "a.jsonl",
            "{\"messages\": [{\"role\": \"assistant\", \"content\": \"a\"}]}",
            "begins with the assistant",
            "take turns",
        ),
        (
            "a.jsonl",
            "{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}, {\"role\": \"user\", \"content\": \"b\"}]}",
            "message 2: the user speaks twice",
            "take turns",
        ),
        (
            "a.jsonl",
            "{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}, {\"role\": \"assistant\", \"content\": \"b\"}, {\"role\": \"assistant\", \"content\": \"c\"}]}",
            "message 3: the assistant answers twice",
            "take turns",
        ),
        (
            "a.jsonl",
            "{\"messages\": [{\"role\": \"user\"}]}",
            "message 1: it has no content",
            "content",
        ),
        (
            "a.jsonl",
            "{\"messages\": [{\"role\": \"user\", \"content\": 5}]}",
            "neither text nor a list of parts",
            "correct",
        ),
        (
            "a.jsonl",
            "{\"messages\": [{\"role\": \"user\", \"content\": [{\"type\": \"input_audio\"}]}]}",
            "part of type `input_audio`",
            "images",
        ),
        (
            "a.jsonl",
            "{\"messages\": [{\"role\": \"system\", \"content\": \"a\"}]}",
            "nobody but the system",
            "user",
        ),
        (
            "a.jsonl",
            "{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}, {\"role\": \"tool\", \"tool_call_id\": \"x\", \"content\": \"b\"}]}",
            "no call before it has the id `x`",
            "follow",
        ),
        (
            "a.jsonl",
            "{\"id\": \"a\", \"prompt\": \"x\"}\n{\"id\": \"b\", \"prompt\": \"x\"}\n{\"id\": \"a\", \"prompt\": \"y\"}\n",
            "line 3 of a.jsonl: the id `a` is that of line 1, too",
            "own",
        ),
        (
            "a.json",
            "[{\"conversations\": [{\"from\": \"pope\", \"value\": \"x\"}]}]",
            "`from` is `pope`",
            "`human`",
        ),
        (
            "a.json",
            "[{\"conversations\": [{\"from\": \"gpt\", \"value\": \"x\"}]}]",
            "holds no conversation: conversations left out, without a question: 1",
            "name a file",
        ),
        (
            "a.jsonl",
            "{\"custom_id\": \"a\", \"body\": {\"model\": \"m\"}}",
            "`body`: `messages` is missing; there is `model`",
            "add it",
        ),
        (
            "a.jsonl",
            "{\"custom_id\": \"a\", \"body\": {\"prompt\": [1, 2]}}",
            "`body`: `prompt`: invalid type",
            "token ids are not read",
        ),
        (
            "a.jsonl",
            "{\"timestamp\": 5, \"input_length\": -1}",
            "`input_length` is -1: negative",
            "0 or more",
        ),
        (
            "a.jsonl",
            "{\"timestamp\": 5, \"input_length\": 1.5}",
            "`input_length` is 1.5",
            "integer",
        ),
        (
            "a.jsonl",
            "{\"timestamp\": 5, \"input_length\": 4000000000}",
            "more than the 10000000 that any context has",
            "unit",
        ),
        (
            "a.jsonl",
            "{\"timestamp\": 5000, \"input_length\": 1}\n{\"timestamp\": 2500, \"input_length\": 1}",
            "line 2 of a.jsonl: its time lies 2.500 s before",
            "sort",
        ),
        (
            "a.jsonl",
            "{\"input_length\": 600, \"hash_ids\": [1]}",
            "1 blocks are named by `hash_ids`, and 600 tokens are 2 blocks of 512",
            "how many tokens a block",
        ),
        (
            "a.csv",
            "TIMESTAMP,ContextTokens,GeneratedTokens\nyesterday,1,2\n",
            "line 2 of a.csv: `TIMESTAMP` is `yesterday`",
            "2023-11-16",
        ),
    ];
    for (name, text, what, remedy) in cases {
        check(name, text.as_bytes(), what, remedy);
    }
}

#[test]
fn what_is_no_text_in_utf_8_is_refused() {
    let utf16: Vec<u8> =
        "\u{FEFF}{\"prompt\": \"a\"}".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let swapped: Vec<u8> = utf16.chunks(2).flat_map(|pair| [pair[1], pair[0]]).collect();
    let cases: [(&str, &[u8], &str, &str); 12] = [
        ("a.jsonl", b"", "a.jsonl: is empty", "name a file"),
        ("a.jsonl", &utf16, "is UTF-16", "iconv"),
        ("a.jsonl", &swapped, "is UTF-16", "iconv"),
        ("a.jsonl", b"\xFF\xFE\0\0{\0\0\0", "is UTF-32", "iconv"),
        ("a.jsonl", b"{\"prompt\": \"a\0\"}", "holds NUL bytes", "iconv"),
        (
            "a.jsonl",
            b"{\"prompt\": \"a\"}\n{\"prompt\": \"caf\xE9\"}",
            "line 2, column 16 of a.jsonl: byte 0xE9",
            "iconv",
        ),
        (
            "a.json",
            b"[{\"prompt\": \"a\"},\n{\"prompt\": \"caf\xE9\"}]",
            "line 2, column 16 of a.json: invalid unicode",
            "iconv",
        ),
        ("a.csv", b"prompt,id\na,1\ncaf\xE9,2\n", "line 3 of a.csv: a cell is no UTF-8", "iconv"),
        ("a.jsonl.gz", b"\x1F\x8B\x08\0", "is compressed with gzip", "gunzip"),
        ("a.jsonl.zst", b"\x28\xB5\x2F\xFD\0", "is compressed with zstd", "zstd -d"),
        ("a.zip", b"PK\x03\x04", "is a zip archive", "unpack"),
        ("a.parquet", b"PAR1....PAR1", "is Parquet, which is read from files alone", "path"),
    ];
    for (name, bytes, what, remedy) in cases {
        check(name, bytes, what, remedy);
    }
    // A byte order mark of UTF-8 does no harm.
    let marked = DatasetFile::new("a.jsonl");
    let read = marked.read_from(&b"\xEF\xBB\xBF{\"prompt\": \"a\"}"[..], &Approximate).unwrap();
    assert_eq!(read.conversations.len(), 1);
}

#[test]
fn a_file_that_cannot_be_read_says_so() {
    let error = DatasetFile::new("no/such/file").read(&Approximate).unwrap_err();
    assert!(error.to_string().starts_with("no/such/file: cannot be read: "), "{error}");
    assert_eq!(error.remedy, "check the path");
    let error = DatasetFile::new(data("datasets")).read(&Approximate).unwrap_err();
    assert_eq!(error.remedy, "name a file in that folder");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cut.parquet");
    std::fs::write(&path, b"PAR1 and no more").unwrap();
    let error = DatasetFile::new(&path).read(&Approximate).unwrap_err();
    assert!(error.what.contains("Parquet"), "{error}");
    let error = DatasetFile::new(data("datasets/gzip.parquet")).read(&Approximate).unwrap_err();
    assert!(error.remedy.contains(if cfg!(feature = "parquet") { "Snappy" } else { "lines" }));
}

#[test]
fn columns_that_are_not_there_are_named() {
    let columns = Columns { expected: Some("gold".into()), ..Columns::default() };
    let file = DatasetFile { columns, ..DatasetFile::new("a.jsonl") };
    let error = file.read_from(&b"{\"prompt\": \"a\", \"b\": 1}"[..], &Approximate).unwrap_err();
    assert_eq!(error.what, "there is no column `gold`; there is `b` and `prompt`");
    let file = DatasetFile { format: Some(Format::ShareGpt), ..file };
    let error = file.read_from(&b"[]"[..], &Approximate).unwrap_err();
    assert_eq!(error.what, "columns are named, and `sharegpt` has none");
    let error = "tsv".parse::<Format>().unwrap_err().to_string();
    assert!(error.contains("`sharegpt`, `messages`"), "{error}");
}

/// So many bytes, which say how many of them were read.
struct Endless<'e> {
    start: &'e [u8],
    fill: u8,
    left: usize,
}

impl Read for Endless<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let start = self.start.read(buffer)?;
        if start > 0 {
            return Ok(start);
        }
        let read = buffer.len().min(self.left);
        buffer[..read].fill(self.fill);
        self.left -= read;
        Ok(read)
    }
}

#[test]
fn a_gigabyte_without_an_end_is_refused_before_it_is_in_memory() {
    const GIB: usize = 1 << 30;
    for (name, start, fill) in [
        ("a.jsonl", &b"{\"prompt\": \"a\"}\n{\"prompt\": \""[..], b'a'),
        ("a.json", b"[{\"prompt\": \"a\"},\n{\"prompt\": \"", b'a'),
        ("a.csv", b"prompt,id\na,1\n\"", b'a'),
    ] {
        let mut bytes = Endless { start, fill, left: GIB };
        let read = DatasetFile::new(name).read_from(&mut bytes, &Approximate);
        let error = read.unwrap_err();
        assert!(error.what.ends_with("is longer than 64 MiB"), "{error}");
        assert!(matches!(error.line, Some(2 | 3)), "{error}");
        let taken = GIB - bytes.left;
        assert!(taken < 66 << 20, "{name}: {taken} bytes were read");
    }
}

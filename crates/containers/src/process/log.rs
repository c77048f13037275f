//! What servers say, read from the files that it is written to.

use std::{
    collections::HashMap,
    fs::File,
    io::{self, Read},
    sync::{Mutex, PoisonError},
};

use crate::{LogLine, environment::Mask, lines::Lines};

/// No more is given at a time, but for what one read brings.
const MOST_LINES: usize = 10_000;
const READ_BYTES: usize = 64 << 10;

/// The logs that were read, each as far as it was, by server: so the next lines cost no more than they are.
#[derive(Debug, Default)]
pub(super) struct Logs {
    readers: Mutex<HashMap<String, Reader>>,
}

#[derive(Debug)]
struct Reader {
    file: File,
    lines: Lines,
    /// The number of the next line.
    next: u64,
}

impl Logs {
    /// The lines since the line `since` of a log that `open` opens. The last one, which nothing has ended, is one where the
    /// server has.
    pub(super) fn since(
        &self,
        id: &str,
        since: u64,
        has_ended: bool,
        mask: impl FnOnce() -> Mask,
        open: impl FnOnce() -> io::Result<File>,
    ) -> io::Result<Vec<LogLine>> {
        let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        let known = readers.remove(id).filter(|reader| reader.next <= since);
        let mut reader = match known {
            Some(reader) => reader,
            None => Reader { file: open()?, lines: Lines::new(mask()), next: 0 },
        };
        let lines = reader.read(since, has_ended);
        readers.insert(id.to_owned(), reader);
        lines
    }

    pub(super) fn forget(&self, id: &str) {
        self.readers.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
    }
}

impl Reader {
    fn read(&mut self, since: u64, has_ended: bool) -> io::Result<Vec<LogLine>> {
        let mut found = Vec::new();
        let mut bytes = vec![0; READ_BYTES];
        let next = &mut self.next;
        let mut keep = |text: String| {
            let number = *next;
            *next += 1;
            if number >= since {
                found.push(LogLine { number, text });
            }
            found.len() >= MOST_LINES
        };
        let mut is_full = false;
        while !is_full {
            match self.file.read(&mut bytes)? {
                0 => {
                    if has_ended && let Some(last) = self.lines.finish() {
                        keep(last);
                    }
                    break;
                }
                count => self.lines.take(&bytes[..count], |text| is_full = keep(text)),
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, io::Write};

    use super::*;

    #[test]
    fn lines_have_the_numbers_of_the_file_whoever_asks_and_when() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut file = File::create(&path).unwrap();
        let logs = Logs::default();
        let ask = |logs: &Logs, since, has_ended| {
            let lines = logs.since("a", since, has_ended, Mask::default, || File::open(&path));
            let lines = lines.unwrap().into_iter();
            lines.map(|line| format!("{} {}", line.number, line.text)).collect::<Vec<_>>()
        };
        file.write_all(b"one\n\ntwo\nthr").unwrap();
        assert_eq!(ask(&logs, 0, false), ["0 one", "1 two"]);
        assert!(ask(&logs, 2, false).is_empty());
        file.write_all(b"ee\nfour").unwrap();
        assert_eq!(ask(&logs, 2, false), ["2 three"]);
        assert_eq!(ask(&logs, 1, false), ["1 two", "2 three"]);
        assert_eq!(ask(&logs, 3, true), ["3 four"]);
        assert!(ask(&logs, 4, true).is_empty());
        assert_eq!(ask(&Logs::default(), 2, true), ["2 three", "3 four"]);
        fs::remove_file(&path).unwrap();
        assert!(logs.since("b", 0, true, Mask::default, || File::open(&path)).is_err());
    }

    #[test]
    fn many_lines_come_in_several_parts_and_none_is_lost() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let text: String = (0..50_000).map(|line| format!("line {line}\n")).collect();
        fs::write(&path, text).unwrap();
        let logs = Logs::default();
        let mut next = 0;
        let mut parts = 0;
        loop {
            let lines = logs.since("a", next, false, Mask::default, || File::open(&path)).unwrap();
            let Some(last) = lines.last() else { break };
            assert_eq!((lines[0].number, &*lines[0].text), (next, &*format!("line {next}")));
            assert!(lines.len() < 2 * MOST_LINES, "{}", lines.len());
            next = last.number + 1;
            parts += 1;
        }
        assert_eq!(next, 50_000);
        assert!(parts >= 3, "{parts}");
    }
}

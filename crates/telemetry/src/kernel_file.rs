//! Files in which the kernel tells numbers, such as those below `/proc`.

use std::{
    fs::File,
    io::{self, Read, Seek},
    path::PathBuf,
};

/// No such file is longer.
const MOST_BYTES: u64 = 4 << 20;

/// A file that is kept open and read from its beginning each time, which makes the kernel write it anew.
#[derive(Debug)]
pub(crate) struct KernelFile {
    path: PathBuf,
    file: Option<File>,
}

impl KernelFile {
    pub(crate) const fn new(path: PathBuf) -> Self {
        Self { path, file: None }
    }

    /// What it says now, in `buffer`, whose memory is used again; or why that cannot be told. After a failure it is
    /// opened anew the next time.
    pub(crate) fn read<'a>(&mut self, buffer: &'a mut Vec<u8>) -> Result<&'a str, String> {
        if let Err(error) = self.fill(buffer) {
            self.file = None;
            return Err(format!("cannot read {}: {error}", self.path.display()));
        }
        str::from_utf8(buffer).map_err(|_| format!("{} is no text", self.path.display()))
    }

    /// Why what it said is of no use.
    pub(crate) fn is_odd(&self) -> String {
        format!("{} is not as expected", self.path.display())
    }

    fn fill(&mut self, buffer: &mut Vec<u8>) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => {
                file.rewind()?;
                file
            }
            none => none.insert(File::open(&self.path)?),
        };
        buffer.clear();
        file.take(MOST_BYTES).read_to_end(buffer)?;
        Ok(())
    }
}

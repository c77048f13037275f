//! Making a run whole again that was killed while it was written.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{self, BufRead, BufReader, ErrorKind, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use bench_core::Verdict;

use crate::{
    FORMAT_VERSION, PointSummary, ReadError, RunDirectory, RunFile, State, StoreError, SummaryFile,
    directory::private_file,
    frames::{FrameReader, frame},
    planned_points, summarize,
};

/// Text of a torn frame that is kept in memory: some sixty times what a frame has.
const MOST_RESCUED: usize = 64 << 20;

/// What was done to make a run whole. Nothing at all, if it was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Repaired {
    /// Files whose end was torn off.
    pub torn: Vec<RepairedFile>,
    /// Files that were missing, and are there now, empty.
    pub missing: Vec<String>,
    /// How many points `summary.json` has, if it was written anew.
    pub points: Option<usize>,
}

/// A file whose end was torn off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepairedFile {
    /// Its name.
    pub name: String,
    /// Bytes before the tear.
    pub whole: u64,
    /// Bytes after it.
    pub torn: u64,
    /// The name of the file that has them now.
    pub saved_as: String,
    /// Lines that could be read among them, and are at the end of the file now.
    pub rescued: u64,
}

/// A run that cannot be repaired.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RepairError {
    /// It is being measured: wait for its end.
    #[error("{} is being measured", path.display())]
    Running {
        /// Where.
        path: PathBuf,
    },
    /// More is wrong with it than a torn end.
    #[error(transparent)]
    Unreadable(#[from] ReadError),
    /// It cannot be written.
    #[error(transparent)]
    NotWritten(#[from] StoreError),
}

/// Cuts torn ends off the files of the run in `directory`, keeping what was there in `<file>.torn`, and
/// writes its summary from its samples if it has none, or an unfinished one.
///
/// The numbers of points that ended before the kill stay as they are: samples do not know all facts. A run
/// that is whole stays as it is, and so do the results of another tool, which came without samples. Nobody
/// goes on with the run meanwhile: its events are locked, as while it is measured.
///
/// # Errors
///
/// When the run is being measured, damaged elsewhere than at an end, or cannot be written.
pub fn repair(directory: &RunDirectory) -> Result<Repaired, RepairError> {
    let run = directory.read_run()?;
    let mut repaired = Repaired::default();
    if run.is_foreign() {
        return Ok(repaired);
    }
    let events = directory.events_path();
    let mut create = |path: &Path| -> Result<(), StoreError> {
        repaired.missing.extend(create_missing(path)?.then(|| name(path)));
        Ok(())
    };
    create(&events)?;
    // Before anything is cut: a process that goes on with the run takes the same lock.
    let _lock = lock(&events, directory)?;
    create(&directory.samples_path())?;
    for path in [directory.samples_path(), directory.readings_path()] {
        repaired.torn.extend(cut(&path, end_of_frames)?);
    }
    repaired.torn.extend(cut(&events, end_of_lines)?);
    repaired.points = write_summary(directory, &run)?;
    Ok(repaired)
}

/// Locks the events of the run until the file is closed.
fn lock(events: &Path, directory: &RunDirectory) -> Result<File, RepairError> {
    let file = private_file().append(true).open(events);
    let file = file.map_err(|source| StoreError::new(events, source))?;
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => {
            Err(RepairError::Running { path: directory.path().to_owned() })
        }
        // Where nothing can be locked, nobody else could lock it either.
        Ok(()) | Err(TryLockError::Error(_)) => Ok(file),
    }
}

fn create_missing(path: &Path) -> Result<bool, StoreError> {
    match private_file().write(true).create_new(true).open(path) {
        Ok(_) => Ok(true),
        Err(e) if e.kind() == ErrorKind::AlreadyExists => Ok(false),
        Err(source) => Err(StoreError::new(path, source)),
    }
}

/// How far a file is whole, and what can be read after that.
struct End {
    whole: u64,
    /// Whole lines.
    rescued: Vec<u8>,
}

/// Cuts the file off at what `end` finds, after the rest of it is safe.
fn cut(
    path: &Path,
    end: impl Fn(BufReader<File>) -> io::Result<End>,
) -> Result<Option<RepairedFile>, RepairError> {
    let look = || -> io::Result<Option<(u64, End)>> {
        let file = match File::open(path) {
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
            file => file?,
        };
        let bytes = file.metadata()?.len();
        Ok(Some((bytes, end(BufReader::new(file))?)))
    };
    let found = look().map_err(|source| ReadError::Unreadable { path: path.to_owned(), source })?;
    let Some((bytes, End { whole, rescued })) = found.filter(|(bytes, end)| end.whole < *bytes)
    else {
        return Ok(None);
    };
    let cut = || -> io::Result<RepairedFile> {
        let saved = save(path, whole)?;
        let mut file = OpenOptions::new().write(true).open(path)?;
        file.set_len(whole)?;
        if !rescued.is_empty() {
            file.seek(SeekFrom::Start(whole))?;
            file.write_all(&frame(&rescued)?)?;
        }
        file.sync_all()?;
        let rescued = rescued.iter().filter(|byte| **byte == b'\n').count() as u64;
        let (name, saved_as) = (name(path), name(&saved));
        Ok(RepairedFile { name, whole, torn: bytes - whole, saved_as, rescued })
    };
    Ok(Some(cut().map_err(|source| StoreError::new(path, source))?))
}

/// Copies the bytes from `whole` on into a new file beside it.
fn save(path: &Path, whole: u64) -> io::Result<PathBuf> {
    let mut from = File::open(path)?;
    from.seek(SeekFrom::Start(whole))?;
    let mut number = 1;
    loop {
        let end = if number == 1 { "torn".to_owned() } else { format!("torn-{number}") };
        let saved = path.with_file_name(format!("{}.{end}", name(path)));
        match private_file().write(true).create_new(true).open(&saved) {
            Err(e) if e.kind() == ErrorKind::AlreadyExists => number += 1,
            to => {
                let mut to = to?;
                io::copy(&mut from, &mut to)?;
                to.sync_all()?;
                return Ok(saved);
            }
        }
    }
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Lines of a torn frame are rescued as far as they decode and are JSON.
fn end_of_frames(file: BufReader<File>) -> io::Result<End> {
    let mut frames = FrameReader::new(file)?;
    let (mut text, mut rest) = (vec![0; 1 << 16], Vec::new());
    loop {
        let before = frames.whole_lines();
        let count = frames.read(&mut text)?;
        if frames.whole_lines() != before || frames.is_whole() {
            rest.clear();
        }
        if !frames.is_whole() && rest.len() < MOST_RESCUED {
            rest.extend_from_slice(&text[..count]);
        }
        if count == 0 {
            break;
        }
    }
    let lines = rest.split_inclusive(|byte| *byte == b'\n');
    let is_whole = |line: &&[u8]| {
        line.ends_with(b"\n") && serde_json::from_slice::<serde::de::IgnoredAny>(line).is_ok()
    };
    let rescued = lines.take_while(is_whole).flatten().copied().collect();
    Ok(End { whole: frames.whole_lines(), rescued })
}

fn end_of_lines(mut file: BufReader<File>) -> io::Result<End> {
    let (mut read, mut whole) = (0, 0);
    loop {
        let bytes = file.fill_buf()?;
        if bytes.is_empty() {
            return Ok(End { whole, rescued: Vec::new() });
        }
        let count = bytes.len();
        if let Some(last) = bytes.iter().rposition(|byte| *byte == b'\n') {
            whole = read + last as u64 + 1;
        }
        read += count as u64;
        file.consume(count);
    }
}

/// Writes the summary if it is missing or unfinished; says of how many points it is then.
fn write_summary(directory: &RunDirectory, run: &RunFile) -> Result<Option<usize>, RepairError> {
    let points = match directory.read_summary()? {
        Some(summary) if summary.state != State::Unfinished => return Ok(None),
        Some(summary) => summary.points,
        None => Vec::new(),
    };
    let points = with_recomputed(directory, run, points)?;
    let count = points.len();
    let file = SummaryFile {
        format_version: FORMAT_VERSION,
        id: run.id.clone(),
        name: run.name.clone(),
        state: State::Interrupted,
        points,
    };
    directory.write_json(&directory.summary_path(), &file)?;
    Ok(Some(count))
}

/// The points that had ended, and after them those that the samples know of.
fn with_recomputed(
    directory: &RunDirectory,
    run: &RunFile,
    mut points: Vec<PointSummary>,
) -> Result<Vec<PointSummary>, ReadError> {
    let planned = planned_points(directory)?;
    for (number, summary) in summarize(directory)?.points {
        if points.iter().any(|point| point.number == number) {
            continue;
        }
        let in_plan = || run.points.get(usize::try_from(number).ok()?);
        let Some(line) = planned.get(&number).or_else(in_plan) else { continue };
        let verdict = Verdict::on(&summary, true);
        points.push(PointSummary::of(number, line, &summary, &verdict));
    }
    points.sort_by_key(|point| point.number);
    Ok(points)
}

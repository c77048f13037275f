//! Making a run whole again that was killed while it was written.

use std::{
    collections::BTreeMap,
    fs::{File, OpenOptions, TryLockError},
    io::{self, BufRead, BufReader, ErrorKind, Read, Seek, SeekFrom, Write},
    ops::Range,
    path::{Path, PathBuf},
};

use bench_core::{Aggregate, Summary, Verdict};

use crate::{
    EventKind, FORMAT_VERSION, GoalLine, PointLine, PointSummary, ReadError, ReasonLine,
    RunDirectory, RunFile, State, StoreError, SummaryFile,
    directory::private_file,
    frames::{FrameReader, MAGIC, frame},
    planned_points, summarize,
};

/// Text of a torn frame that is kept in memory: some sixty times what a frame has.
const MOST_RESCUED: usize = 64 << 20;

/// What was done to make a run whole. Nothing at all, if it was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Repaired {
    /// Files whose end was torn off, or that were damaged.
    pub torn: Vec<RepairedFile>,
    /// Files that were missing, and are there now, empty.
    pub missing: Vec<String>,
    /// What `summary.json` says, if it was written anew.
    pub summary: Option<RepairedSummary>,
}

/// A summary that was written from samples and events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepairedSummary {
    /// How many points it has.
    pub points: usize,
    /// How the run ended.
    pub state: State,
    /// The name of the file that has the old one now, if that was damaged.
    pub saved_as: Option<String>,
}

/// A file whose end was torn off, or that was damaged before its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepairedFile {
    /// Its name.
    pub name: String,
    /// Bytes before the tear or the damage.
    pub whole: u64,
    /// Bytes from there on.
    pub torn: u64,
    /// The name of the file that has them now.
    pub saved_as: String,
    /// Lines that could be read among them, and are at the end of the file now.
    pub rescued: u64,
    /// Bytes among them that belong to no whole frame.
    pub lost: u64,
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

/// Cuts torn ends and damaged parts out of the files of the run in `directory`, keeping what was there in
/// `<file>.torn`, and
/// writes its summary from its samples and events if it has none, or an unfinished or damaged one.
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
    // Also what an earlier repair cut off is lost.
    let is_whole = !torn_path(&directory.samples_path(), 1).exists();
    repaired.summary = write_summary(directory, &run, is_whole)?;
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
    /// Frames that are whole again.
    later: Vec<Range<u64>>,
    /// Whole lines behind the last whole frame.
    rescued: Vec<u8>,
    /// How many lines those are, in the frames and behind them.
    lines: u64,
}

/// Cuts the file off at what `end` finds, given its length, after the rest of it is safe; what of that is whole
/// is put back.
fn cut(
    path: &Path,
    end: impl Fn(BufReader<File>, u64) -> io::Result<End>,
) -> Result<Option<RepairedFile>, RepairError> {
    let look = || -> io::Result<Option<(u64, End)>> {
        let file = match File::open(path) {
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
            file => file?,
        };
        let bytes = file.metadata()?.len();
        Ok(Some((bytes, end(BufReader::new(file), bytes)?)))
    };
    let found = look().map_err(|source| ReadError::Unreadable { path: path.to_owned(), source })?;
    let Some((bytes, End { whole, later, rescued, lines })) =
        found.filter(|(bytes, end)| end.whole < *bytes)
    else {
        return Ok(None);
    };
    let cut = || -> io::Result<RepairedFile> {
        let saved = save(path, whole)?;
        let mut file = OpenOptions::new().write(true).open(path)?;
        file.set_len(whole)?;
        file.seek(SeekFrom::Start(whole))?;
        let mut from = File::open(&saved)?;
        for frames in &later {
            from.seek(SeekFrom::Start(frames.start - whole))?;
            io::copy(&mut (&from).take(frames.end - frames.start), &mut file)?;
        }
        if !rescued.is_empty() {
            file.write_all(&frame(&rescued)?)?;
        }
        file.sync_all()?;
        let torn = bytes - whole;
        let lost = torn - later.iter().map(|frames| frames.end - frames.start).sum::<u64>();
        let (name, saved_as) = (name(path), name(&saved));
        Ok(RepairedFile { name, whole, torn, saved_as, rescued: lines, lost })
    };
    Ok(Some(cut().map_err(|source| StoreError::new(path, source))?))
}

/// Copies the bytes from `whole` on into a new file beside it.
fn save(path: &Path, whole: u64) -> io::Result<PathBuf> {
    let mut from = File::open(path)?;
    from.seek(SeekFrom::Start(whole))?;
    let mut number = 1;
    loop {
        let saved = torn_path(path, number);
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

/// Where the `number`th torn end of the file at `path` is kept.
fn torn_path(path: &Path, number: u32) -> PathBuf {
    let end = if number == 1 { "torn".to_owned() } else { format!("torn-{number}") };
    path.with_file_name(format!("{}.{end}", name(path)))
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Where a frame is damaged, those behind it are whole as before: each begins with a line of its own.
fn end_of_frames(mut file: BufReader<File>, bytes: u64) -> io::Result<End> {
    let Frames { whole, rescued, .. } = read_frames(&mut file)?;
    let mut end = End { whole, later: Vec::new(), lines: 0, rescued };
    if whole == bytes {
        return Ok(end);
    }
    let mut from = whole;
    while let Some(start) = next_frame(&mut file, from + 1)? {
        file.seek(SeekFrom::Start(start))?;
        let frames = read_frames(&mut file)?;
        from = start + frames.whole;
        if frames.whole > 0 {
            end.later.push(start..from);
            (end.lines, end.rescued) = (end.lines + frames.lines, frames.rescued);
        }
    }
    end.lines += lines_of(&end.rescued);
    Ok(end)
}

/// Frames in a row.
struct Frames {
    /// Where the last one ends, from where the first one began.
    whole: u64,
    /// Lines in them.
    lines: u64,
    /// Whole lines behind them.
    rescued: Vec<u8>,
}

/// Lines of a torn frame are rescued as far as they decode and are JSON; those of a damaged one may be wrong.
fn read_frames(file: &mut BufReader<File>) -> io::Result<Frames> {
    let mut frames = FrameReader::new(file)?;
    let (mut text, mut rest) = (vec![0; 1 << 16], Vec::new());
    let (mut lines, mut read) = (0, 0);
    loop {
        let before = frames.whole_lines();
        let count = frames.read(&mut text)?;
        read += lines_of(&text[..count]);
        if frames.whole_lines() != before || frames.is_whole() {
            rest.clear();
            lines = read;
        }
        if !frames.is_whole() && rest.len() < MOST_RESCUED {
            rest.extend_from_slice(&text[..count]);
        }
        if count == 0 {
            break;
        }
    }
    if frames.is_broken() {
        rest.clear();
    }
    let rest = rest.split_inclusive(|byte| *byte == b'\n');
    let is_whole = |line: &&[u8]| {
        line.ends_with(b"\n") && serde_json::from_slice::<serde::de::IgnoredAny>(line).is_ok()
    };
    let rescued = rest.take_while(is_whole).flatten().copied().collect();
    Ok(Frames { whole: frames.whole_lines(), lines, rescued })
}

/// Where a frame may begin, from `place` on.
fn next_frame(file: &mut BufReader<File>, mut place: u64) -> io::Result<Option<u64>> {
    file.seek(SeekFrom::Start(place))?;
    let mut last_four = 0_u32;
    loop {
        let bytes = file.fill_buf()?;
        if bytes.is_empty() {
            return Ok(None);
        }
        for byte in bytes {
            last_four = last_four << 8 | u32::from(*byte);
            place += 1;
            if last_four == MAGIC {
                return Ok(Some(place - 4));
            }
        }
        let count = bytes.len();
        file.consume(count);
    }
}

fn lines_of(text: &[u8]) -> u64 {
    text.iter().filter(|byte| **byte == b'\n').count() as u64
}

fn end_of_lines(mut file: BufReader<File>, _bytes: u64) -> io::Result<End> {
    let (mut read, mut whole) = (0, 0);
    loop {
        let bytes = file.fill_buf()?;
        if bytes.is_empty() {
            return Ok(End { whole, later: Vec::new(), lines: 0, rescued: Vec::new() });
        }
        let count = bytes.len();
        if let Some(last) = bytes.iter().rposition(|byte| *byte == b'\n') {
            whole = read + last as u64 + 1;
        }
        read += count as u64;
        file.consume(count);
    }
}

/// Writes the summary anew if it is missing, damaged or unfinished. `is_whole` says that no sample was lost.
fn write_summary(
    directory: &RunDirectory,
    run: &RunFile,
    is_whole: bool,
) -> Result<Option<RepairedSummary>, RepairError> {
    let path = directory.summary_path();
    let (points, is_damaged) = match directory.read_summary() {
        Ok(Some(summary)) if summary.state != State::Unfinished => return Ok(None),
        Ok(summary) => (summary.map_or(Vec::new(), |summary| summary.points), false),
        Err(ReadError::Malformed { .. }) => (Vec::new(), true),
        Err(error) => return Err(error.into()),
    };
    let ends = Ends::read(directory, is_whole)?;
    let points = with_recomputed(directory, run, &ends, points)?;
    let count = points.len();
    let file = SummaryFile {
        format_version: FORMAT_VERSION,
        id: run.id.clone(),
        name: run.name.clone(),
        state: ends.state,
        points,
    };
    // Only now: what cannot be written anew is left as it is.
    let saved = is_damaged.then(|| save(&path, 0)).transpose();
    let saved = saved.map_err(|source| StoreError::new(&path, source))?;
    directory.write_json(&path, &file)?;
    let saved_as = saved.map(|saved| name(&saved));
    Ok(Some(RepairedSummary { points: count, state: ends.state, saved_as }))
}

/// How a run and its points ended, by its events.
struct Ends {
    state: State,
    points: BTreeMap<u32, PointEnd>,
}

/// How a point ended.
struct PointEnd {
    trust: String,
    reasons: Vec<ReasonLine>,
    failure: Option<String>,
}

impl Ends {
    /// What events say of samples that were lost is not true of those that are left.
    fn read(directory: &RunDirectory, is_whole: bool) -> Result<Self, ReadError> {
        let mut ends = Self { state: State::Interrupted, points: BTreeMap::new() };
        for event in directory.read_events()? {
            match event.kind {
                EventKind::PointEnded { point, trust, warnings: reasons, failure }
                    if is_whole || failure.is_some() =>
                {
                    ends.points.insert(point, PointEnd { trust, reasons, failure });
                }
                EventKind::RunEnded { state } if is_whole => ends.state = state,
                EventKind::RunResumed { .. } => ends.state = State::Interrupted,
                _ => {}
            }
        }
        Ok(ends)
    }
}

/// The points that had ended, and after them those that samples and events know of.
fn with_recomputed(
    directory: &RunDirectory,
    run: &RunFile,
    ends: &Ends,
    mut points: Vec<PointSummary>,
) -> Result<Vec<PointSummary>, ReadError> {
    let planned = planned_points(directory)?;
    let mut summaries = summarize(directory)?.points;
    // A point that could not be measured has no samples.
    for (number, _) in ends.points.iter().filter(|(_, end)| end.failure.is_some()) {
        summaries.entry(*number).or_insert_with(|| Aggregate::default().summarize());
    }
    // The last of each: one that was broken off was measured again, as a point of its own.
    for (number, summary) in summaries.into_iter().rev() {
        let in_plan = || run.points.get(usize::try_from(number).ok()?);
        let Some(line) = planned.get(&number).or_else(in_plan) else { continue };
        let is_known =
            |point: &PointSummary| (point.cell, point.repeat) == (line.cell, line.repeat);
        if !points.iter().any(is_known) {
            points.push(recomputed(number, line, &summary, run, ends.points.get(&number)));
        }
    }
    points.sort_by_key(|point| point.number);
    Ok(points)
}

/// A point by its samples, and by how it ended if it did.
fn recomputed(
    number: u32,
    line: &PointLine,
    summary: &Summary,
    run: &RunFile,
    end: Option<&PointEnd>,
) -> PointSummary {
    let point = PointSummary::of(number, line, summary, &Verdict::on(summary, end.is_none()));
    let goals = run.plan["goals"]["slo"].as_array().into_iter().flatten();
    let goals = goals.filter_map(|goal| goal.as_str()?.parse().ok());
    let point =
        PointSummary { goals: goals.map(|goal| GoalLine::new(&goal, summary)).collect(), ..point };
    match end {
        None => point,
        Some(PointEnd { trust, reasons, failure }) => PointSummary {
            trust: trust.clone(),
            reasons: reasons.clone(),
            failure: failure.clone(),
            ..point
        },
    }
}

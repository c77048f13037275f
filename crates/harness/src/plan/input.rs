//! From the section for an input file to how it is read.

use std::time::Duration;

use bench_workloads::{Columns, DatasetFile, Format, History, Sampling};

use super::{
    ColumnsFile, HistoryName, InputFile, Problem, SamplingName, ThinkTimePattern, TokenLimit,
};
use crate::{InputSettings, OutputLimits};

/// The settings that `input` comes to; `problem` says what is wrong at a key of it.
pub(super) fn settings(
    input: &InputFile,
    seed: u64,
    problems: &mut Vec<Problem>,
    problem: impl Fn(&str, String) -> Problem,
) -> Option<InputSettings> {
    let path = input.file.as_ref()?;
    let format = input.format.as_ref().and_then(|name| match name.parse::<Format>() {
        Ok(format) => Some(format),
        Err(error) => {
            problems.push(problem("workload.input.format", error.to_string()));
            None
        }
    });
    let mut file = DatasetFile { format, seed, ..DatasetFile::new(path) };
    file.columns = columns(&input.columns);
    file.limit = input.limit.and_then(|limit| limit.0.try_into().ok());
    if let Some(tokens) = input.block_tokens.and_then(|tokens| tokens.0.try_into().ok()) {
        file.block_tokens = tokens;
    }
    let sampling = match input.sampling {
        Some(SamplingName::Shuffle) => Sampling::Shuffle,
        Some(SamplingName::Random) => Sampling::Random,
        Some(SamplingName::Sequential) | None => Sampling::Sequential,
    };
    let history = match input.history {
        Some(HistoryName::Recorded) => History::Recorded,
        Some(HistoryName::Live) | None => History::Live,
    };
    Some(InputSettings {
        file,
        sampling,
        loops: input.loops,
        history,
        max_messages: input.max_turns.and_then(|turns| usize::try_from(turns.0.get()).ok()),
        think_time: think_time(input),
        output: output(input),
    })
}

fn columns(columns: &ColumnsFile) -> Columns {
    let ColumnsFile { prompt, context, system, answer, expected, output_tokens, id } =
        columns.clone();
    Columns { prompt, context, system, answer, expected, output_tokens, id }
}

fn think_time(input: &InputFile) -> Option<(Duration, bool)> {
    let scatters = input.think_time_pattern == Some(ThinkTimePattern::Exponential);
    input.think_time.map(|time| (time.0, scatters))
}

/// Both limits are given, or none, as [`checks`](super::checks) has seen to.
fn output(input: &InputFile) -> OutputLimits {
    match (input.min_tokens, input.max_tokens) {
        (Some(TokenLimit::Tokens(least)), Some(TokenLimit::Tokens(most))) => {
            OutputLimits::Between(least, most)
        }
        (Some(TokenLimit::Unlimited), _) | (_, Some(TokenLimit::Unlimited)) => {
            OutputLimits::Unlimited
        }
        _ => OutputLimits::Recorded,
    }
}

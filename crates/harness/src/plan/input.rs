//! From the section for an input file to how it is read.

use bench_workloads::{Columns, DatasetFile, Format, History, Rule, Sampling, ToolUse};

use super::{
    ColumnsFile, HistoryName, InputFile, SamplingName, SuiteName, TokenLimit, ToolChoiceName,
};
use crate::{InputSettings, InputSource, OutputLimits};

/// The settings that `input` comes to; `wrong` takes what is wrong at a key of it.
pub(super) fn settings(
    input: &InputFile,
    seed: u64,
    mut wrong: impl FnMut(&str, String),
) -> Option<InputSettings> {
    let source = source(input, seed, &mut wrong)?;
    let grader = input.grader.as_deref().map(str::parse::<Rule>);
    let grader = grader.and_then(|rule| {
        rule.map_err(|error| wrong("workload.input.grader", error.to_string())).ok()
    });
    Some(InputSettings {
        source,
        seed,
        grader: grader.unwrap_or_default(),
        sampling: match input.sampling {
            Some(SamplingName::Shuffle) => Sampling::Shuffle,
            Some(SamplingName::Random) => Sampling::Random,
            Some(SamplingName::Sequential) | None => Sampling::Sequential,
        },
        loops: input.loops,
        cache_bust: input.cache_bust.unwrap_or(false),
        history: match input.history {
            Some(HistoryName::Recorded) => History::Recorded,
            Some(HistoryName::Live) | None => History::Live,
        },
        max_messages: input.max_turns.and_then(|turns| usize::try_from(turns.0.get()).ok()),
        output: output(input),
    })
}

/// Where it comes from.
fn source(
    input: &InputFile,
    seed: u64,
    wrong: &mut impl FnMut(&str, String),
) -> Option<InputSource> {
    if let Some(suite) = input.suite {
        return Some(match (suite, input.tool_choice) {
            (SuiteName::Canary, _) => InputSource::Canary,
            (SuiteName::Tools, Some(ToolChoiceName::Required)) => {
                InputSource::Tools(ToolUse::Required)
            }
            (SuiteName::Tools, Some(ToolChoiceName::Named)) => InputSource::Tools(ToolUse::Named),
            (SuiteName::Tools, _) => InputSource::Tools(ToolUse::Free),
        });
    }
    let path = input.file.as_ref()?;
    let format = match input.format.as_deref() {
        None => None,
        Some("gsm8k") => return Some(InputSource::Gsm8k(path.into())),
        Some("mmlu") => return Some(InputSource::Mmlu(path.into())),
        Some(name) => match name.parse::<Format>() {
            Ok(format) => Some(format),
            Err(error) => {
                wrong("workload.input.format", format!("{error}, gsm8k and mmlu"));
                None
            }
        },
    };
    let mut file = DatasetFile { format, seed, ..DatasetFile::new(path) };
    file.columns = columns(&input.columns);
    file.limit = input.limit.and_then(|limit| limit.0.try_into().ok());
    if let Some(tokens) = input.block_tokens.and_then(|tokens| tokens.0.try_into().ok()) {
        file.block_tokens = tokens;
    }
    Some(InputSource::File(file))
}

fn columns(columns: &ColumnsFile) -> Columns {
    let ColumnsFile { prompt, context, system, answer, expected, output_tokens, id } =
        columns.clone();
    Columns { prompt, context, system, answer, expected, output_tokens, id }
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

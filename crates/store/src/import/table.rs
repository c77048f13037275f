//! genai-perf's table, `profile_export_genai_perf.csv`, as all its releases wrote it.

use std::{collections::BTreeMap, path::Path};

use csv::{ReaderBuilder, StringRecord};

use super::{
    ImportError, Report,
    genai_perf::{self, Record},
    text::Text,
};
use crate::LoadLine;

/// Reads the table. It knows neither the model nor the load: the folder's name may.
pub(super) fn read(text: &Text) -> Result<Report, ImportError> {
    let records = records(text)?;
    let folder = text.path.parent().and_then(Path::file_name).unwrap_or_default();
    let folder = folder.to_string_lossy();
    let mut report = Report { model: model(&folder), ..Report::default() };
    let load = load(&folder);
    if load.is_none() {
        report.note("the load is not told: the file of that name in JSON tells it");
    }
    report.points.push(genai_perf::point(&records, load.unwrap_or_else(genai_perf::unknown_load)));
    report.notes.extend(genai_perf::NOTES.map(str::to_owned));
    report.note("the table has no more than two decimals");
    Ok(report)
}

/// The metrics by the tags that they have in JSON. The sections after them are about GPUs.
fn records(text: &Text) -> Result<BTreeMap<String, Record>, ImportError> {
    let mut reader =
        ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.start());
    let mut records = BTreeMap::new();
    let mut header = StringRecord::new();
    for row in reader.records() {
        let row = row.map_err(|e| {
            let line = e.position().map_or(0, csv::Position::line);
            text.malformed(usize::try_from(line).unwrap_or(0), 0, e.into())
        })?;
        match row.get(0) {
            Some("Metric") if row.get(1) == Some("GPU") => break,
            Some("Metric") => header = row,
            Some(label) => {
                let (tag, unit) = tag(label);
                records.insert(tag, Record { unit, statistics: statistics(text, &header, &row)? });
            }
            None => {}
        }
    }
    Ok(records)
}

fn statistics(
    text: &Text,
    header: &StringRecord,
    row: &StringRecord,
) -> Result<BTreeMap<String, f64>, ImportError> {
    let line = row.position().map_or(0, csv::Position::line);
    let malformed =
        |what: String| text.malformed(usize::try_from(line).unwrap_or(0), 0, what.into());
    if row.len() != header.len() {
        return Err(malformed(format!("{} cells below {} names", row.len(), header.len())));
    }
    let mut statistics = BTreeMap::new();
    for (name, cell) in header.iter().zip(row).skip(1) {
        let name = if name == "Value" { "avg" } else { name };
        match cell.replace(',', "").trim() {
            "" | "N/A" => {}
            number => {
                let value = number.parse::<f64>().ok().filter(|value| value.is_finite());
                let value = value.ok_or_else(|| malformed(format!("`{cell}` is no number")))?;
                statistics.insert(name.to_owned(), value);
            }
        }
    }
    Ok(statistics)
}

/// `Time To First Token (ms)` is `time_to_first_token`, in `ms`.
fn tag(label: &str) -> (String, String) {
    let (name, unit) = label.split_once(" (").unwrap_or((label, ""));
    let tag = name.trim().to_lowercase().replace(' ', "_");
    (tag, unit.trim_end_matches(')').to_owned())
}

/// `tiny-openai-chat-concurrency2` has two users.
fn load(folder: &str) -> Option<LoadLine> {
    let after = |word: &str| folder.rsplit_once(word).and_then(|(_, number)| number.parse().ok());
    genai_perf::load_of(after("-concurrency"), after("-request_rate"))
}

/// `tiny-openai-chat-concurrency2` is about `tiny`.
fn model(folder: &str) -> Option<String> {
    let kinds = ["-openai-", "-triton-", "-tensorrtllm_engine-", "-dynamic_grpc-"];
    let (model, _) = kinds.iter().find_map(|kind| folder.split_once(kind))?;
    (!model.is_empty()).then(|| model.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_of_all_releases_are_tags() {
        for (label, expected, unit) in [
            ("Time To First Token (ms)", "time_to_first_token", "ms"),
            ("Time to first token (ns)", "time_to_first_token", "ns"),
            ("Output Token Throughput (per sec)", "output_token_throughput", "per sec"),
            ("Output Token Throughput (tokens/sec)", "output_token_throughput", "tokens/sec"),
            ("Output Sequence Length", "output_sequence_length", ""),
            ("Request Count (count)", "request_count", "count"),
        ] {
            assert_eq!(tag(label), (expected.to_owned(), unit.to_owned()));
        }
    }

    #[test]
    fn a_folder_tells_model_and_load() {
        let folder = "meta_llama-openai-chat-concurrency16";
        assert_eq!(model(folder).as_deref(), Some("meta_llama"));
        assert_eq!(load(folder), Some(LoadLine::closed(16)));
        let rate = load("m-triton-vllm-request_rate2.5").unwrap();
        assert_eq!(rate.to_string(), "open loop, 2.50 requests/s");
        assert_eq!((model("results"), load("results")), (None, None));
    }
}

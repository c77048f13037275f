//! `inferbench explain`: what a metric or a code means.

use bench_core::{Better, Metric, REASONS, metric, registry};
use bench_harness::{Code, Exit, Failure};
use bench_report::text::clean;
use bench_workloads::Preset;

use crate::output;

pub(crate) fn explain(word: &str) -> Result<Exit, Failure> {
    let text = match word {
        "metrics" => list(registry().iter().map(|m| (m.id, m.title))),
        "reasons" => list(REASONS.into_iter()),
        "workloads" => Preset::ALL.iter().map(summary).collect(),
        "codes" => list(Code::ALL.iter().map(|c| (c.name(), c.explanation()))),
        _ => meanings(word).ok_or_else(|| {
            let what = format!("\"{}\" is no metric, code, reason or workload", clean(word));
            Failure::new(Code::Setting, what)
                .fix("inferbench explain metrics, codes, reasons or workloads")
        })?,
    };
    output::result(&text)?;
    Ok(Exit::Ok)
}

/// All that a word means: some name a metric, and a reason to doubt others.
fn meanings(word: &str) -> Option<String> {
    let code = code(word).map(|code| {
        format!("{}  exit code {}\n\n{}", code.name(), code.exit() as u8, code.explanation())
    });
    let reason = reason(word).map(|meaning| format!("{word}  a reason of a verdict\n\n{meaning}"));
    let workload = Preset::named(word).map(|preset| {
        let others = preset.aliases.join(", ");
        format!(
            "{}  a workload: {}\n\n{}\n\nalso called {others}\n",
            preset.name,
            preset.about,
            lengths(preset)
        )
    });
    let found: Vec<String> =
        [metric(word).map(describe), code, reason, workload].into_iter().flatten().collect();
    (!found.is_empty()).then(|| found.join("\n\n"))
}

fn code(word: &str) -> Option<Code> {
    Code::ALL.into_iter().find(|code| code.name().eq_ignore_ascii_case(word))
}

fn reason(word: &str) -> Option<&'static str> {
    REASONS.iter().find(|(code, _)| *code == word).map(|(_, meaning)| *meaning)
}

fn list<'a>(entries: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    entries.map(|(name, text)| format!("{name:<20} {text}\n")).collect()
}

fn summary(preset: &Preset) -> String {
    format!("{:<23} {:<44} {}\n", preset.name, lengths(preset), preset.about)
}

fn lengths(preset: &Preset) -> String {
    format!("ISL {} OSL {}", preset.isl(), preset.osl())
}

fn describe(metric: &Metric) -> String {
    let better = match metric.better {
        Better::Lower => "lower is better",
        Better::Higher => "higher is better",
        Better::Neither => "describes, and is neither good nor bad",
    };
    let mut text = format!(
        "{}  {} in {}; {better}\n\n{}\n",
        metric.id, metric.title, metric.unit, metric.definition
    );
    for (tool, name) in metric.elsewhere {
        text += &format!("\n{tool} calls it {name}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_and_codes_are_explained_and_nothing_else() {
        assert!(describe(metric("tpot_ms").unwrap()).contains("inter_token_latency"));
        assert_eq!(code("ib203"), Some(Code::Model));
        assert!(reason("n_small").is_some_and(|meaning| meaning.contains("64")));
        let both = meanings("osl").unwrap();
        assert!(
            both.starts_with("osl  Output tokens in tokens")
                && both.contains(reason("osl").unwrap())
        );
        assert!(meanings("qa").unwrap().starts_with("question-answering  a workload: "));
        assert!(explain("nonsense").is_err());
    }
}

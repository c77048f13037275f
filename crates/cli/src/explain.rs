//! `inferbench explain`: what a metric or a code means.

use bench_core::{Better, Metric, REASONS, metric, registry};
use bench_harness::{Code, Exit, Failure};

use crate::output;

pub(crate) fn explain(word: &str) -> Result<Exit, Failure> {
    let text = match word {
        "metrics" => list(registry().iter().map(|m| (m.id, m.title))),
        "reasons" => list(REASONS.into_iter()),
        "codes" => list(Code::ALL.iter().map(|c| (c.name(), c.explanation()))),
        _ => match (metric(word), code(word), reason(word)) {
            (Some(metric), ..) => describe(metric),
            (_, Some(code), _) => {
                format!(
                    "{}  exit code {}\n\n{}",
                    code.name(),
                    code.exit() as u8,
                    code.explanation()
                )
            }
            (.., Some(meaning)) => format!("{word}  a reason of a verdict\n\n{meaning}"),
            (None, None, None) => {
                let what = format!("\"{}\" is no metric, code or reason", output::visible(word));
                return Err(Failure::new(Code::Setting, what)
                    .fix("inferbench explain metrics, inferbench explain codes, or inferbench explain reasons"));
            }
        },
    };
    output::result(&text)?;
    Ok(Exit::Ok)
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
        assert!(explain("nonsense").is_err());
    }
}

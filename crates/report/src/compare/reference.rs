//! Points that others measured, from a table: what a paper, a README or a colleague's sheet says.

use serde::Serialize;
use serde_json::Value;

use super::view::View;
use crate::{
    cells::{Estimate, load_words},
    environment::words,
};

/// A point of a table. What is not in it is absent.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ReferencePoint {
    /// What was measured: engine, quantization, whatever the table says.
    pub configuration: String,
    /// Input tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub isl: Option<f64>,
    /// Output tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub osl: Option<f64>,
    /// Tokens decoded per second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decode_tps: Option<f64>,
    /// Milliseconds for each output token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tpot_ms: Option<f64>,
    /// Memory of the model, in GiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model_memory_gib: Option<f64>,
    /// Memory for the KV cache, in GiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kv_cache_gib: Option<f64>,
    /// Tokens that the KV cache holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kv_cache_tokens: Option<f64>,
    /// What else stands there.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub notes: String,
}

/// A text that is no table of reference points.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no table of reference points: {why}")]
pub struct InvalidReference {
    /// What is wrong with it.
    pub why: String,
}

/// The points of a table in CSV, Markdown or JSON. Columns are known by words in their headings, such as
/// *decode*, *tok/s*, *KV cache*, *notes*; those that are not known are kept as notes.
///
/// # Errors
///
/// When there is no table, or none of its columns holds a number that is known.
pub fn read_references(text: &str) -> Result<Vec<ReferencePoint>, InvalidReference> {
    let text = text.trim_start_matches('\u{feff}').trim();
    let rows = match text.chars().next() {
        Some('[' | '{') => json_rows(text)?,
        Some(_) if is_markdown(text) => markdown_rows(text),
        Some(_) => csv_rows(text)?,
        None => Vec::new(),
    };
    let points: Vec<ReferencePoint> = rows.iter().map(|row| point(row)).collect();
    let has_number = |p: &ReferencePoint| {
        let numbers =
            [p.decode_tps, p.tpot_ms, p.model_memory_gib, p.kv_cache_gib, p.kv_cache_tokens];
        numbers.iter().any(Option::is_some)
    };
    if points.iter().any(has_number) {
        return Ok(points);
    }
    Err(invalid(
        "no column is one of decode tok/s, TPOT, model memory, KV cache, with a number in it",
    ))
}

fn invalid(why: impl Into<String>) -> InvalidReference {
    InvalidReference { why: why.into() }
}

/// What a run measured, in the same terms.
pub(super) fn measured(view: &View<'_>) -> Vec<ReferencePoint> {
    let mut points = Vec::new();
    for group in &view.groups {
        let target = view.environment.target(group.target);
        let fact = |name: &str| Estimate::of(&target.map(|t| t.fact(name)).unwrap_or_default());
        for cell in &group.cells {
            let mean = |metric: &str| cell.mean_over_requests(metric).map(|e| e.mean);
            let void = if cell.is_void() { "VOID" } else { "" };
            let side = view.side();
            let simulated = if side.simulated { ", simulated" } else { "" };
            points.push(ReferencePoint {
                configuration: format!(
                    "{} {}, {}{simulated}",
                    side.id,
                    group.target,
                    load_words(cell.load())
                ),
                isl: mean("isl"),
                osl: mean("osl"),
                decode_tps: mean("decode_tps"),
                tpot_ms: mean("tpot_ms"),
                model_memory_gib: fact("model_memory_gib").map(|e| e.mean),
                kv_cache_gib: fact("kv_cache_gib").map(|e| e.mean),
                kv_cache_tokens: fact("kv_cache_tokens").map(|e| e.mean),
                notes: void.to_owned(),
            });
        }
    }
    points
}

/// Headings and what stands below them.
type Row = Vec<(String, String)>;

fn json_rows(text: &str) -> Result<Vec<Row>, InvalidReference> {
    let json: Value = serde_json::from_str(text).map_err(|error| invalid(error.to_string()))?;
    let rows = match &json {
        Value::Array(rows) => rows.as_slice(),
        Value::Object(fields) => {
            let rows = fields.values().find_map(Value::as_array);
            rows.map(Vec::as_slice).ok_or_else(|| invalid("the JSON holds no list"))?
        }
        _ => &[],
    };
    let row = |row: &Value| -> Row {
        let fields = row.as_object().into_iter().flatten();
        let fields = fields.filter(|(_, value)| !value.is_null());
        fields.map(|(name, value)| (name.clone(), words(value))).collect()
    };
    Ok(rows.iter().map(row).filter(|row| !row.is_empty()).collect())
}

fn is_markdown(text: &str) -> bool {
    text.lines().any(is_rule)
}

/// `|---|:--:|`
fn is_rule(line: &str) -> bool {
    line.contains('-') && line.contains('|') && line.chars().all(|c| " |-:".contains(c))
}

/// The rows below each rule; its headings are the line above.
fn markdown_rows(text: &str) -> Vec<Row> {
    let cells = |line: &str| -> Vec<String> {
        let inner = line.trim();
        let inner = inner.strip_prefix('|').unwrap_or(inner);
        let is_escaped = inner.ends_with("\\|");
        let inner = inner.strip_suffix('|').filter(|_| !is_escaped).unwrap_or(inner);
        let plain = |cell: &str| cell.trim().trim_matches(['*', '`', '_']).trim().to_owned();
        // An escaped bar parts no cells; no table has a zero byte.
        inner.replace("\\|", "\0").split('|').map(|cell| plain(&cell.replace('\0', "|"))).collect()
    };
    let lines: Vec<&str> = text.lines().collect();
    let mut rows = Vec::new();
    for (place, _) in lines.iter().enumerate().filter(|(_, line)| is_rule(line)) {
        let Some(heading) = place.checked_sub(1).map(|above| cells(lines[above])) else { continue };
        let below = lines[place + 1..].iter().take_while(|line| line.contains('|'));
        rows.extend(below.map(|line| heading.iter().cloned().zip(cells(line)).collect::<Row>()));
    }
    rows
}

fn csv_rows(text: &str) -> Result<Vec<Row>, InvalidReference> {
    let first = text.lines().next().unwrap_or_default();
    let count = |delimiter: char| first.matches(delimiter).count();
    let delimiters = [',', ';', '\t'];
    let delimiter = delimiters.into_iter().max_by_key(|d| count(*d)).unwrap_or(',');
    let delimiter = u8::try_from(delimiter).unwrap_or(b',');
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .flexible(true)
        .comment(Some(b'#'))
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let csv_error = |error: csv::Error| invalid(error.to_string());
    let headings: Vec<String> =
        reader.headers().map_err(csv_error)?.iter().map(str::to_owned).collect();
    let row = |record: csv::Result<csv::StringRecord>| -> Result<Row, InvalidReference> {
        let record = record.map_err(csv_error)?;
        Ok(headings.iter().cloned().zip(record.iter().map(str::to_owned)).collect())
    };
    reader.records().map(row).collect()
}

/// What a heading says that its column holds.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Holds {
    Configuration,
    Isl,
    Osl,
    DecodeTps,
    TpotMs,
    ModelMemory,
    KvCache,
    KvCacheTokens,
    Notes,
    Else,
}

fn holds(heading: &str) -> Holds {
    let heading = heading.to_lowercase();
    let any = |words: &[&str]| words.iter().any(|word| heading.contains(word));
    match () {
        () if any(&["note", "comment", "remark"]) => Holds::Notes,
        () if any(&["kv"]) && any(&["token", "tok"]) => Holds::KvCacheTokens,
        () if any(&["kv"]) => Holds::KvCache,
        () if any(&["model", "weight"]) && any(&["mem", "gib", "gb", "size"]) => Holds::ModelMemory,
        () if any(&["tpot", "ms/tok", "ms per tok", "inter token", "itl"]) => Holds::TpotMs,
        () if any(&["prefill", "ttft", "total"]) => Holds::Else,
        () if any(&["decode", "tok/s", "tokens/s", "tps", "tok_s", "t/s", "tokens per s"]) => {
            Holds::DecodeTps
        }
        () if any(&["isl", "input"]) => Holds::Isl,
        () if any(&["osl", "output"]) => Holds::Osl,
        () if any(&[
            "config", "name", "engine", "server", "setup", "quant", "backend", "model",
        ]) =>
        {
            Holds::Configuration
        }
        () => Holds::Else,
    }
}

fn point(row: &[(String, String)]) -> ReferencePoint {
    let mut point = ReferencePoint::default();
    let mut notes = Vec::new();
    let mut configuration = Vec::new();
    for (place, (heading, text)) in row.iter().enumerate().filter(|(_, (_, text))| !text.is_empty())
    {
        let held = holds(heading);
        let field = match held {
            Holds::Configuration => {
                configuration.push(text.as_str());
                continue;
            }
            Holds::Notes => {
                notes.push(text.clone());
                continue;
            }
            Holds::Else => {
                match place {
                    // The first column says what the row is about, whatever its heading.
                    0 => configuration.push(text),
                    _ => notes.push(format!("{heading}: {text}")),
                }
                continue;
            }
            Holds::Isl => &mut point.isl,
            Holds::Osl => &mut point.osl,
            Holds::DecodeTps => &mut point.decode_tps,
            Holds::TpotMs => &mut point.tpot_ms,
            Holds::ModelMemory => &mut point.model_memory_gib,
            Holds::KvCache => &mut point.kv_cache_gib,
            Holds::KvCacheTokens => &mut point.kv_cache_tokens,
        };
        let unit = match held {
            Holds::ModelMemory | Holds::KvCache => unit(heading, text),
            _ => 1.0,
        };
        match (number(text), field.is_none()) {
            (Some(number), true) => *field = Some(number * unit),
            // A second number of the kind, or words.
            _ if !is_dash(text) => notes.push(format!("{heading}: {text}")),
            _ => {}
        }
    }
    point.configuration = configuration.join(", ");
    point.notes = notes.join("; ");
    point
}

fn is_dash(text: &str) -> bool {
    matches!(text.trim(), "" | "-" | "–" | "—" | "n/a" | "N/A" | "?")
}

/// GiB of the unit that a size is written in: behind its number, else in its heading; 1 where none is known.
fn unit(heading: &str, text: &str) -> f64 {
    let words = |text| str::split(text, |c: char| !c.is_alphabetic()).filter(|w| !w.is_empty());
    let written = words(text).find_map(gib);
    // A heading may hold any word: a letter alone is a unit only in brackets.
    let is_unit = |word: &&str| word.len() > 1 || heading.contains(&format!("({word})"));
    written.or(words(heading).filter(is_unit).find_map(gib)).unwrap_or(1.0)
}

/// GB is what many logs call GiB, and so on.
fn gib(unit: &str) -> Option<f64> {
    Some(match unit.to_lowercase().as_str() {
        "b" | "byte" | "bytes" => 1.0 / f64::from(1 << 30),
        "kb" | "kib" => 1.0 / f64::from(1 << 20),
        "mb" | "mib" => 1.0 / 1_024.0,
        "gb" | "gib" => 1.0,
        "tb" | "tib" => 1_024.0,
        _ => return None,
    })
}

/// The number that `text` begins with: `~1 234.5 tok/s` is 1234.5. A comma before three digits parts
/// thousands, and is a decimal point elsewhere; `1e3` is 1000, `12k` 12000 and `1.2M` 1200000.
fn number(text: &str) -> Option<f64> {
    let text = text.trim().trim_start_matches(['~', '≈', '<', '>', '+', ' ']);
    let is_part = |c: char| c.is_ascii_digit() || "., '_-\u{a0}\u{2009}\u{202f}".contains(c);
    let end = text.find(|c| !is_part(c)).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    let digits: String =
        digits.trim_end().chars().filter(|c| c.is_ascii_digit() || ".,-".contains(*c)).collect();
    let grouped =
        digits.split(',').skip(1).all(|part| part.split('.').next().is_some_and(|p| p.len() == 3));
    let plain = if grouped { digits.replace(',', "") } else { digits.replace(',', ".") };
    let (exponent, rest) = exponent(rest);
    let number: f64 = format!("{plain}e{exponent}").parse().ok()?;
    let word = rest.find(|c: char| !c.is_alphabetic()).map_or(rest, |end| &rest[..end]);
    let number = match word.split("tok").next().unwrap_or_default() {
        "k" | "K" => number * 1e3,
        "M" => number * 1e6,
        _ => number,
    };
    number.is_finite().then_some(number)
}

/// The exponent that `text` begins with, 0 if there is none, and what comes after it.
fn exponent(text: &str) -> (i32, &str) {
    let Some(after) = text.strip_prefix(['e', 'E']) else { return (0, text) };
    let is_part =
        |(place, c): &(usize, char)| c.is_ascii_digit() || *place == 0 && "+-".contains(*c);
    let end = after.char_indices().find(|c| !is_part(c)).map_or(after.len(), |(end, _)| end);
    let exponent = after[..end].parse();
    exponent.map_or((0, text), |exponent| (exponent, &after[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARKDOWN: &str = "Results\n\n| Configuration | Decode tok/s | Model memory (GiB) | KV cache | KV cache tokens | Notes |\n\
        |:---|---:|---|---|---|---|\n\
        | **vLLM** FP8 | 38.2 ± 0.3 | 14,99 | 61.5 GiB | 1,234,567 | warm |\n\
        | llama.cpp | ~12 | – | 512 MiB | 12k | |\n\nText.";

    #[test]
    fn tables_are_read_from_markdown_csv_and_json() {
        let vllm = ReferencePoint {
            configuration: "vLLM** FP8".into(),
            decode_tps: Some(38.2),
            model_memory_gib: Some(14.99),
            kv_cache_gib: Some(61.5),
            kv_cache_tokens: Some(1_234_567.0),
            notes: "warm".into(),
            ..ReferencePoint::default()
        };
        let points = read_references(MARKDOWN).unwrap();
        assert_eq!(points[0], vllm);
        assert_eq!((points[1].decode_tps, points[1].model_memory_gib), (Some(12.0), None));
        assert_eq!(
            (points[1].kv_cache_gib, points[1].kv_cache_tokens),
            (Some(0.5), Some(12_000.0))
        );

        let csv = "engine;quant;isl;decode_tps;cost\nnim;fp8;128;40,5;3 EUR\n";
        let nim = &read_references(csv).unwrap()[0];
        assert_eq!((nim.configuration.as_str(), nim.isl), ("nim, fp8", Some(128.0)));
        assert_eq!((nim.decode_tps, nim.notes.as_str()), (Some(40.5), "cost: 3 EUR"));

        let json = r#"{"rows": [{"name": "a", "tokens/s": 7, "kv_cache_gib": null}, 3]}"#;
        let points = read_references(json).unwrap();
        assert_eq!(
            (points.len(), points[0].decode_tps, points[0].kv_cache_gib),
            (1, Some(7.0), None)
        );
    }

    #[test]
    fn what_is_no_table_is_refused() {
        for text in
            ["", "hello", "{", "{}", "[1, 2]", "a,b\n1,2", "| a |\n|---|\n| b |", "\u{feff}"]
        {
            assert!(read_references(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn numbers_are_read_as_people_write_them() {
        for (text, expected) in [
            ("1234.5", Some(1_234.5)),
            ("1 234.5 tok/s", Some(1_234.5)),
            ("1\u{2009}234", Some(1_234.0)),
            ("1,234", Some(1_234.0)),
            ("1,234.5", Some(1_234.5)),
            ("14,99", Some(14.99)),
            ("38.2 ± 0.3", Some(38.2)),
            ("-1", Some(-1.0)),
            ("12k", Some(12_000.0)),
            ("12 K tokens", Some(12_000.0)),
            ("12ktok", Some(12_000.0)),
            ("1.2M", Some(1_200_000.0)),
            ("512 kB", Some(512.0)),
            ("512 MB", Some(512.0)),
            ("1e3", Some(1_000.0)),
            ("1.5E+3 tok/s", Some(1_500.0)),
            ("2,5e-1", Some(0.25)),
            ("1e3k", Some(1_000_000.0)),
            ("5 each", Some(5.0)),
            ("5e", Some(5.0)),
            ("1e999", None),
            ("~7", Some(7.0)),
            ("10-20", None),
            ("none", None),
            ("", None),
            ("–", None),
        ] {
            assert_eq!(number(text), expected, "{text:?}");
        }
    }

    #[test]
    fn sizes_are_read_in_their_unit() {
        for (heading, text, gib) in [
            ("KV cache", "61.5", 61.5),
            ("KV cache", "61.5 GB", 61.5),
            ("KV cache", "2 TiB", 2_048.0),
            ("KV cache", "512 MiB", 0.5),
            ("KV cache (MiB)", "512", 0.5),
            ("KV cache (MiB)", "2 GiB", 2.0),
            ("KV cache", "1048576 kB", 1.0),
            ("kv_cache_bytes", "1073741824", 1.0),
            ("KV cache (B)", "1e9", 1e9 / 1_073_741_824.0),
            ("KV cache, model B", "7", 7.0),
            ("KV cache", "1_073_741_824 B", 1.0),
        ] {
            let table = format!("name;{heading}\na;{text}");
            let found = read_references(&table).unwrap()[0].kv_cache_gib;
            assert_eq!(found, Some(gib), "{heading} {text}");
        }
        // What is no size has no such unit.
        let decode = &read_references("name,decode tok/s (8 MB)\na,7").unwrap()[0];
        assert_eq!(decode.decode_tps, Some(7.0));
    }

    #[test]
    fn an_escaped_bar_parts_no_cells() {
        let table = "| name | decode |\n|---|---|\n| a \\| b | 7 |\nx | 8 \\|";
        let points = read_references(table).unwrap();
        assert_eq!((points[0].configuration.as_str(), points[0].decode_tps), ("a | b", Some(7.0)));
        assert_eq!(points[1].decode_tps, Some(8.0));
    }

    proptest::proptest! {
        #[test]
        fn no_text_breaks_it(text: String) {
            let _ = read_references(&text);
            let _ = read_references(&format!("| {text} | decode |\n|---|---|\n| {text} | 1 |"));
        }
    }
}

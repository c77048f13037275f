//! What vLLM would have said while it started.

use crate::config::{BLOCK_TOKENS, Config};

/// KV cache of a token, in bytes: a model of 8.03·10⁹ parameters with 32 layers, 8 heads of 128 for keys and as
/// many for values, in 16 bits.
const BYTES_PER_TOKEN: u64 = 2 * 32 * 8 * 128 * 2;
/// Its weights, in GiB.
const WEIGHTS_GIB: f64 = 14.96;

/// The lines in vLLM's shape, as if written at `unix_seconds` by a server at `url`.
pub(crate) fn startup_log(config: &Config, url: &str, unix_seconds: u64) -> String {
    let tokens = u64::from(config.kv_blocks) * u64::from(BLOCK_TOKENS);
    // Exact: fewer than 2^53 bytes.
    let cache_gib = (tokens * BYTES_PER_TOKEN) as f64 / f64::from(1 << 30);
    let context = u64::from(config.context_length);
    let concurrency =
        f64::from(config.kv_blocks) / f64::from(config.context_length.div_ceil(BLOCK_TOKENS));
    let lines = [
        (
            "APIServer",
            "api_utils.py:347",
            format!(
                "version {} of inferbench-sim, which simulates vLLM",
                env!("CARGO_PKG_VERSION")
            ),
        ),
        ("APIServer", "model.py:2152", format!("Using max model len {context}")),
        (
            "EngineCore",
            "gpu_model_runner.py:68",
            format!("Starting to load model {}...", config.model),
        ),
        (
            "EngineCore",
            "gpu_model_runner.py:91",
            format!("Model loading took {WEIGHTS_GIB:.2} GiB memory and 0.000000 seconds"),
        ),
        (
            "EngineCore",
            "gpu_worker.py:260",
            format!("Available KV cache memory: {cache_gib:.2} GiB"),
        ),
        (
            "EngineCore",
            "kv_cache_utils.py:2327",
            format!(
                "GPU KV cache size: {} tokens, Maximum concurrency for {} tokens per request: {concurrency:.2}x",
                grouped(tokens),
                grouped(context)
            ),
        ),
        (
            "EngineCore",
            "core.py:402",
            "init engine (profile, create kv cache, warmup model) took 0.00 s".to_owned(),
        ),
        ("APIServer", "entry.py:140", format!("Starting vLLM server on {url}")),
    ];
    let pid = std::process::id();
    let time = month_day_time(unix_seconds);
    let line = |(process, source, said): (&str, &str, String)| {
        format!("({process} pid={pid}) INFO {time} [{source}] {said}\n")
    };
    lines.into_iter().map(line).collect()
}

/// `524288` as `524,288`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// `11-22 09:31:18`, in UTC.
fn month_day_time(unix_seconds: u64) -> String {
    let (days, second) = (unix_seconds / 86_400, unix_seconds % 86_400);
    // Years that begin in March end with the leap day, so that months have the same days in each: the
    // 153 days from March to July, which repeat from August on. 719468 days are from 0000-03-01 to 1970.
    let day_of_era = (days + 719_468) % 146_097;
    let year = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year + year / 4 - year / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    let (hour, minute) = (second / 3_600, second / 60 % 60);
    format!("{month:02}-{day:02} {hour:02}:{minute:02}:{:02}", second % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_have_the_shape_of_vllm() {
        let config = Config { kv_blocks: 4_224 / 16, context_length: 4_096, ..Config::default() };
        let log = startup_log(&config, "http://127.0.0.1:8101", 1_795_339_878);
        let pid = format!("pid={})", std::process::id());
        assert_eq!(log.matches(&pid).count(), log.lines().count());
        let version = env!("CARGO_PKG_VERSION");
        insta::assert_snapshot!(log.replace(&pid, "pid=1)").replace(version, "0.0.0"));
    }

    #[test]
    fn numbers_are_grouped_by_three() {
        let check = |number, expected| assert_eq!(grouped(number), expected);
        check(0, "0");
        check(999, "999");
        check(4_096, "4,096");
        check(524_288, "524,288");
        check(1_000_000, "1,000,000");
    }

    #[test]
    fn days_are_those_of_the_calendar() {
        let check = |seconds, expected| assert_eq!(month_day_time(seconds), expected);
        check(0, "01-01 00:00:00");
        check(951_782_399, "02-28 23:59:59");
        check(951_782_400, "02-29 00:00:00");
        check(951_868_800, "03-01 00:00:00");
        check(1_735_689_599, "12-31 23:59:59");
        check(1_795_339_878, "11-22 09:31:18");
        check(4_107_542_400, "03-01 00:00:00");
    }
}

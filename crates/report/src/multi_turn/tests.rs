//! The same requests, told by the tool and by us. `tests/data/multi_turn` says where its sheets are from.

use std::{fs, time::Duration};

use bench_core::{Answer, ArrivalKind, Clock, Moment, Outcome, Request, Stamp, Usage};
use serde_json::Value;

use super::*;

fn golden() -> Value {
    serde_json::from_str(include_str!("../../tests/data/multi_turn/sheets.json")).unwrap()
}

fn requests(golden: &Value) -> Vec<RequestStats> {
    let number = |of: &Value, name: &str| of[name].as_f64().unwrap();
    let whole = |of: &Value, name: &str| u32::try_from(of[name].as_u64().unwrap()).unwrap();
    let mut requests: Vec<RequestStats> = golden["requests"]
        .as_array()
        .unwrap()
        .iter()
        .map(|of| RequestStats {
            ttft_ms: number(of, "ttft_ms"),
            tpot_ms: number(of, "tpot_ms"),
            latency_ms: number(of, "latency_ms"),
            start_time_ms: number(of, "start_time_ms"),
            input_num_turns: whole(of, "input_num_turns"),
            input_num_tokens: whole(of, "input_num_tokens"),
            output_num_tokens: whole(of, "output_num_tokens"),
            output_num_chunks: whole(of, "output_num_chunks"),
            output_num_first_chunk_tokens: whole(of, "output_num_first_chunk_tokens"),
            approx_cached_percent: number(of, "approx_cached_percent"),
            conversation_id: of["conversation_id"].as_str().unwrap().to_owned(),
            client_id: Some(whole(of, "client_id")),
            time_between_user_turns_sec: None,
        })
        .collect();
    request::tell_time_between_turns(&mut requests);
    requests
}

/// The parameters that the tool was given.
fn parameters(which: &str) -> Parameters {
    let plain = Parameters {
        model: "m".to_owned(),
        num_clients: 2,
        num_conversations: 24,
        seed: 0,
        began: "now".to_owned(),
        ..Parameters::default()
    };
    if which == "plain" {
        return plain;
    }
    let generation = [
        ("text_files", "pg1184.txt"),
        ("input_num_turns", "UniformDistribution[12, 18]"),
        ("input_common_prefix_num_tokens", "Constant[500]"),
        ("input_prefix_num_tokens", "LognormalDistribution[1000, 0.85, 5000]"),
        ("input_num_tokens", "UniformDistribution[120, 160]"),
        ("output_num_tokens", "UniformDistribution[80, 120]"),
    ];
    Parameters {
        active_conversations: Some(6),
        min_tokens: Some(80),
        max_tokens: Some(120),
        generation: generation.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
        warm_up_shares: vec![0.5, 0.0],
        warm_up_runtime_s: Some(2.5),
        verbose: true,
        ..plain
    }
}

#[test]
fn the_tables_are_printed_as_the_tool_prints_them() {
    let golden = golden();
    for which in ["plain", "all"] {
        let (requests, parameters) = (requests(&golden), parameters(which));
        let mut out = Vec::new();
        text::write(&mut out, &parameters, &Statistics::all(&requests, &parameters)).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), golden[which]["text"].as_str().unwrap());
    }
}

#[cfg(feature = "xlsx")]
#[test]
fn the_workbook_has_the_tools_cells() {
    use calamine::{Data, Reader, Xlsx, open_workbook};

    let golden = golden();
    let directory = tempfile::tempdir().unwrap();
    for which in ["plain", "all"] {
        let (requests, parameters) = (requests(&golden), parameters(which));
        let path = directory.path().join(format!("{which}.xlsx"));
        xlsx::write(&path, &parameters, &Statistics::all(&requests, &parameters), &requests)
            .unwrap();
        let mut book: Xlsx<_> = open_workbook(&path).unwrap();
        assert_eq!(book.sheet_names(), ["Summary", "Raw data"]);
        for name in ["Summary", "Raw data"] {
            let sheet = book.worksheet_range(name).unwrap();
            let rows = golden[which]["sheets"][name].as_array().unwrap();
            assert_eq!(sheet.height(), rows.len(), "{which} {name}");
            for (place, (found, expected)) in sheet.rows().zip(rows).enumerate() {
                let expected = expected.as_array().unwrap();
                assert_eq!(found.len(), expected.len(), "{which} {name}");
                for (found, expected) in found.iter().zip(expected) {
                    let is_same = match (found, expected) {
                        (Data::Empty, Value::Null) => true,
                        (Data::String(found), Value::String(expected)) => found == expected,
                        (found, Value::Number(expected)) => {
                            let (found, expected) =
                                (calamine::DataType::as_f64(found).unwrap(), expected.as_f64());
                            (found - expected.unwrap()).abs() <= 1e-9 * found.abs().max(1.0)
                        }
                        _ => false,
                    };
                    assert!(is_same, "{which} {name}, row {place}: {found:?}, not {expected}");
                }
            }
        }
    }
}

/// An answer to turn `turn` of `session`, sent at `sent` ms, with an event at each of `at`.
fn sample(session: u64, turn: u32, sent: u64, at: &[u64], tokens: u32) -> Sample {
    let ms = |ms: u64| Moment::from_nanos(ms * 1_000_000);
    let mut answer = Answer::new(Clock::start());
    let request = Request {
        id: Some(format!("CONV_ID_{session}").into()),
        input_tokens: Some(200),
        repeated_tokens: Some(50),
        ..Request::default()
    };
    let place = Some(1);
    answer.begin(Sample { session, turn, place, ..Sample::due(ms(sent)) }, &request);
    answer.sent(ms(sent));
    for at in at {
        answer.generated(Stamp::of_read(ms(*at)), ArrivalKind::Content, "x", None);
    }
    answer.usage(Usage { prompt: 210, completion: tokens, ..Usage::default() });
    answer.done(ms(at.last().unwrap() + 5));
    answer.take_sample(Outcome::Ok, None)
}

#[test]
fn a_request_is_told_in_the_tools_definitions() {
    let mut first_of_three = sample(3, 2, 400, &[490, 500, 510], 5);
    first_of_three.arrivals[0].tokens = 3;
    let failed = Sample { outcome: Outcome::Reset, ..sample(9, 0, 150, &[180], 1) };
    let samples = [
        first_of_three,
        failed,
        sample(3, 1, 100, &[140, 150, 160], 3),
        sample(4, 0, 200, &[240], 7),
    ];
    let found = RequestStats::of(&samples);
    let times: Vec<_> =
        found.iter().map(|r| (r.start_time_ms, r.ttft_ms, r.tpot_ms, r.latency_ms)).collect();
    // Of a first chunk of three tokens, two come off: 90 - 2 x (115 - 90) / 2.
    let expected =
        [(100.0, 40.0, 12.5, 65.0), (200.0, 40.0, 0.0, 45.0), (400.0, 65.0, 12.5, 115.0)];
    assert_eq!(times, expected);
    let chunks: Vec<_> = found
        .iter()
        .map(|r| (r.input_num_turns, r.output_num_chunks, r.output_num_first_chunk_tokens))
        .collect();
    assert_eq!(chunks, [(3, 2, 1), (1, 0, 7), (5, 2, 3)]);
    let between: Vec<_> = found.iter().map(|r| r.time_between_user_turns_sec).collect();
    assert_eq!(between, [None, None, Some(0.3)]);
    assert_eq!((found[0].input_num_tokens, found[0].client_id), (200, Some(1)));
    assert!((found[0].approx_cached_percent - 25.0).abs() < 1e-9);
    assert_eq!(&*found[2].conversation_id, "CONV_ID_3");
}

#[test]
fn the_runtime_ends_with_the_request_that_ends_last() {
    let samples = [sample(0, 0, 0, &[2_000], 1), sample(1, 0, 100, &[200], 1)];
    let statistics = Statistics::all(&RequestStats::of(&samples), &Parameters::default());
    assert!((statistics[0].runtime_s - 2.005).abs() < 1e-9);
    assert_eq!(Duration::from_secs_f64(statistics[0].runtime_s).as_millis(), 2_005);
}

#[test]
fn files_are_written_where_there_is_something_to_tell() {
    let directory = tempfile::tempdir().unwrap();
    let parameters = parameters("plain");
    assert_eq!(write(directory.path(), &[], &parameters).unwrap(), Vec::<PathBuf>::new());
    let written = write(directory.path(), &[sample(0, 0, 0, &[20, 30], 2)], &parameters).unwrap();
    let names: Vec<_> =
        written.iter().map(|path| path.file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(names[..2], ["multi_turn_statistics.txt", "multi_turn_stats.json"]);
    if cfg!(feature = "xlsx") {
        assert_eq!(names[2..], ["statistics_2_clients__now.xlsx"]);
    }
    let json: Value = serde_json::from_slice(&fs::read(&written[1]).unwrap()).unwrap();
    let keys: Vec<&String> = json[0].as_object().unwrap().keys().collect();
    let expected = golden();
    let expected: Vec<&String> = expected["requests"][0].as_object().unwrap().keys().collect();
    assert_eq!(keys, expected);
}

//! Command lines that cannot be followed: the exit code says so, the message names what is wrong, and
//! nothing is left behind.

use std::fs;

use insta::assert_snapshot;

use crate::program::{Call, Ended, Place};

/// Runs it to the exit code of usage; nothing is printed as a result.
#[track_caller]
fn refused(call: Call) -> Ended {
    let ended = call.exits(2);
    assert_eq!(ended.stdout, "");
    ended
}

/// Checks that `run` with `words` is refused in words that have `named` in them.
#[track_caller]
fn check(words: &str, named: &str) {
    let place = Place::new();
    let stderr = refused(place.inferbench("run").words(words)).stderr;
    assert!(stderr.starts_with("error"), "{words}: {stderr}");
    assert!(stderr.contains(named), "{words}: {stderr}");
    assert!(place.run_directories().is_empty(), "{words}");
}

#[test]
fn a_flag_that_is_none_is_told_the_nearest() {
    check("--simulate --concurency 4", "a similar argument exists: '--concurrency'");
    check("--simulate --requestcount 4", "a similar argument exists: '--request-count'");
    check("--simulate 8", "error[IB103] 8: cannot be read: ");
}

#[test]
fn a_value_that_is_none_is_named_with_its_flag() {
    for (words, named) in [
        ("-c 0", "'--concurrency <N>': it must be at least 1"),
        ("-c -1", "--concurrency"),
        ("-c 1,8,1", "'--concurrency <N>': 1 is in the list twice"),
        ("-c 8..1", "'--concurrency <N>': 8..1 goes down"),
        ("-n x", "'--request-count <N>': `x` is no number"),
        ("-n 0", "--request-count"),
        ("-n 1.5", "--request-count"),
        ("--isl 0", "--isl"),
        ("--isl 20m", "'--isl <TOKENS>': 20000000 is no length"),
        ("--osl 0", "--osl"),
        ("--osl 99999999999", "'--osl <TOKENS>': 99999999999 is no length"),
        ("--isl-stddev -3", "'--isl-stddev <TOKENS>': -3 is no standard deviation"),
        ("--osl-stddev inf", "'--osl-stddev <TOKENS>': inf is no standard deviation"),
        ("--request-rate -1", "'--request-rate <PER_SECOND>': -1 is no rate"),
        ("--request-rate 0", "'--request-rate <PER_SECOND>': 0 is no rate"),
        ("--request-rate NaN", "'--request-rate <PER_SECOND>': NaN is no rate"),
        ("-r fast", "--request-rate"),
        ("--arrival-pattern constant", "--request-rate"),
        ("-d 0", "'--benchmark-duration <TIME>': it must be more than 0"),
        ("-d -5", "--benchmark-duration"),
        ("-d 5parsecs", "no unit that is known: us, ms, s, m, h"),
        ("--benchmark-grace-period soon", "--benchmark-grace-period"),
        ("--warmup-request-count -1", "--warmup-request-count"),
        ("--wait-ready soon", "--wait-ready"),
        ("--request-timeout-seconds 0", "--request-timeout-seconds"),
        ("--threads 0", "--threads"),
        ("--random-seed x", "--random-seed"),
        ("--endpoint-type images", "[possible values: chat, completions, responses"),
        ("--engine tgi", "[possible values: openai, vllm, sglang"),
        ("--engine anthropic", "anthropic has no API `chat`: it has messages"),
        ("--endpoint v1/chat", "`v1/chat` is no path"),
        ("--extra-inputs nothing", "'--extra-inputs <FIELDS>': `nothing` is neither"),
        ("--extra-inputs {", "--extra-inputs"),
        ("-H nothing", "'--header <HEADER>': a header is `Name: value`"),
        ("-H :value", "header ``"),
        (
            "--export pdf",
            "[possible values: genai-perf, csv, multi-turn, telemetry-csv, aiperf-telemetry]",
        ),
        ("--ui curses", "--ui"),
        ("--url http://127.0.0.1:1", "'--url <URL>'"),
    ] {
        check(&format!("--simulate {words}"), named);
    }
}

#[test]
fn an_address_that_is_none_is_repeated_with_an_example() {
    for url in ["ftp://127.0.0.1:1", "http://127.0.0.1:port", "http://127.0.0.1:1/?x", "::1"] {
        check(&format!("--url {url}"), &format!("error[IB102] `{url}` is no server address: "));
        check(&format!("--url {url}"), "fix      --url http://localhost:8000\n");
    }
}

#[test]
fn a_secret_in_the_wrong_place_is_not_repeated() {
    let place = Place::new();
    for words in [
        "--api-key s3cret",
        "--api-key=s3cret",
        "-H s3cret",
        "--header=s3cret",
        "--url http://me:s3cret@127.0.0.1:1",
        "--url s3cret@127.0.0.1:1",
    ] {
        let stderr = refused(place.run(words)).stderr;
        assert!(!stderr.contains("s3cret"), "{words}: {stderr}");
    }
    let stderr = refused(place.run("--api-key s3cret")).stderr;
    assert!(stderr.contains("use --api-key-file, or the variable INFERBENCH_API_KEY"), "{stderr}");
}

#[test]
fn files_that_are_missing_or_none_are_named() {
    let place = Place::new();
    let run = |words: &str| refused(place.run("--simulate").words(words)).stderr;
    let nowhere = run("--tokenizer nowhere");
    for said in [
        "error[IB301] the tokenizer nowhere cannot be used",
        "nowhere is neither a file nor a model that was downloaded",
        "hf download nowhere tokenizer.json",
    ] {
        assert!(nowhere.contains(said), "{nowhere}");
    }
    fs::write(place.path().join("tokenizer.json"), "{").unwrap();
    assert_snapshot!(run("--tokenizer ."), @r"
    error[IB301] the tokenizer . cannot be used
      said     ./tokenizer.json is no usable tokenizer: EOF while parsing an object at line 1 column 1
      fix      --tokenizer with a file, its folder, the name of a downloaded model, cl100k_base, o200k_base, or `server`; or none for an approximate one
      more     inferbench explain IB301
    ");
    assert_snapshot!(run("--api-key-file nowhere"), @r"
    error[IB101] --api-key-file: the key file nowhere cannot be read: No such file or directory (os error 2)
      more     inferbench explain IB101
    ");
}

#[test]
fn results_that_could_not_be_written_are_not_measured() {
    let place = Place::new();
    fs::write(place.path().join("file"), "").unwrap();
    let stderr = place.run("--simulate --artifact-dir file/below").exits(8).stderr;
    assert_snapshot!(stderr, @r"
    error[IB402] results cannot be written to file/below
      said     cannot write to file/below: make it writable, or choose another place with --artifact-dir: Not a directory (os error 20)
      fix      --artifact-dir DIR, one that you may write to
      more     inferbench explain IB402
    ");
    let stderr = place.run("--simulate --artifact-dir file").exits(8).stderr;
    assert!(stderr.starts_with("error[IB402] results cannot be written to file\n"), "{stderr}");
}

#[test]
fn a_simulator_that_cannot_be_is_refused() {
    let place = Place::new();
    for (words, named) in [
        ("--jitter 3", "jitter must lie in 0..=1"),
        ("--status 200", "the status of a fault must lie in 400..=599"),
        ("--ttft-ms -1", "--ttft-ms"),
        ("--close-after 1 --status 500", "cannot be used with"),
        ("--port 70000", "--port"),
    ] {
        let stderr = refused(place.inferbench("sim").words(words)).stderr;
        assert!(stderr.contains(named), "{words}: {stderr}");
    }
}

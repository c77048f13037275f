//! What is sent, as users ask for it: lengths, names, prefixes, turns, tokenizers.

use std::{collections::HashSet, fs};

use bench_core::Sample;

use crate::program::{Place, samples, statistic};

/// A tokenizer with a vocabulary of its own.
const TOKENIZER: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/workloads/tests/data/byte_level.json");

const QUICK: &str = "run --simulate=ttft=1ms,itl=0ms,context_length=65536";

fn measured(words: &str) -> Vec<Sample> {
    let place = Place::new();
    place.inferbench(&format!("{QUICK} {words}")).measures();
    place.measured()
}

#[test]
fn conversations_that_are_made_up_have_their_turns_and_what_they_share() {
    let place = Place::new();
    let words = "--turns 3 --isl 20 --osl 4 -n 60 -c 3 --prefix-prompt-length 50 --num-prefix-prompts 2 \
                 --shared-system-prompt-length 30 --user-context-prompt-length 10";
    let ended = place.inferbench(&format!("{QUICK} {words}")).measures();
    let said = "synthetic ISL 20 OSL 4 x 3 turns, system 30, prefix 50 of 2, own prefix 10";
    assert!(ended.stdout.contains(said), "{}", ended.stdout);
    let all = samples(&place.run_directory());
    // Whichever of the prefixes it begins with, all but the first have seen the system's words.
    for sample in all.iter().filter(|sample| sample.turn == 0) {
        assert_eq!(sample.input_tokens, Some(30 + 50 + 10 + 20));
        assert!([0, 30, 80].contains(&sample.repeated_tokens.unwrap()), "{sample:?}");
    }
    let later = all.iter().filter(|sample| sample.turn > 0);
    assert!(later.clone().count() > 20);
    for sample in later {
        assert_eq!(sample.input_tokens.unwrap() - sample.repeated_tokens.unwrap(), 20);
    }
    assert_eq!(place.point().turns.len(), 3);
}

#[test]
fn a_share_of_the_prompts_is_repeated_as_asked_for() {
    for share in [25, 75] {
        let place = Place::new();
        let words = format!("--prefix-hit-ratio {share}% --isl 100 --osl 2 -n 50");
        place.inferbench(&format!("{QUICK} {words}")).measures();
        let repeated = statistic(&place.point(), "repeated_ratio", "value") * 100.0;
        assert!((repeated - f64::from(share)).abs() < 1.5, "{repeated} %");
    }
}

#[test]
fn names_stand_for_lengths_and_may_be_mixed() {
    let requests = measured("--workload classification -n 30");
    let within = |sample: &Sample| {
        (100..=500).contains(&sample.input_tokens.unwrap())
            && (10..=50).contains(&sample.asked_tokens.unwrap())
    };
    assert!(requests.iter().all(within), "{requests:?}");
    let requests = measured("--seq-dist 10,2:50;40,3:50 -n 40");
    let lengths: HashSet<_> =
        requests.iter().map(|s| (s.input_tokens.unwrap(), s.asked_tokens.unwrap())).collect();
    assert_eq!(lengths, HashSet::from([(10, 2), (40, 3)]));
    let requests = measured("--traffic-scenario U(5,9)/(2,3) -n 20");
    assert!(requests.iter().all(|s| (5..=9).contains(&s.input_tokens.unwrap())));
}

#[test]
fn random_tokens_and_the_servers_own_need_somebody_who_counts() {
    let place = Place::new();
    let ended = place.inferbench(&format!("{QUICK} --tokenizer server")).exits(2);
    assert!(ended.stderr.contains("does not say how many tokens"), "{}", ended.stderr);
    let ended = place.inferbench(&format!("{QUICK} --corpus vllm-random")).exits(2);
    assert!(ended.stderr.contains("need the model's tokenizer"), "{}", ended.stderr);
    let words = format!("--corpus vllm-random --isl 40 --osl 2 -n 10 --tokenizer {TOKENIZER}");
    let twice = [&words, &words].map(|words| measured(words));
    let counts = twice.map(|run| run.iter().map(|s| s.input_tokens).collect::<Vec<_>>());
    assert_eq!(counts[0], counts[1]);
}

#[test]
fn prompts_of_a_file_that_come_again_may_be_told_apart() {
    let place = Place::new();
    fs::write(place.path().join("q.jsonl"), "{\"prompt\": \"the same\"}\n").unwrap();
    for (flag, known) in [("", Some(2)), ("--cache-bust", None)] {
        let words = format!("{QUICK} -i q.jsonl -n 5 --dataset-loop {flag}");
        place.inferbench(&words).measures();
        let run = place.run_directories().pop().unwrap();
        let requests = samples(&run);
        let of_file = requests.iter().filter(|sample| sample.id.is_some());
        assert!(of_file.clone().count() >= 5);
        assert!(of_file.clone().all(|s| s.input_tokens == known), "{requests:?}");
        fs::remove_dir_all(run.path()).unwrap();
    }
}

#[test]
fn what_cannot_be_together_is_said() {
    let place = Place::new();
    for (words, said) in [
        ("--turns 2 --token-ids --tokenizer x", "--token-ids: cannot be beside turns"),
        ("--max-active-conversations 4", "conversations"),
        ("--turns 2 -c 8 --max-active-conversations 4", "less than the concurrency"),
        ("--think-time 1s", "conversations"),
        ("--prefix-hit-ratio 50% --prefix-prompt-length 5", "beside shared_tokens"),
        ("--num-prefix-prompts 5", "without a text to share"),
        ("--isl-counts templated", "tokenizer"),
        ("--suite tools -i x.json", "suite"),
        ("--tool-choice required", "suite tools"),
        ("--warmup-step", "without a file"),
        ("--limit-min-tokens 5 -i x.json", "the other limit"),
    ] {
        let ended = place.inferbench(&format!("{QUICK} {words}")).exits(2);
        assert!(ended.stderr.contains(said), "{words}: {}", ended.stderr);
    }
}

//! Flags of other tools: understood, with a note that says what they are called here.

/// (theirs, whose, ours)
const FOREIGN: [(&str, &str, &str); 35] = [
    ("--num-prompts", "vLLM's", "--request-count"),
    ("--max-concurrency", "vLLM's", "--concurrency"),
    ("--num-clients", "vLLM's", "--concurrency"),
    ("--max-num-requests", "vLLM's", "--request-count"),
    ("--max-time-sec", "vLLM's", "--benchmark-duration"),
    ("--request-timeout-sec", "vLLM's", "--request-timeout-seconds"),
    ("--dataset-path", "vLLM's", "--input-file"),
    ("--session-turns-mean", "AIPerf's", "--turns"),
    ("--num-concurrency", "genai-bench's", "--concurrency"),
    ("--api-base", "genai-bench's", "--url"),
    ("--backend", "vLLM's", "--endpoint-type"),
    ("--num-warmups", "vLLM's", "--warmup-request-count"),
    ("--num-warmup-requests", "AIPerf's", "--warmup-request-count"),
    ("--random-input-len", "vLLM's", "--isl"),
    ("--random-output-len", "vLLM's", "--osl"),
    ("--synthetic-input-tokens-mean", "AIPerf's", "--isl"),
    ("--synthetic-input-tokens-stddev", "AIPerf's", "--isl-stddev"),
    ("--image-batch-size", "AIPerf's", "--image-count"),
    ("--batch-size-image", "AIPerf's", "--image-count"),
    ("--image-width-mean", "AIPerf's", "--image-width"),
    ("--image-height-mean", "AIPerf's", "--image-height"),
    ("--sequence-distribution", "AIPerf's", "--seq-dist"),
    ("--prompt-input-tokens-mean", "AIPerf's", "--isl"),
    ("--output-tokens-mean", "AIPerf's", "--osl"),
    ("--output-tokens-stddev", "AIPerf's", "--osl-stddev"),
    ("--ignore-eos", "vLLM's", "--force-osl"),
    ("--extra-body", "vLLM's", "--extra-inputs"),
    ("--request-rate-mode", "AIPerf's", "--arrival-pattern"),
    ("--result-dir", "vLLM's", "--artifact-dir"),
    ("--ready-check-timeout-sec", "vLLM's", "--wait-ready"),
    ("--wait-for-model-timeout", "AIPerf's", "--wait-ready"),
    ("--vllm-burstiness", "AIPerf's", "--arrival-smoothness"),
    ("--num-profile-runs", "AIPerf's", "--repeat"),
    ("--profile-run-cooldown-seconds", "AIPerf's", "--cooldown"),
    ("--max-model-len", "vLLM's", "--context-length"),
];

/// A note for each foreign flag among `args`.
pub(crate) fn notes(args: impl Iterator<Item = String>) -> Vec<String> {
    args.filter_map(|arg| {
        let flag = arg.split('=').next().unwrap_or_default();
        let (theirs, whose, ours) = FOREIGN.iter().find(|(theirs, ..)| *theirs == flag)?;
        Some(format!("{theirs} is {whose} name for {ours}"))
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn each_foreign_flag_is_an_alias_of_ours() {
        let cli = crate::args::Cli::command();
        let run = cli.find_subcommand("run").unwrap();
        for (theirs, _, ours) in FOREIGN {
            let arg = run.get_arguments().find(|a| a.get_long() == Some(&ours[2..])).expect(ours);
            assert!(arg.get_all_aliases().unwrap_or_default().contains(&&theirs[2..]), "{theirs}");
        }
    }

    #[test]
    fn only_they_are_noted() {
        let args = ["run", "--num-prompts=4", "-c", "2", "--isl", "8"].map(str::to_owned);
        assert_eq!(notes(args.into_iter()), ["--num-prompts is vLLM's name for --request-count"]);
    }
}

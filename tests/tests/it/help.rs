//! What can be asked of the program about itself.

use insta::assert_snapshot;

use crate::program::Place;

fn says(words: &str) -> String {
    let ended = Place::new().inferbench(words).exits(0);
    assert_eq!(ended.stderr, "", "{words}");
    ended.stdout
}

#[test]
fn help_names_the_commands_and_the_groups_of_flags() {
    let help = says("--help");
    for command in ["run", "probe", "chat", "plan", "sim", "doctor", "explain"] {
        assert!(help.contains(&format!("\n  {command} ")), "{help}");
        assert!(says(&format!("{command} --help")).contains("Usage: inferbench "));
    }
    let help = says("run --help");
    for group in ["Server", "Load", "Workload", "Goals", "Output"] {
        assert!(help.contains(&format!("\n{group}:\n")), "{group}: {help}");
    }
    assert!(!help.contains("--api-key "), "keys are not for command lines");
    assert!(says("profile -h").contains("--concurrency"));
    assert!(says("--version").starts_with("inferbench "));
    let nothing = Place::new().inferbench("").exits(2);
    assert!(nothing.stderr.contains("Usage: inferbench <COMMAND>"), "{}", nothing.stderr);
}

#[test]
fn every_metric_and_every_code_is_explained() {
    for list in ["metrics", "codes", "workloads"] {
        let names = says(&format!("explain {list}"));
        assert!(names.lines().count() > 10, "{names}");
        for line in names.lines() {
            let name = line.split(' ').next().unwrap();
            let text = says(&format!("explain {name}"));
            assert!(text.starts_with(name) && text.lines().count() >= 3, "{text}");
        }
    }
}

#[test]
fn explanations_are_short_and_say_what_others_call_it() {
    assert_snapshot!(says("explain ttft_ms"), @r"
    ttft_ms  Time to first token in ms; lower is better

    first event that carries content, reasoning or a tool call, minus sent. Role-only, empty and usage events do not count; connection set-up is not in it, nor what the server says it took to load the model

    AIPerf calls it time_to_first_token (with connection set-up)
    vLLM calls it ttft
    ");
    assert_snapshot!(says("explain ib203"), @r"
    IB203  exit code 5

    The server does not offer the model that was asked for. Names must be the server's own, which its list of models gives.
    ");
    let ended = Place::new().inferbench("explain nonsense").exits(2);
    assert_snapshot!(ended.stderr, @r#"
    error[IB101] "nonsense" is no metric, code, reason or workload
      fix      inferbench explain metrics, codes, reasons or workloads
      more     inferbench explain IB101
    "#);
}

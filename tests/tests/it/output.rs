//! What is printed where: the result on standard output, everything else beside it.

#[cfg(target_os = "linux")]
use std::fs::File;
use std::io::Write;

use bench_store::{FORMAT_VERSION, SummaryFile};
use serde_json::Value;

use crate::{
    program::{Place, statistic, unread},
    server::{Server, whole},
    simulator::Simulator,
};

#[test]
fn what_can_be_quoted_of_a_simulation_says_so() {
    // Answers of one token have no gaps, which a busy machine could make void.
    let ended = Place::new().run("--simulate -n 20 --osl 1").exits(0);
    let lines: Vec<&str> = ended.stdout.lines().collect();
    assert!(lines[0].starts_with("inferbench ") && lines[0].ends_with("simulated"), "{lines:?}");
    for title in [
        "DOUBTFUL  simulated: 1 user gets the first token in ",
        "LLM metrics, simulated",
        "Totals, simulated",
        "Time to first token, ms, simulated",
    ] {
        assert!(lines.iter().any(|line| line.starts_with(title)), "{title}: {lines:?}");
    }
    assert!(lines.contains(&"Requests     20 ok   0 failed"), "{lines:?}");
    assert!(lines.iter().all(|line| line.chars().count() <= 80), "{lines:?}");
    assert!(!ended.stdout.contains('\u{1b}'), "colours are for terminals");
    assert!(ended.stderr.starts_with("measuring http://127.0.0.1:"), "{}", ended.stderr);
}

#[test]
fn a_simulator_of_its_own_is_known_for_one() {
    let simulator = Simulator::start("--ttft-ms 1 --itl-ms 0");
    let ended = Place::new().run(&format!("-u {} -n 5 --osl 1", simulator.url)).exits(0);
    assert!(ended.stdout.contains("DOUBTFUL  simulated: "), "{}", ended.stdout);
}

#[test]
fn void_numbers_are_called_void_wherever_they_stand() {
    // Eight tokens in one write: whoever reads them, reads them all at once. Without the kernel's stamps
    // nobody can say that it was not this machine that was late.
    let server = Server::completing(|request, to| write!(to, "{}", whole(request)));
    let ended = Place::new().run(&format!("-u {} -n 20 --stamps read", server.url)).exits(3);
    for text in [
        "VOID  100.0 % of chunks were read late together (limit 5 %): their gaps are",
        "LLM metrics, VOID\n",
        "Totals, VOID\n",
        "Time to first token, ms, VOID ",
        "Trust        VOID\n",
    ] {
        assert!(ended.stdout.contains(text), "{text}: {}", ended.stdout);
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_server_that_sends_all_at_once_is_not_blamed_on_this_machine() {
    let server = Server::completing(|request, to| write!(to, "{}", whole(request)));
    let ended = Place::new().run(&format!("-u {} -n 70", server.url)).measures();
    assert!(ended.stdout.contains("100.0 % of chunks were sent together"), "{}", ended.stdout);
}

#[test]
fn json_is_the_summary_and_nothing_else() {
    let place = Place::new();
    let ended = place.run("--simulate -n 20 --json").measures();
    let document: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(document["format_version"], FORMAT_VERSION);
    let printed: SummaryFile = serde_json::from_value(document).unwrap();
    assert_eq!(printed, place.summary());
    assert_eq!(statistic(&printed.points[0], "requests_ok", "value").to_string(), "20");
    assert!(ended.stderr.starts_with("measuring "), "{}", ended.stderr);
}

#[test]
fn nothing_is_said_where_nothing_is_to_be() {
    assert_eq!(Place::new().run("--simulate -n 5 --ui none").measures().stderr, "");
}

#[test]
fn colours_and_letters_are_as_asked_for() {
    let run =
        |words: &str| Place::new().run("--simulate -n 5 --osl 1").words(words).exits(0).stdout;
    assert!(run("--color always").contains("\u{1b}[1;33mDOUBTFUL\u{1b}[0m"));
    let plain = run("--ascii --color never");
    assert!(plain.is_ascii(), "{plain}");
}

#[test]
fn a_reader_that_has_gone_away_is_no_error() {
    let place = Place::new();
    let ended = place.run("--simulate -n 5").stdout(unread()).measures();
    assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
    let ended = place.run("--simulate -n 5").stderr(unread()).measures();
    assert!(ended.stdout.contains("Requests     5 ok"), "{}", ended.stdout);
    place.inferbench("explain codes").stdout(unread()).exits(0);
    place.inferbench("run --help").stdout(unread()).exits(0);
    place.inferbench("run --nonsense").stderr(unread()).exits(2);
    place.run("-u http://127.0.0.1:1").stderr(unread()).exits(5);
}

#[cfg(target_os = "linux")]
#[test]
fn a_result_that_could_not_be_printed_is_an_error() {
    let place = Place::new();
    let full = || File::options().write(true).open("/dev/full").unwrap();
    let ended = place.run("--simulate -n 5 --json").stdout(full()).exits(8);
    let said = "error[IB402] the result cannot be written to standard output\n";
    assert!(ended.stderr.contains(said), "{}", ended.stderr);
    assert_eq!(place.point().outcomes["ok"], 5, "it is on the disk");
}

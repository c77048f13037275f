//! Runs whose answers were graded: how sure an accuracy is, and whether two differ.

use std::path::Path;

use bench_core::{Aggregate, Grade, Outcome, Sample};
use bench_report::{
    compare::{Basis, CompareReport, Loaded, MetricChange, Options, compare},
    console::{self, Style},
    gate::{CheckOutcome, GateVerdict, judge},
};

use crate::{
    comparing::written,
    fixture::{sample, trusted},
};

const PLAIN: Style = Style { color: false, ascii: false };

/// Question `n`, answered right or not.
fn answered(n: u64, right: bool) -> Sample {
    let id = Some(format!("q{n}").into());
    Sample { id, session: n, expects: true, grade: Some(Grade::of(right)), ..sample(n) }
}

fn unanswered(n: u64) -> Sample {
    let id = Some(format!("q{n}").into());
    Sample { id, session: n, expects: true, outcome: Outcome::Http(500), ..sample(n) }
}

/// Two runs of so many questions: the first has 150 right; the second has these beside, and these not.
fn sides(place: &Path, of: u64, gained: u64, lost: u64) -> [Loaded; 2] {
    let a: Vec<Sample> = (0..of).map(|n| answered(n, n < 150)).collect();
    let b = (0..of).map(|n| answered(n, (lost..150 + gained).contains(&n)));
    [written(place, "AAAA", &a), written(place, "BBBB", &b.collect::<Vec<_>>())]
}

fn of(sides: &[Loaded]) -> CompareReport {
    compare(sides, &Options::default()).unwrap()
}

fn accuracy(report: &CompareReport) -> &MetricChange {
    let mut metrics = report.candidates[0].points[0].metrics.iter();
    metrics.find(|change| change.metric == "accuracy").unwrap()
}

#[test]
fn questions_that_both_answered_are_compared_one_by_one() {
    for (gained, lost, word) in
        [(0, 0, "within noise"), (2, 20, "regressed"), (20, 2, "improved"), (6, 10, "within noise")]
    {
        let place = tempfile::tempdir().unwrap();
        let report = of(&sides(place.path(), 200, gained, lost));
        let change = accuracy(&report);
        assert_eq!((change.word.as_deref(), change.basis), (Some(word), Basis::Questions));
        let (gained, lost) = (gained as f64, lost as f64);
        let amount = change.change.unwrap();
        assert!((amount.change - (gained - lost) / 200.0).abs() < 1e-12, "{change:?}");
        let text = console::compare::render(&report, 200, PLAIN);
        let said = format!(
            "of 200 questions that both answered the baseline alone has {lost} right, this run alone {gained}"
        );
        assert!(text.contains(&said), "{text}");
    }
}

/// An accuracy of fewer questions is none of the others.
#[test]
fn what_one_side_did_not_answer_is_compared_with_nothing_and_said() {
    let place = tempfile::tempdir().unwrap();
    // The second fails all that it would have wrong.
    let a: Vec<Sample> = (0..200).map(|n| answered(n, n < 150)).collect();
    let b = (0..200).map(|n| if n < 150 { answered(n, true) } else { unanswered(n) });
    let sides =
        [written(place.path(), "AAAA", &a), written(place.path(), "BBBB", &b.collect::<Vec<_>>())];
    let report = of(&sides);
    let change = accuracy(&report);
    assert_eq!(
        (change.baseline, change.candidate),
        (Some(1.0), Some(1.0)),
        "of those both answered"
    );
    assert_ne!(change.word.as_deref(), Some("improved"));
    let notes = &report.candidates[0].run.notes;
    let said = "50 questions were not answered: no accuracy has them".to_owned();
    assert!(notes.contains(&said), "{notes:?}");
}

#[test]
fn a_question_that_is_asked_again_is_one_question() {
    let place = tempfile::tempdir().unwrap();
    let again = |right: bool| -> Vec<Sample> {
        let first = (0..20).map(|n| answered(n, right || n >= 5));
        let later = (20..2_000).map(|n| Sample {
            id: Some(format!("q{}", n % 20).into()),
            ..answered(n, n % 20 >= 5)
        });
        // As they end, which is not as they were sent.
        later.chain(first).collect()
    };
    let sides =
        [written(place.path(), "AAAA", &again(true)), written(place.path(), "BBBB", &again(false))];
    let report = of(&sides);
    let questions = accuracy(&report).questions.unwrap();
    let counts = (questions.count, questions.only_baseline, questions.only_candidate);
    assert_eq!(counts, (20, 5, 0));
    assert_eq!(accuracy(&report).word.as_deref(), Some("within noise"));
}

#[test]
fn a_gate_on_accuracy_is_broken_by_what_is_shown_and_by_nothing_else() {
    let limits = ["accuracy: -1%".parse().unwrap()];
    for (lost, outcome, verdict) in [
        (20, CheckOutcome::Broken, GateVerdict::Regressed),
        (4, CheckOutcome::WithinNoise, GateVerdict::Passed),
        (0, CheckOutcome::Kept, GateVerdict::Passed),
    ] {
        let place = tempfile::tempdir().unwrap();
        let report = of(&sides(place.path(), 200, 0, lost));
        let gate = judge(&report, &limits, 0.02);
        assert_eq!((gate.checks[0].outcome, gate.verdict), (outcome, verdict), "{lost} lost");
    }
}

#[test]
fn an_accuracy_is_shown_with_its_interval_and_what_is_not_in_it() {
    let mut measured = trusted();
    let mut aggregate = Aggregate::default();
    (0..160).for_each(|n| aggregate.add(&answered(n, n < 140)));
    (160..163).for_each(|n| aggregate.add(&unanswered(n)));
    let name = Grade { name_correct: Some(true), ..Grade::of(false) };
    aggregate.add(&Sample { grade: Some(name), ..answered(163, false) });
    measured.outcome.summary = aggregate.summarize();
    let text = measured.render(200, PLAIN);
    let line = text.lines().find(|line| line.starts_with("Accuracy")).unwrap_or(&text);
    assert_eq!(
        line,
        "Accuracy     87.5 % (81.5 % to 91.8 %) of 160 answers right   \
         0 % (0 % to 79.3 %) of 1 answers with the right calls   \
         100 % (20.7 % to 100 %) of 1 with the right functions   3 not answered"
    );
}

use std::{num::NonZeroUsize, time::Duration};

use bench_core::{
    Aggregate, ConcurrencyRamp, Counts, Load, Outcome, Point, RampShape, Until, Verdict,
};
use bench_report::console::{LEAST_WIDTH, Style};
use proptest::prelude::{any, prop_assert, proptest};
use unicode_width::UnicodeWidthStr;

use crate::fixture::{
    Measured, closed, doubtful, failed, none_succeeded, open, sample, trusted, void,
};

const PLAIN: Style = Style { color: false, ascii: false };
const ASCII: Style = Style { color: false, ascii: true };
const COLOR: Style = Style { color: true, ascii: false };

#[test]
fn a_trusted_point_at_usual_narrow_and_wide_terminals() {
    let measured = trusted();
    insta::assert_snapshot!("trusted_80", measured.render(80, PLAIN));
    insta::assert_snapshot!("trusted_60", measured.render(60, PLAIN));
    insta::assert_snapshot!("trusted_120", measured.render(120, PLAIN));
}

#[test]
fn a_doubtful_point_says_why_and_marks_what_cannot_be_relied_on() {
    let measured = doubtful();
    insta::assert_snapshot!("doubtful_80_ascii", measured.render(80, ASCII));
    insta::assert_snapshot!("doubtful_80_color", measured.render(80, COLOR).replace('\u{1b}', "^"));
}

#[test]
fn void_numbers_are_never_shown_without_the_word() {
    insta::assert_snapshot!("void_80", void().render(80, PLAIN));
    insta::assert_snapshot!("none_succeeded_80", none_succeeded().render(80, PLAIN));
}

#[test]
fn a_run_that_was_stopped_is_marked_partial() {
    let mut measured = trusted();
    measured.outcome.verdict = Verdict::on(&measured.outcome.summary, true);
    let text = measured.render(80, PLAIN);
    assert!(text.contains("DOUBTFUL  32 users get"), "{text}");
    assert!(text.contains("But: stopped before its end: partial."), "{text}");
    assert!(text.contains("Totals, partial\n") && text.contains("\"chat\"   partial"), "{text}");
}

#[test]
fn goals_goodput_and_what_was_skipped_are_told_of_one_point_too() {
    let mut measured = trusted();
    let goals = ["p95(ttft)<500ms", "p50(ttft)<=100ms"];
    measured.plan.goals = goals.iter().map(|goal| goal.parse().unwrap()).collect();
    let point = Point {
        goodput: Some("ttft:100".parse().unwrap()),
        ..Point::new(closed(32), Until::requests(700))
    };
    let mut aggregate = Aggregate::of(&point);
    (0..700).map(sample).for_each(|sample| aggregate.add(&sample));
    measured.outcome.summary = aggregate.summarize();
    measured.outcome.point = point;
    measured.skipped = vec!["chat 65536/32 of local: longer than the context of 8192".into()];
    let text = measured.render(80, PLAIN);
    let section = |begins: &str| {
        let mut sections = text.split("\n\n").filter(|section| section.starts_with(begins));
        sections.next().unwrap()
    };
    let sections = ["TRUSTED", "Totals", "Skipped"].map(section);
    insta::assert_snapshot!("goals_80", sections.join("\n\n"));
    measured.plan.goals.truncate(1);
    assert!(measured.render(120, PLAIN).contains("Every goal is met."));
}

#[test]
fn a_load_that_changes_is_never_quoted_without_that() {
    let over = Duration::from_secs(2);
    let ramp = Some(ConcurrencyRamp { over, shape: RampShape::Linear });
    let concurrency = NonZeroUsize::new(32).unwrap();
    let ramped = Load::Closed { concurrency, counts: Counts::Requests, ramp };
    let samples: Vec<_> = (0..700).map(sample).collect();
    let text = Measured::new(ramped, &samples).render(80, PLAIN);
    assert!(text.contains("closed loop, 32 users, ramp linear over 2 s"), "{text}");
    assert!(text.contains("\n         load changes meanwhile: ramp linear over 2 s."), "{text}");
    assert!(text.contains("54.8 requests/s   12.2 s of it"), "{text}");
    assert!(!trusted().render(80, PLAIN).contains("Steady"));
}

#[test]
fn an_open_loop_shows_latency_from_due() {
    let samples: Vec<_> = (0..100).map(sample).collect();
    insta::assert_snapshot!("open_80", Measured::new(open(53.0), &samples).render(80, ASCII));
}

#[test]
fn every_line_that_could_be_quoted_says_simulated() {
    let mut measured = trusted();
    measured.simulated = true;
    let text = measured.render(80, PLAIN);
    insta::assert_snapshot!("simulated_80", text);
    for quotable in
        ["inferbench 0.1.0", "TRUSTED  ", "LLM metrics", "Totals", "Time to first", "Inter"]
    {
        let mut lines = text.lines().filter(|line| line.starts_with(quotable));
        let line = lines.find(|line| !line.contains(", ms  ")).unwrap();
        assert!(line.contains("simulated"), "{line}");
    }
}

#[test]
fn a_server_cannot_write_on_the_terminal() {
    let message = "\u{1b}[2J\u{1b}]0;owned\u{7}\u{202e}evil\r\nTRUSTED  all is well";
    let samples: Vec<_> = (0..3).map(|n| failed(n, Outcome::InBandError, message)).collect();
    let mut measured = Measured::new(closed(1), &samples);
    measured.model = "\u{1b}[31mmodel\u{0}".into();
    measured.server.version = Some("1\n2".into());
    let text = measured.render(80, PLAIN);
    assert!(text.contains("model model"), "{text}");
    assert!(text.contains("vllm 1 2 @"), "{text}");
    assert!(text.contains("3 x in_band_error: evil TRUSTED all is well"), "{text}");
    assert!(!text.contains(|c: char| c.is_control() && c != '\n' || c == '\u{202e}'));
}

proptest! {
    #[test]
    fn no_line_is_wider_than_the_page(
        width in 0_usize..140,
        ascii in any::<bool>(),
        words in any::<[String; 4]>(),
    ) {
        let mut samples: Vec<_> = (0..4).map(sample).collect();
        samples.push(failed(5, Outcome::Malformed, &words[0]));
        let mut measured = Measured::new(closed(123_456), &samples);
        measured.model = words[1].clone();
        measured.host = words[2].clone();
        measured.plan.name = words[3].repeat(9);
        let text = measured.render(width, Style { color: false, ascii });
        for line in text.lines() {
            prop_assert!(line.width() <= width.max(LEAST_WIDTH), "{} of {width}: {line}", line.width());
        }
        prop_assert!(!ascii || text.is_ascii());
    }
}

//! Requests that fail and are sent again: when, how often, and that every attempt counts.

use std::collections::BTreeMap;

use super::*;

#[test]
fn a_server_that_is_not_there_is_not_stormed() {
    let refused = || Scripted::always(Script::tokens(1).ending(Outcome::Refused));
    // Two at once, then after 10, 20, ... 640 ms, and then once a second.
    let (_, samples) = go(&plan(closed(1), Until::duration(Duration::from_secs(60))), refused());
    let due: Vec<_> = samples.samples().map(|sample| sample.due).collect();
    let gaps: Vec<_> = due.windows(2).map(|two| two[1].since(two[0]).as_millis()).collect();
    assert_eq!(gaps[..9], [0, 10, 20, 40, 80, 160, 320, 640, 1_000]);
    assert!((60..70).contains(&due.len()), "{}", due.len());

    // A single one in between costs nothing, nor does any in an open loop.
    let now_and_then = Scripted::by(|id| match id.ends_with("5.0") {
        true => Script::tokens(1).ending(Outcome::Refused),
        false => Script::tokens(1),
    });
    let (_, samples) = go(&plan(closed(1), Until::requests(100)), now_and_then);
    let (first, last) = (samples.samples().next().unwrap(), samples.samples().last().unwrap());
    assert_eq!(last.done.unwrap().since(first.due), MS * 50 * 90);
    let open = Load::open(Paced::constant(Rate::per_second(100.0).unwrap()));
    let (_, samples) = go(&plan(open, Until::requests(1_000)), refused());
    let late = samples.samples().filter(|s| s.done.unwrap().since(s.due) > MS * 5).count();
    assert_eq!((samples.samples().count(), late), (1_000, 0));
}

/// How the attempts ended at each request that has more than one.
fn attempts(samples: &Collected) -> BTreeMap<u64, Vec<Outcome>> {
    let mut attempts: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for sample in samples.samples() {
        let of_request = attempts.entry(sample.number).or_default();
        assert_eq!(sample.attempt as usize, of_request.len());
        of_request.push(sample.outcome);
    }
    attempts.retain(|_, outcomes| outcomes.len() > 1);
    attempts
}

#[test]
fn a_request_is_tried_again_only_if_asked_for_and_every_attempt_counts() {
    let server = || {
        Scripted::by(|id| match id.rsplit('-').next() {
            Some("3.0" | "7.0" | "7.0r1" | "7.0r2") => Script::tokens(0).ending(Outcome::Http(503)),
            Some("8.0") => Script::tokens(2).ending(Outcome::Reset),
            Some("9.0") => Script::tokens(0).ending(Outcome::Http(400)),
            _ => Script::tokens(1),
        })
    };
    let mut plan = plan(closed(1), Until::requests(20));
    assert!(attempts(&go(&plan, server()).1).is_empty());

    plan.points[0].retries = 2;
    let (outcome, samples) = go(&plan, server());
    let failed = Outcome::Http(503);
    let expected = [(3, vec![failed, Outcome::Ok]), (7, vec![failed; 3])];
    assert_eq!(attempts(&samples), expected.into(), "not what the server had begun or refused");
    let summary = &outcome.points[0].summary;
    assert_eq!((summary.succeeded(), summary.failed(), summary.facts.retried), (17, 6, 3));

    let again = samples.samples().find(|sample| (sample.number, sample.attempt) == (3, 1)).unwrap();
    assert!(again.request_id.ends_with("-3.0r1"), "{}", again.request_id);
    let ms = |metric: &str| crate::metric(metric).unwrap().of(again).unwrap();
    assert_eq!((ms("ttft_ms"), ms("ttft_due_ms")), (50.0, 150.0), "its user waited for both");
}

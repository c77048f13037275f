//! A sink of one's own: a line for each request as it ends, and the metrics of the point.

#![expect(clippy::print_stdout, reason = "an example shows what it found")]

use std::{error::Error, iter, sync::Arc, time::Duration};

use bench_core::{
    Answer, ArrivalKind, Figure, Load, MetricSink, Paced, Plan, Point, PointOutcome, Prepared,
    Prompt, Provider, ProviderError, Rate, Request, RunEvent, Single, SinkError, Stamp, Stop,
    Until, async_trait, run,
};

struct Lines;

impl MetricSink for Lines {
    // Called while requests are in flight, but from no load thread: it cannot delay one.
    fn event(&mut self, event: &RunEvent) -> Result<(), SinkError> {
        match event {
            RunEvent::Sample(s) => {
                let ms = s.done.zip(s.sent).map_or(f64::NAN, |(done, sent)| done.ms_since(sent));
                println!("{:<12} {}  {ms:>7.2} ms", s.request_id, s.outcome);
            }
            RunEvent::PointEnded(point) => {
                let PointOutcome { summary, verdict, .. } = &**point;
                for (metric, figure) in &summary.figures {
                    let value = match figure {
                        Figure::Distribution(d) => d.median(),
                        Figure::Value(value) => *value,
                    };
                    println!("{:<45} {value:>9.2} {}", metric.title, metric.unit);
                }
                println!("{}", verdict.trust);
                verdict.reasons.iter().for_each(|r| println!("  {r}: {}", r.remedy()));
            }
            _ => {}
        }
        Ok(())
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    // Fifty requests a second, whatever the server does.
    let schedule = Arc::new(Paced::constant(Rate::per_second(50.0)?));
    let load = Load::Open { schedule, max_in_flight: None };
    let plan = Plan::of(Point::new(load, Until::requests(80)));
    let sessions = || iter::repeat_with(|| Box::new(Single::new(Request::default())) as _);
    let mut prepare = |_: &Point| Ok(Prepared::new(Arc::new(Ticker), Box::new(sessions())));
    run(&plan, &mut prepare, &mut Lines, &Stop::new())?;
    Ok(())
}

/// Does not say how many tokens it sends: the verdict will mention that.
#[derive(Debug)]
struct Ticker;

#[async_trait]
impl Provider for Ticker {
    fn name(&self) -> &str {
        "ticker"
    }
    fn encode(&self, prompt: &Prompt) -> Result<Request, ProviderError> {
        Ok(Request::new(prompt, ""))
    }
    async fn send(&self, _: &Request, answer: &mut Answer) -> Result<(), ProviderError> {
        let clock = answer.clock();
        answer.sent(clock.now());
        for word in ["tick ", "tack ", "tock"] {
            tokio::time::sleep(Duration::from_millis(5)).await;
            answer.generated(Stamp::of_read(clock.now()), ArrivalKind::Content, word, Some(1));
        }
        answer.done(clock.now());
        Ok(())
    }
}

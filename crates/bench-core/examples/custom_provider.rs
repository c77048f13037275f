//! A server of one's own: here one inside this process, which gives back what it is told.

#![expect(clippy::print_stdout, reason = "an example shows what it found")]

use std::{error::Error, iter, sync::Arc, time::Duration};

use bench_core::{
    Answer, ArrivalKind, Load, Plan, Point, PointOutcome, Prepared, Prompt, Provider,
    ProviderError, Request, Session, Single, Stamp, Stop, Until, Usage, async_trait, run,
};

#[derive(Debug)]
struct Echo {
    per_word: Duration,
}

#[async_trait]
impl Provider for Echo {
    fn name(&self) -> &str {
        "echo"
    }

    // From words to the bytes that go on the wire. Runs before the clock does.
    fn encode(&self, prompt: &Prompt) -> Result<Request, ProviderError> {
        Ok(Request::new(prompt, prompt.messages[0].content.clone()))
    }

    // The only method that is timed: it stamps what happens and leaves thinking to others.
    async fn send(&self, request: &Request, answer: &mut Answer) -> Result<(), ProviderError> {
        let clock = answer.clock();
        answer.sent(clock.now());
        let text = String::from_utf8_lossy(&request.body);
        let mut words = 0;
        for word in text.split_inclusive(' ') {
            tokio::time::sleep(self.per_word).await;
            answer.generated(Stamp::of_read(clock.now()), ArrivalKind::Content, word, Some(1));
            words += 1;
        }
        answer.usage(Usage { prompt: words, completion: words, ..Usage::default() });
        answer.done(clock.now());
        Ok(())
    }
}

/// What a point needs; called right before it is measured.
fn prepare(_: &Point) -> Result<Prepared, Box<dyn Error + Send + Sync>> {
    let echo = Arc::new(Echo { per_word: Duration::from_millis(5) });
    let request = echo.encode(&Prompt::user("what is said here comes back word by word"))?;
    let session = move || Box::new(Single::new(request.clone())) as Box<dyn Session>;
    Ok(Prepared::new(echo, Box::new(iter::repeat_with(session))))
}

fn main() -> Result<(), Box<dyn Error>> {
    // Eight requests in flight, always, until 200 are sent.
    let load = Load::closed(8.try_into()?);
    let plan = Plan::of(Point::new(load, Until::requests(200)));
    // Nobody listens: a progress bar or a log would take the place of `()`.
    let outcome = run(&plan, &mut prepare, &mut (), &Stop::new())?;
    let PointOutcome { summary, verdict, .. } = &outcome.points[0];
    for id in ["ttft_ms", "icl_ms", "e2e_ms"] {
        let Some(d) = summary.distribution(id) else { continue };
        println!("{id:<8} median {:>6.2}  worst {:>6.2}", d.median(), d.max);
    }
    let (ok, failed) = (summary.succeeded(), summary.failed());
    println!("{ok} requests succeeded, {failed} failed; the numbers are {}", verdict.trust);
    Ok(())
}

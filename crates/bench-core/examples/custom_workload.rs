//! A workload of one's own: conversations in which each turn depends on the answer before.
//!
//! The server has a number in mind, and says how a guess compares: `Less`, `Greater` or `Equal`. A
//! session is one game.

#![expect(clippy::print_stdout, reason = "an example shows what it found")]

use std::{error::Error, ops::Range, sync::Arc, time::Duration};

use bench_core::{
    Answer, ArrivalKind, Load, Plan, Point, Prepared, Prompt, Provider, ProviderError, Request,
    Session, Stamp, Stop, Turn, Until, Usage, async_trait, run,
};

struct Game {
    possible: Range<u32>,
}

impl Session for Game {
    fn next_turn(&mut self, previous: Option<&Answer>) -> Option<Turn> {
        let middle = |range: &Range<u32>| range.start.midpoint(range.end);
        let guess = middle(&self.possible);
        match previous.map(Answer::text) {
            None => {} // The first turn.
            Some("Less") => self.possible.start = guess + 1,
            Some("Greater") => self.possible.end = guess,
            Some(_) => return None, // Equal, or the request failed.
        }
        let prompt = Prompt::user(middle(&self.possible).to_string());
        let request = Server.encode(&prompt).ok()?;
        Some(Turn { request, delay: Duration::from_millis(2) })
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    // Any iterator of sessions is a workload.
    let game = |n: u32| Box::new(Game { possible: 0..800 + 20 * n }) as Box<dyn Session>;
    let prepared = || Prepared::new(Arc::new(Server), Box::new((0..40).map(game)));
    // Four games at a time, until the workload has no more.
    let load = Load::closed(4.try_into()?);
    let plan = Plan::of(Point::new(load, Until::default()));
    let outcome = run(&plan, &mut |_| Ok(prepared()), &mut (), &Stop::new())?;
    let point = &outcome.points[0];
    let e2e_ms = point.summary.distribution("e2e_ms").map_or(f64::NAN, |d| d.median());
    println!("40 games took {} turns of {e2e_ms:.1} ms each", point.summary.succeeded());
    println!("the numbers are {}", point.verdict.trust);
    Ok(())
}

#[derive(Debug)]
struct Server;

#[async_trait]
impl Provider for Server {
    fn name(&self) -> &str {
        "guess"
    }
    fn encode(&self, prompt: &Prompt) -> Result<Request, ProviderError> {
        Ok(Request::new(prompt, prompt.messages[0].content.clone()))
    }
    async fn send(&self, request: &Request, answer: &mut Answer) -> Result<(), ProviderError> {
        let clock = answer.clock();
        answer.sent(clock.now());
        tokio::time::sleep(Duration::from_millis(3)).await;
        let guess = String::from_utf8_lossy(&request.body).parse::<u32>().unwrap_or(0);
        let word = format!("{:?}", guess.cmp(&617));
        answer.generated(Stamp::of_read(clock.now()), ArrivalKind::Content, &word, Some(1));
        answer.usage(Usage { prompt: 1, completion: 1, ..Usage::default() });
        answer.done(clock.now());
        Ok(())
    }
}

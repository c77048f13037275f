//! What every [`Provider`] promises, as checks that panic where it is not kept.
//!
//! ```no_run
//! # async fn of(mine: std::sync::Arc<dyn bench_core::Provider>, nobodys: &dyn bench_core::Provider) {
//! use bench_core::testing::conformance;
//!
//! conformance::serving(&mine).await; // of a server that is up and answers prompts
//! conformance::unreachable(nobodys).await; // of an address at which nobody listens
//! # }
//! ```

use std::{
    future::{Future, poll_fn},
    pin::pin,
    sync::Arc,
    task::Poll,
    thread,
};

use crate::{
    Answer, Clock, Moment, Outcome, Prompt, Provider, ProviderError, Readiness, Request, Sample,
};

/// Checks a provider whose server is up and answers any prompt.
///
/// # Panics
///
/// Where a promise is not kept.
pub async fn serving(provider: &Arc<dyn Provider>) {
    names_itself(&**provider);
    encodes_alike(&**provider);
    assert_eq!(provider.ready().await, Readiness::Up, "{}: its server answers", provider.name());
    provider.describe().await.expect("a server that answers can be asked what it is");
    records_what_comes(&**provider).await;
    leaves_nothing_behind(&**provider).await;
    can_be_given_up(&**provider).await;
    serves_many_at_once(&**provider).await;
    serves_every_thread(provider);
}

/// Checks a provider at whose address nobody is.
///
/// # Panics
///
/// Where a promise is not kept.
pub async fn unreachable(provider: &dyn Provider) {
    let mut answer = Answer::new(Clock::start());
    let error = ask(provider, &mut answer, 0).await.expect_err("nobody is there to answer");
    assert!(error.outcome.is_unreachable(), "{error}");
    assert!(!error.said.is_empty(), "{error:?} says what went wrong");
    let sample = answer.take_sample(error.outcome, Some(error.said));
    assert_eq!((sample.sent, sample.arrivals.len()), (None, 0), "nothing was sent");
    assert!(matches!(provider.ready().await, Readiness::Down(_)), "{} is down", provider.name());
}

fn names_itself(provider: &dyn Provider) {
    let name = provider.name();
    assert!(!name.is_empty() && !name.contains(char::is_whitespace), "{name:?} is one word");
}

fn prompt() -> Prompt {
    let mut prompt = Prompt::user("Say something short.").with_output_tokens(8);
    prompt.input_tokens = Some(5);
    prompt
}

fn encoded(provider: &dyn Provider) -> Request {
    provider.encode(&prompt()).expect("a message of a user can be sent to every server")
}

/// The same plan sends the same bytes, and a request knows of its prompt what samples are to say.
fn encodes_alike(provider: &dyn Provider) {
    let (first, second) = (encoded(provider), encoded(provider));
    assert_eq!(first, second, "the same prompt makes the same request");
    assert_eq!((first.input_tokens, first.output_tokens), (Some(5), Some(8)));
}

async fn ask(
    provider: &dyn Provider,
    answer: &mut Answer,
    number: u64,
) -> Result<(), ProviderError> {
    let request = encoded(provider);
    let mut sample = Sample::due(answer.clock().now());
    (sample.request_id, sample.session, sample.number) = (id(number), number, number);
    answer.begin(sample, &request);
    provider.send(&request, answer).await
}

fn id(number: u64) -> String {
    format!("CONF-0m-{number}.0")
}

/// A request that must succeed, and what is known of it.
async fn asked(provider: &dyn Provider, answer: &mut Answer, number: u64) -> Sample {
    if let Err(error) = ask(provider, answer, number).await {
        panic!("{}: a server that is up answers: {error}", provider.name());
    }
    let taken = [answer.text().len(), answer.reasoning().len()].iter().sum::<usize>()
        + answer.tool_calls().iter().map(|c| c.name.len() + c.arguments.len()).sum::<usize>();
    let sample = answer.take_sample(Outcome::Ok, None);
    let arrived: u64 = sample.generated().map(|arrival| u64::from(arrival.bytes)).sum();
    assert_eq!(taken as u64, arrived, "the bytes of each event make the text");
    sample
}

/// Moments are there and in order, and what is said of the answer fits.
async fn records_what_comes(provider: &dyn Provider) {
    let mut answer = Answer::new(Clock::start());
    let sample = asked(provider, &mut answer, 0).await;
    assert_eq!(sample.outcome, Outcome::Ok, "an answer holds something: {sample:?}");
    assert_eq!(sample.request_id, id(0));
    let connected = sample.connect.map(|connect| [connect.began, connect.done]);
    let around = [sample.sent.expect("it was sent")].into_iter().chain(sample.headers);
    let done = sample.done.expect("it ended");
    let arrivals = sample.arrivals.iter().map(|arrival| arrival.at);
    let moments: Vec<Moment> = [sample.due]
        .into_iter()
        .chain(connected.into_iter().flatten())
        .chain(around)
        .chain(arrivals)
        .chain([done])
        .collect();
    assert!(moments.is_sorted(), "due, connected, sent, head, events, done: {sample:?}");
    assert!(done <= answer.clock().now(), "nothing comes from the future");
    if let Some(usage) = sample.usage {
        assert!(usage.prompt + usage.completion > 0, "unknown is absent, never 0: {usage:?}");
    }
    for two in sample.generated().collect::<Vec<_>>().windows(2) {
        let together = two[0].at == two[1].at;
        assert!(!together || (two[0].coalesced && two[1].coalesced), "one read: {two:?}");
    }
}

/// A record that is used again knows nothing of the answer before.
async fn leaves_nothing_behind(provider: &dyn Provider) {
    let mut used = Answer::new(Clock::start());
    asked(provider, &mut used, 0).await;
    let sample = asked(provider, &mut used, 1).await;
    assert_eq!(sample.request_id, id(1));
    let sent = sample.sent.expect("it was sent");
    assert!(sample.arrivals.iter().all(|arrival| arrival.at >= sent), "of its own: {sample:?}");
}

/// A request whose future is dropped, at whatever point, leaves the provider as good as before.
async fn can_be_given_up(provider: &dyn Provider) {
    for polls in 0..20 {
        let mut answer = Answer::new(Clock::start());
        {
            let mut sending = pin!(ask(provider, &mut answer, polls));
            let mut left = polls;
            poll_fn(|cx| {
                if left == 0 || sending.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(());
                }
                left -= 1;
                Poll::Pending
            })
            .await;
        }
        let sample = asked(provider, &mut answer, 100 + polls).await;
        assert_eq!(sample.outcome, Outcome::Ok, "after one that was given up: {sample:?}");
    }
}

/// Of many requests at once each has an answer of its own.
async fn serves_many_at_once(provider: &dyn Provider) {
    let requests = (0..16).map(|number| async move {
        let mut answer = Answer::new(Clock::start());
        let sample = asked(provider, &mut answer, number).await;
        assert_eq!((sample.outcome, sample.request_id), (Outcome::Ok, id(number)));
    });
    let mut running: Vec<_> = requests.map(Box::pin).collect();
    poll_fn(|cx| {
        running.retain_mut(|request| request.as_mut().poll(cx).is_pending());
        if running.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

/// Each load thread has a runtime of its own, which takes what belongs to it with it.
fn serves_every_thread(provider: &Arc<dyn Provider>) {
    let threads = (0..2).map(|number| {
        let provider = Arc::clone(provider);
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("the system gives a runtime").block_on(async {
                let mut answer = Answer::new(Clock::start());
                asked(&*provider, &mut answer, number).await.outcome
            })
        })
    });
    let threads: Vec<_> = threads.collect();
    for thread in threads {
        assert_eq!(thread.join().expect("it does not panic"), Outcome::Ok);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Script, Scripted};

    #[tokio::test]
    async fn the_scripted_server_conforms() {
        let provider: Arc<dyn Provider> = Arc::new(Scripted::always(Script::tokens(3)));
        serving(&provider).await;
        unreachable(&Scripted::always(Script::tokens(3).ending(Outcome::Refused))).await;
    }

    #[tokio::test]
    #[should_panic(expected = "an answer holds something")]
    async fn an_answer_without_a_token_is_seen() {
        let provider: Arc<dyn Provider> = Arc::new(Scripted::always(Script::tokens(0)));
        serving(&provider).await;
    }
}

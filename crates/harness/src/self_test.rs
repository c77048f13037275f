//! How wrong this machine's measurements are, found out against a server that knows when it sent what.

use std::{num::NonZeroUsize, sync::Arc, time::Duration};

use bench_core::{
    Level, Load, MetricSink, Plan, Point, Prepared, Prompt, Provider, RunEvent, RunInfo, Sample,
    Session, Single, SinkError, Stop, Until, WarmUp,
};
use bench_providers::{Config, Endpoint, HttpProvider};
use bench_sim::Server;

use crate::{Code, Failure, machine};

/// What to measure.
#[derive(Clone, Copy, Debug)]
pub struct SelfTest {
    /// Streams at once.
    pub streams: NonZeroUsize,
    /// Time to the first token of each answer.
    pub ttft: Duration,
    /// Time from each token to the next.
    pub itl: Duration,
    /// Tokens of each answer.
    pub tokens: u32,
    /// Answers on each stream.
    pub rounds: u32,
}

/// How far measured times lie from the truth, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Errors {
    /// How many times were compared.
    pub count: usize,
    /// Half of them are wrong by no more.
    pub p50_us: f64,
    /// All but one in a hundred are wrong by no more.
    pub p99_us: f64,
    /// None is wrong by more.
    pub max_us: f64,
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SelfTestResult {
    /// Of times to first token, as reported.
    pub ttft: Option<Errors>,
    /// Of gaps between chunks, as reported.
    pub gaps: Option<Errors>,
    /// Of times to first token, had arrivals been stamped when read.
    pub ttft_by_read: Option<Errors>,
    /// Of gaps between chunks, likewise.
    pub gaps_by_read: Option<Errors>,
    /// Gaps that were not compared because their chunk shared a read with another.
    pub coalesced: u64,
    /// Requests that failed.
    pub failed: u64,
}

/// Measures the simulator in this process and lays what came of it beside what it sent.
///
/// # Errors
///
/// When the simulator cannot be started, or this machine cannot hold so many streams.
pub fn self_test(test: SelfTest, stop: &Stop) -> Result<SelfTestResult, Failure> {
    let streams = test.streams.get() as u64;
    machine::make_room(streams * 2, streams, 1)?;
    let requests = streams * u64::from(test.rounds);
    let server = start(&test, requests)?;
    let provider = Arc::new(provider(&server)?);
    let prompt = Prompt::user("a self-test").with_output_tokens(test.tokens);
    let request = provider.encode(&prompt).map_err(|error| {
        Failure::new(Code::Bug, "the self-test has no request").said(error.to_string())
    })?;
    let plan = plan(&test, requests);
    let mut samples = Samples::default();
    let run = bench_core::run(
        &plan,
        &mut |_| {
            let request = request.clone();
            let sessions = std::iter::repeat_with(move || {
                Box::new(Single::new(request.clone())) as Box<dyn Session>
            });
            Ok(Prepared::new(Arc::clone(&provider) as Arc<dyn Provider>, Box::new(sessions)))
        },
        &mut samples,
        stop,
    );
    run.map_err(|error| Failure::new(Code::Bug, "the self-test broke off").caused_by(&error))?;
    debug_assert!(stop.level() != Level::Go || samples.samples.len() as u64 == requests);
    Ok(compare(&samples, &server))
}

fn start(test: &SelfTest, requests: u64) -> Result<Server, Failure> {
    let moments = requests.saturating_mul(u64::from(test.tokens) + 2);
    let config = bench_sim::Config {
        ttft: test.ttft,
        itl: test.itl,
        record_limit: usize::try_from(moments.saturating_mul(2)).unwrap_or(usize::MAX),
        ..bench_sim::Config::default()
    };
    Server::start(config, ([127, 0, 0, 1], 0).into()).map_err(|error| {
        Failure::new(Code::Simulator, "the simulator cannot be started").said(error.to_string())
    })
}

fn provider(server: &Server) -> Result<HttpProvider, Failure> {
    let failed = |error: &dyn std::error::Error| {
        Failure::new(Code::Bug, "the simulator's address").caused_by(error)
    };
    let endpoint = Endpoint::parse(&server.url()).map_err(|e| failed(&e))?;
    HttpProvider::new(Config::new(endpoint, "simulated")).map_err(|e| failed(&e))
}

fn plan(test: &SelfTest, requests: u64) -> Plan {
    let load = Load::closed(test.streams);
    let warm_up = WarmUp { load: load.clone(), until: Until::requests(test.streams.get() as u64) };
    let point = Point {
        target: "simulator".to_owned(),
        workload: "self-test".to_owned(),
        warm_up: Some(warm_up),
        grace: Duration::from_secs(10),
        ..Point::new(load, Until::requests(requests))
    };
    Plan {
        id: "self-test".to_owned(),
        name: "self-test".to_owned(),
        threads: machine::load_threads(),
        ..Plan::of(point)
    }
}

/// The samples of the measured phase, and the start of their clock.
#[derive(Default)]
struct Samples {
    samples: Vec<Sample>,
    start_ns: u64,
}

impl MetricSink for Samples {
    fn begin(&mut self, run: &RunInfo) -> Result<(), SinkError> {
        // The simulator falls back to another clock only where there is no monotonic one.
        self.start_ns = run.anchor.monotonic_ns.unwrap_or(0);
        Ok(())
    }

    fn event(&mut self, event: &RunEvent) -> Result<(), SinkError> {
        if let RunEvent::Sample(sample) = event
            && sample.phase == bench_core::Phase::Measure
        {
            self.samples.push(sample.clone());
        }
        Ok(())
    }
}

fn compare(samples: &Samples, server: &Server) -> SelfTestResult {
    let (mut ttft, mut ttft_by_read) = (Vec::new(), Vec::new());
    let (mut gaps, mut gaps_by_read) = (Vec::new(), Vec::new());
    let (mut coalesced, mut failed) = (0, 0);
    for sample in &samples.samples {
        failed += u64::from(!sample.outcome.is_ok());
        let Some(truth) = server.truth(&sample.request_id) else { continue };
        // Arrival and sending on the same clock; the time to first token is wrong by their difference.
        let late = |at_ns: u64, sent_ns: u64| (samples.start_ns + at_ns) as f64 - sent_ns as f64;
        let mut before: Option<(f64, f64)> = None;
        for (arrival, sent) in sample.generated().zip(&truth.sends) {
            let kernel = late(arrival.at.as_nanos(), sent.at_ns);
            let read = late(arrival.at.as_nanos() + u64::from(arrival.lag_ns), sent.at_ns);
            match before {
                None => {
                    ttft.push(kernel);
                    ttft_by_read.push(read);
                }
                Some(_) if arrival.coalesced => coalesced += 1,
                Some((kernel_before, read_before)) => {
                    gaps.push(kernel - kernel_before);
                    gaps_by_read.push(read - read_before);
                }
            }
            before = Some((kernel, read));
        }
    }
    SelfTestResult {
        ttft: errors(ttft),
        gaps: errors(gaps),
        ttft_by_read: errors(ttft_by_read),
        gaps_by_read: errors(gaps_by_read),
        coalesced,
        failed,
    }
}

/// The sizes of differences in nanoseconds.
fn errors(mut differences: Vec<f64>) -> Option<Errors> {
    for difference in &mut differences {
        *difference = difference.abs() / 1e3;
    }
    let d = bench_core::stats::Distribution::of(&mut differences)?;
    Some(Errors {
        count: differences.len(),
        p50_us: d.median(),
        p99_us: d.percentile(99.0)?,
        max_us: d.max,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_finds_errors_of_a_plausible_size() {
        let test = SelfTest {
            streams: NonZeroUsize::new(4).unwrap(),
            ttft: Duration::from_millis(5),
            itl: Duration::from_millis(1),
            tokens: 10,
            rounds: 3,
        };
        let result = self_test(test, &Stop::new()).unwrap();
        assert_eq!(result.failed, 0);
        let (ttft, gaps) = (result.ttft.unwrap(), result.gaps.unwrap());
        assert_eq!(ttft.count, 12);
        assert_eq!(gaps.count as u64 + result.coalesced, 12 * 9);
        // Nothing arrives before it is sent, and nothing takes a second to arrive.
        assert!(ttft.p50_us > 0.0 && ttft.max_us < 1e6, "{ttft:?}");
        assert!(result.ttft_by_read.unwrap().p50_us >= ttft.p50_us);
    }
}

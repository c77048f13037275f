//! What watching eight GPUs costs: `cargo bench -p bench-telemetry`.
//!
//! They are read each 100 ms for some seconds, as during a run, by way of the real FFI. The library is a stub, so
//! this is what is ours: the threads, the calls, the readings. What the driver needs for its answers comes on top.

#![expect(clippy::print_stdout, reason = "a benchmark says what it found")]
#![expect(clippy::disallowed_types, reason = "nobody moves the clock here")]

use std::{
    error::Error,
    time::{Duration, Instant},
};

use bench_core::{Clock, Readings};
use bench_telemetry::gpu::{self, Config};
use fake_nvml::{Installed, Script};
use nix::time::{ClockId, clock_gettime};

const GPUS: u32 = 8;
const PERIOD: Duration = Duration::from_millis(100);
const ROUNDS: u32 = 50;

fn main() -> Result<(), Box<dyn Error>> {
    let fake = Installed::new(Script::h200(GPUS))?;
    let config = Config { library: Some(fake.library()), ..Config::default() };
    let mut source = gpu::sources(&config)?.remove(0);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let clock = Clock::start();
        let (mut readings, mut told) = (0, Duration::ZERO);
        // The first one says what there is, which is once a point.
        source.read(&mut Readings::new("nvml", clock.now())).await?;
        let (began, used) = (Instant::now(), processor_time()?);
        for round in 1..=ROUNDS {
            tokio::time::sleep_until((began + PERIOD * round).into()).await;
            let mut into = Readings::new("nvml", clock.now());
            source.read(&mut into).await?;
            let (read, _, cost) = into.into_parts();
            readings += read.len();
            told += cost;
        }
        let (wall, used) = (began.elapsed(), processor_time()? - used);
        let percent = |part: Duration| 100.0 * part.as_secs_f64() / wall.as_secs_f64();
        println!(
            "{GPUS} GPUs each {PERIOD:?}: {:.2} % of a core, of which the source says {:.2} %; {} readings a round, \
             {:.0} us of processor time",
            percent(used),
            percent(told),
            readings / ROUNDS as usize,
            used.as_secs_f64() * 1e6 / f64::from(ROUNDS),
        );
        Ok(())
    })
}

/// What all threads have used.
fn processor_time() -> nix::Result<Duration> {
    clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID).map(Duration::from)
}

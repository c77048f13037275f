//! `inferbench sim`, the server of most tests.

use crate::program::{Place, Started};

pub(crate) struct Simulator {
    pub(crate) process: Started,
    pub(crate) url: String,
    _place: Place,
}

impl Simulator {
    /// A simulator with these flags, on a free port unless they name one.
    pub(crate) fn start(words: &str) -> Self {
        let place = Place::new();
        let port = if words.contains("--port") { "" } else { "--port 0" };
        let process = place.inferbench("sim").words(port).words(words).start();
        let said = process.stdout.wait_for("\n");
        let url = said.trim().strip_prefix("simulated server at ").unwrap().to_owned();
        Self { process, url, _place: place }
    }
}

#[cfg(unix)]
mod stopped {
    use nix::sys::signal::Signal;

    use super::*;

    #[test]
    fn it_ends_by_ctrl_c_and_says_what_it_served() {
        let simulator = Simulator::start("--ttft-ms 0 --itl-ms 0");
        let place = Place::new();
        let words =
            format!("-u {} -n 10 --warmup-request-count 3 --server-metrics off", simulator.url);
        place.run(&words).measures();
        simulator.process.signal(Signal::SIGINT);
        let ended = simulator.process.exits(0);
        // Beside those it answered: its list of models, twice, whether it is a NIM, its version, and its metrics.
        assert!(ended.stderr.ends_with("served 18 requests\n"), "{}", ended.stderr);
    }

    #[test]
    fn it_says_when_it_was_terminated() {
        let simulator = Simulator::start("");
        simulator.process.signal(Signal::SIGTERM);
        simulator.process.exits(143);
    }
}

//! What the tools of this family mean by their numbers.

use super::{Computed, Run, local_time};
use crate::import::{Tool, point::Draft, raw};

/// A sentence for each thing that is not as its id says.
pub(super) fn notes(tool: Tool, run: &Run, point: &Draft, computed: Computed) -> Vec<String> {
    let mut notes: Vec<String> = of_tool(tool).iter().map(|note| (*note).to_owned()).collect();
    let has = |id: &str| point.known(id, "mean").or(point.known(id, "value")).is_some();
    if has("itl_ms") {
        notes.push(format!("itl_ms is what {tool} calls itl: a chunk's gap, shared by its tokens"));
    }
    if has("icl_ms") && computed == Computed::Nothing {
        notes.push(format!("icl_ms is what {tool} calls itl: gaps between chunks"));
    }
    if has("peak_output_tps") && computed != Computed::WithThePhase {
        notes.push(PEAK.to_owned());
    }
    notes.push(DURATION.to_owned());
    if computed == Computed::Nothing {
        notes.push(STATED.to_owned());
    } else {
        notes.extend([COMPUTED, raw::ONE_READ_NOTE].map(str::to_owned));
    }
    if computed != Computed::Nothing && tool == Tool::Sglang {
        notes
            .push("e2e_ms ends at the last chunk with text, SGLang's at the end marker".to_owned());
    }
    if run.date.as_deref().and_then(local_time).is_some() {
        notes.push("the date in the file is local time, and was taken for UTC".to_owned());
    }
    notes
}

const DURATION: &str = "throughputs are over the tool's duration, until the last request was done";
const PEAK: &str =
    "peak_output_tps is by seconds that begin with the run, and a chunk counts as a token";
const STATED: &str = "single requests are not told, so that only the statistics of the file are there, in which \
     chunks that came in one read are apart by nothing";
const COMPUTED: &str = "distributions were computed from the single requests";

const CONNECTION: &str =
    "ttft_ms and e2e_ms begin before the connection is set up, where a new one was needed";

fn of_tool(tool: Tool) -> &'static [&'static str] {
    match tool {
        Tool::Sglang => &[
            "ttft_ms and e2e_ms begin before the connection is set up, which SGLang does for each \
             request",
            "osl is the length asked for wherever the server states no usage",
            "a stream that carries an error counts as a success",
        ],
        Tool::VllmBench => &[
            CONNECTION,
            "ttft_ms ends at the first chunk with choices, be it one that carries only the role",
            "isl is what the client's tokenizer counted in the prompt",
            "an answer with status 200 counts as a success, whatever came in it",
        ],
        _ => &[
            CONNECTION,
            "isl is what the client's tokenizer counted in the prompt",
            "a stream that ends in an error counts as a success",
        ],
    }
}

//! What each reason means, for `explain`.

/// Every reason's code, and what it means.
pub const REASONS: [(&str, &str); 32] = [
    ("no_success", "Not one request succeeded: there is nothing to measure. Void."),
    (
        "errors",
        "More than 1 % of requests failed. Latencies are those of the others, which may be the lucky ones.",
    ),
    (
        "n_small",
        "Fewer than 64 requests succeeded: not even a 90th percentile can be quoted with 99 % confidence.",
    ),
    (
        "late_sends",
        "Requests at a rate were sent later than max(1 ms, 1 % of the median TTFT), connections aside: the \
         load was not the one asked for. Void beyond max(10 ms, 50 %).",
    ),
    (
        "unsent",
        "More than 1 % of the requests that were due at a rate were never sent, because --max-in-flight others were \
         in flight until the grace period was over: the load was lower than asked for. Void beyond 10 %.",
    ),
    (
        "cut_off",
        "More than 1 % of requests were given up because the grace period was over. They are in no latency, and they \
         were the slowest ones: latencies look better than they are.",
    ),
    (
        "lag",
        "This machine read arrivals later than half the median gap (p99). The kernel's stamps keep that out \
         of the numbers until reads begin to hold several events.",
    ),
    (
        "coalesced",
        "More than 5 % of chunks came in one read with another: their own moments are unknown, and they \
         give no gaps. The server sends in bursts, or this machine reads too late; in the second case void \
         beyond 90 %.",
    ),
    (
        "unstamped",
        "More than 1 % of arrivals lack the kernel's stamp although others have it: somebody set this \
         machine's clock, or the kernel had not begun to stamp.",
    ),
    ("client_cpu", "This process used more than 85 % of this machine's processors."),
    (
        "osl",
        "Answers hold less than 98 % of the tokens asked for: throughput and latency are those of shorter \
         answers.",
    ),
    (
        "osl_long",
        "Answers hold more than 102 % of the tokens asked for: the server does not heed the limit, and throughput and \
         latency are those of longer answers.",
    ),
    (
        "usage_conflict",
        "The server's count of output tokens and the tokenizer's differ by more than 2 % in more than 2 % \
         of requests.",
    ),
    (
        "tokens_estimated",
        "The server does not count tokens and the model's tokenizer did not: the count of an approximate one, or \
         the number of chunks, stands for them.",
    ),
    (
        "delayed_samples",
        "Samples waited because a sink, such as the disk, was slow. None was lost, and no request waited.",
    ),
    (
        "starved",
        "A load thread found no request ready when it wanted to send one: the load was lower than asked for.",
    ),
    (
        "interrupted",
        "The run was stopped before its end; the numbers are those of the part that was measured.",
    ),
    (
        "ended_early",
        "The point was ended before its time, because its first requests all failed, because a goal was missed \
         and --slo-abort says to stop then, or because requests came in faster than they were answered.",
    ),
    (
        "target_lost",
        "Requests had succeeded, and then none did for ten seconds, or nobody was there at the end, or the key was \
         refused twenty times in a row. The point was ended then; the numbers are those of the time before.",
    ),
    (
        "not_measured",
        "The point could not be begun, as when its server could not be reached; the others were measured. Void.",
    ),
    (
        "local_limits",
        "This machine could not send requests, because no file descriptor, port or memory was left: they are \
         failures of the client, not of the server. Void beyond 1 %.",
    ),
    (
        "cached",
        "The server says that it had more than 1 % of the prompt tokens in its prefix cache, although no two \
         prompts begin alike: it has seen them before, and answers sooner than it otherwise would.",
    ),
    (
        "drift",
        "The median time to first token or per token of the second half of the steady window differs from that \
         of the first by more than 10 %, and a Mann-Whitney test says that this is no chance (p < 0.001): the \
         server was not in a steady state.",
    ),
    (
        "cold_start",
        "The first tenth of the measured requests was slower than the rest by more than 10 %, and a Mann-Whitney \
         test says that this is no chance (p < 0.001): the warm-up was too short.",
    ),
    (
        "imported",
        "Another tool measured this, and nothing of how it did can be checked here. Where its definitions differ from \
         ours, the run's notes say how.",
    ),
    (
        "clock",
        "Somebody set this machine's wall clock during the measurement, by more than a clock that is slewed gains. \
         Times are taken from the monotonic clock; kernel stamps are wall time, and were left out around the step.",
    ),
    (
        "gpu_throttled",
        "For more than 1 % of the measured phase a GPU ran slower than it was asked to, as for its \
         heat or its power limit. Another machine, or this one when cool, may be faster.",
    ),
    (
        "gpu_shared",
        "A process other than the server was seen on the GPU during the measured phase: the server had only a part \
         of it.",
    ),
    (
        "energy",
        "A GPU's power, integrated over the measured window, and its own counter of energy differ by more than 5 %. \
         Power sensors see a part of the time only (an A100 or H100 a quarter of it, arXiv 2312.02741), and load that \
         beats with their period fools them.",
    ),
    (
        "gpu_lost",
        "A GPU stopped answering the driver while it was watched. If the server used it, requests failed as well; if \
         not, the energy is that of the others.",
    ),
    (
        "server_restarted",
        "A counter among the server's metrics went back: it was started again during the measured phase, and what was \
         measured is in part how it starts.",
    ),
    (
        "server_disagrees",
        "The server's own counters, read before and after, tell more than 2 % more requests or output tokens than this \
         client's can explain, as when somebody else uses it, or more than 2 % fewer than it answered, as when the \
         metrics are those of one of several servers. Requests that failed or were given up may count or not.",
    ),
];

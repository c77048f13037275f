//! Keeps runs: one directory a run, append-only samples, summaries.

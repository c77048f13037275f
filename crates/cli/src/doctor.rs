//! `inferbench doctor`: what stands in the way of numbers that can be trusted, and how wrong this machine's are.

use std::{num::NonZeroUsize, path::PathBuf, time::Duration};

use bench_core::Stop;
use bench_harness::{
    Doctor, Errors, Exit, Failure, Finding, SelfTest, SelfTestResult, State,
    plan::{Node, Origin, resolve},
    self_test,
};
use bench_report::{json, text::clean};
use serde_json::{Value, json};

use crate::{args::DoctorArgs, output, plan, signals::Signals};

pub(crate) fn doctor(args: &DoctorArgs) -> Result<Exit, Failure> {
    let mut findings = Vec::new();
    if !args.self_test {
        findings = examination(args)?.examine();
        if !args.json {
            output::result(&list(&findings))?;
        }
    }
    let no = findings.iter().any(|finding| finding.state == State::No);
    let exit = if no { Exit::Void } else { Exit::Ok };
    let test = SelfTest {
        streams: NonZeroUsize::new(args.concurrency).unwrap_or(NonZeroUsize::MIN),
        ttft: Duration::from_millis(50),
        itl: args.itl_ms,
        tokens: args.osl,
        rounds: args.rounds,
    };
    let stop = Stop::new();
    let signals = Signals::stop(&stop);
    let tested = (!args.no_self_test).then(|| self_test(test, &stop));
    if args.json {
        let result = tested.as_ref().and_then(|result| result.as_ref().ok());
        output::result(&json::text(&as_json(&findings, result)))?;
    }
    if let Some(result) = tested.transpose()?.filter(|_| !args.json) {
        let blank = if args.self_test { "" } else { "\n" };
        output::result(&format!("{blank}{}", render(&test, &result)))?;
    }
    Ok(signals.exit().unwrap_or(exit))
}

/// What to look at: a server as well, if one is named.
fn examination(args: &DoctorArgs) -> Result<Doctor, Failure> {
    let mut typed = args.server.0.clone();
    if let Some(address) = &args.address {
        *typed.typed.at_path(&["target", "url"]) =
            Node::text(Origin::Flag("URL".to_owned()), address);
    }
    let is_named =
        ["target.url", "target.simulate"].iter().any(|path| typed.typed.find(path).is_some());
    let server = match is_named {
        true => Some(resolve(&plan::over(None, &typed)?, &plan::environment)?),
        false => None,
    };
    Ok(Doctor {
        concurrency: args.concurrency as u64,
        artifacts: args.artifact_dir.clone(),
        server,
        root: PathBuf::from("/"),
    })
}

fn list(findings: &[Finding]) -> String {
    let mut lines = Vec::new();
    for Finding { check, state, found, fix } in findings {
        lines.push(format!("{}  {check:<11}  {}", state.mark(), clean(found)));
        lines.extend(fix.iter().map(|fix| format!("{:<15}  fix  {}", "", clean(fix))));
    }
    lines.join("\n")
}

fn as_json(findings: &[Finding], result: Option<&SelfTestResult>) -> Value {
    let finding = |finding: &Finding| {
        let Finding { check, state, found, fix } = finding;
        json!({"check": check, "state": state.name(), "found": found, "fix": fix})
    };
    let errors = |errors: Option<Errors>| {
        errors.map(|Errors { count, p50_us, p99_us, max_us }| {
            json!({"count": count, "p50_us": p50_us, "p99_us": p99_us, "max_us": max_us})
        })
    };
    let self_test = result.map(|result| {
        json!({
            "ttft": errors(result.ttft),
            "gaps": errors(result.gaps),
            "ttft_by_read": errors(result.ttft_by_read),
            "gaps_by_read": errors(result.gaps_by_read),
            "coalesced": result.coalesced,
            "failed": result.failed,
        })
    });
    json!({"checks": findings.iter().map(finding).collect::<Vec<_>>(), "self_test": self_test})
}

fn render(test: &SelfTest, result: &SelfTestResult) -> String {
    let mut lines = vec![
        format!(
            "self-test: {} streams, a token every {} ms, {} tokens, {} rounds, against the simulator's own moments",
            test.streams,
            test.itl.as_secs_f64() * 1e3,
            test.tokens,
            test.rounds
        ),
        String::new(),
        format!(
            "{:<34} {:>9} {:>9} {:>9} {:>9}",
            "error in microseconds", "n", "p50", "p99", "max"
        ),
    ];
    for (name, errors) in [
        ("time to first token, as reported", result.ttft),
        ("chunk gaps, as reported", result.gaps),
        ("time to first token, by read time", result.ttft_by_read),
        ("chunk gaps, by read time", result.gaps_by_read),
    ] {
        lines.push(row(name, errors));
    }
    lines.push(String::new());
    let total = result.gaps.map_or(0, |g| g.count as u64) + result.coalesced;
    let share = if total > 0 { result.coalesced as f64 / total as f64 * 100.0 } else { 0.0 };
    lines.push(format!("{} chunks ({share:.1} %) shared a read and have no gap", result.coalesced));
    if result.failed > 0 {
        lines.push(format!("{} requests failed or were given up", result.failed));
    }
    lines.push(
        "An arrival can only be later than its sending: the way through the kernel is part of each error."
            .to_owned(),
    );
    lines.join("\n")
}

fn row(name: &str, errors: Option<Errors>) -> String {
    match errors {
        Some(Errors { count, p50_us, p99_us, max_us }) => {
            format!("{name:<34} {count:>9} {p50_us:>9.1} {p99_us:>9.1} {max_us:>9.1}")
        }
        None => format!("{name:<34} {:>9}", 0),
    }
}

//! Programs that run to their end: within a container, and as one.

use std::time::Duration;

use bench_core::Level;
use bollard::{
    container::LogOutput,
    errors::Error,
    exec::{StartExecOptions, StartExecResults},
    models::ExecConfig,
    query_parameters::LogsOptionsBuilder,
};
use futures_util::Stream;
use tokio::time::{Instant, sleep};

use super::{engine::Engine, refusal::Refusal, servers};
use crate::{
    Cause, Environment, Hooks, Launch, Lifetime, Output, Trouble, environment::Mask, lines::Lines,
    up::stopped,
};

/// More of what a program says is not kept, in bytes.
const MOST_TEXT: usize = 4 << 20;
/// How often a container is asked whether it has ended.
const LOOKED_EVERY: Duration = Duration::from_millis(200);

/// Runs a program within a container.
pub(super) async fn run_within(
    engine: &Engine,
    id: &str,
    command: &[String],
) -> Result<Output, Trouble> {
    let found = engine.inspect(id).await?;
    let mask = servers::secrets(&found);
    let name = found.name.as_deref().unwrap_or(id).trim_start_matches('/');
    let about = engine.about(name);
    let failed = |refusal: Refusal| match refusal {
        // That it does not run is no matter of the program.
        Refusal::Said(Some(409), said) => {
            Trouble::new(Cause::Exited, format!("{name} does not run")).said(said)
        }
        refusal => refusal.of_start(&about),
    };
    let config = ExecConfig {
        cmd: Some(command.to_vec()),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        ..ExecConfig::default()
    };
    let exec = engine.ask(engine.client.create_exec(id, config)).await.map_err(failed)?;
    let started = engine.client.start_exec(&exec.id, None::<StartExecOptions>);
    let text = match engine.ask(started).await.map_err(failed)? {
        StartExecResults::Attached { output, .. } => {
            text(engine, output, &mask).await.map_err(failed)?
        }
        StartExecResults::Detached => String::new(),
    };
    let ended = engine.ask(engine.client.inspect_exec(&exec.id)).await.map_err(failed)?;
    let exit_code = ended.exit_code.unwrap_or(-1);
    // That there is no such program is told as if it had said so itself.
    if matches!(exit_code, 126 | 127) && text.contains("exec failed") {
        return Err(failed(Refusal::Said(None, text)));
    }
    Ok(Output { exit_code, text })
}

/// Runs a container to its end, within the time that a launch may take to be ready.
pub(super) async fn run_to_end(
    engine: &Engine,
    environment: &Environment,
    launch: &Launch,
    image: (&str, Option<&[String]>),
    hooks: &Hooks,
) -> Result<Output, Trouble> {
    // Nobody keeps it, whatever the launch is for.
    let launch = Launch { lifetime: Lifetime::WithUs, ..launch.clone() };
    let id = servers::start_at(engine, environment, &launch, image, None).await?;
    let ended = tokio::select! {
        ended = ended(engine, &id, &launch) => ended,
        () = hooks.stop.reached(Level::Drain) => Err(stopped(&launch)),
    };
    let removed = servers::remove(engine, &id).await;
    let output = ended?;
    removed.map_err(|refusal| refusal.of("remove a container", &engine.about(&launch.name)))?;
    Ok(output)
}

async fn ended(engine: &Engine, id: &str, launch: &Launch) -> Result<Output, Trouble> {
    let deadline = Instant::now() + launch.ready_within;
    let (found, exit_code) = loop {
        let found = engine.inspect(id).await?;
        if let Some(exit_code) = servers::told(&found).exit_code {
            break (found, exit_code);
        }
        if Instant::now() > deadline {
            let s = launch.ready_within.as_secs();
            let what = format!("{} has not ended after {s} s", launch.name);
            return Err(Trouble::new(Cause::NotReady, what).fix("give it longer: --ready-within"));
        }
        sleep(LOOKED_EVERY).await;
    };
    let options = LogsOptionsBuilder::new().stdout(true).stderr(true).build();
    let stream = engine.client.logs(id, Some(options));
    let text = text(engine, stream, &servers::secrets(&found)).await;
    let about = engine.about(&launch.name);
    let text = text.map_err(|refusal| refusal.of("read a log", &about))?;
    Ok(Output { exit_code, text })
}

/// All that is said, as lines.
async fn text(
    engine: &Engine,
    mut stream: impl Stream<Item = Result<LogOutput, Error>> + Unpin,
    mask: &Mask,
) -> Result<String, Refusal> {
    let mut text = String::new();
    let mut add = |line: String| {
        if text.len() + line.len() < MOST_TEXT {
            text.push_str(&line);
            text.push('\n');
        }
    };
    let mut both = [Lines::new(mask.clone()), Lines::new(mask.clone())];
    while let Some(part) = engine.next(&mut stream).await {
        let part = part?;
        let lines = &mut both[usize::from(matches!(part, LogOutput::StdErr { .. }))];
        lines.take(part.as_ref(), &mut add);
    }
    both.iter_mut().filter_map(Lines::finish).for_each(&mut add);
    Ok(text)
}

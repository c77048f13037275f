//! From a launch to a process that runs.

use std::{
    env,
    ffi::OsString,
    fs, io,
    process::{Child, ChildStdin, Command, Stdio},
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use tokio::time::{Instant, sleep};

use super::{
    folder::{Folder, Servers},
    hold, program,
    record::{Processes, Record},
};
use crate::{Cause, Environment, Launch, Lifetime, Trouble, Variable, owner::Owner, port};

/// What tells CUDA which GPUs there are.
const GPUS: &str = "CUDA_VISIBLE_DEVICES";
/// A key of ours, for the servers that are asked: not for those that are started, unless they are given it.
const OUR_KEY: &str = "INFERBENCH_API_KEY";
/// Who holds a server starts it at once, however busy the machine is.
const HELD_WITHIN: Duration = Duration::from_secs(30);
const LOOKED_EVERY: Duration = Duration::from_millis(5);

/// A child of ours: a server, or who holds it.
#[derive(Debug)]
pub(super) struct Started {
    pub(super) child: Child,
    /// Its end tells who holds the server that we are gone.
    _ours: Option<ChildStdin>,
    pub(super) is_holder: bool,
}

/// A launch of which nothing is open: its port and its GPUs are chosen.
pub(super) fn settled(
    environment: &Environment,
    launch: &Launch,
) -> Result<(Launch, u16), Trouble> {
    let port = match launch.place.outside {
        Some(port) => port::check(port).map(|()| port),
        None => port::free(),
    }?;
    let mut launch = launch.clone().at_port(port);
    if let Some(gpus) = program::visible_gpus(&launch.gpus, environment.var(GPUS).as_deref()) {
        launch.env.entry(GPUS.to_owned()).or_insert(Variable::Text(gpus));
    }
    Ok((launch, port))
}

/// Starts a server. Nothing is left of one that cannot be started.
pub(super) async fn start(
    servers: &Servers,
    environment: &Environment,
    holder: Option<&[OsString]>,
    launch: &Launch,
) -> Result<(Record, Started), Trouble> {
    let program = program::find(environment, launch)?;
    let (launch, port) = settled(environment, launch)?;
    let record = Record::of(id(&launch.name), &launch, &program, port);
    let folder = servers.make(&record)?;
    let started = match holder {
        Some(holder) => start_held(&folder, environment, holder, &record, launch.lifetime).await,
        None => start_alone(&folder, environment, &record),
    };
    match started {
        Ok(started) => Ok((record, started)),
        Err(trouble) => {
            folder.remove();
            Err(trouble)
        }
    }
}

/// What a server is known by: no other ever has it.
fn id(name: &str) -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let owner = Owner::this().and_then(|owner| owner.seen_from_here());
    let (pid, start) = owner.unwrap_or((std::process::id(), 0));
    format!("{name}@{pid:x}.{start:x}.{count:x}")
}

/// What is to be given to a server, and to what runs within it.
pub(super) fn give(command: &mut Command, record: &Record, environment: &Environment) {
    command.env_remove(OUR_KEY).envs(record.variables(environment));
}

fn start_alone(
    folder: &Folder,
    environment: &Environment,
    record: &Record,
) -> Result<Started, Trouble> {
    let failed = |error: io::Error| refused(record, &error.to_string());
    let mut command = hold::command(record, folder.log_to_write().map_err(failed)?);
    give(&mut command, record, environment);
    let mut child = command.spawn().map_err(failed)?;
    let written = match Owner::of_child(child.id()) {
        Some(server) => folder.write_processes(&Processes::of(&server, None)),
        None => Err(io::Error::other("the system does not tell processes apart")),
    };
    if let Err(error) = written {
        // It has just been started: there is nothing of it yet that would have to end well.
        let _ = child.kill().and_then(|()| child.wait());
        return Err(failed(error));
    }
    Ok(Started { child, _ours: None, is_holder: false })
}

async fn start_held(
    folder: &Folder,
    environment: &Environment,
    holder: &[OsString],
    record: &Record,
    lifetime: Lifetime,
) -> Result<Started, Trouble> {
    let (program, args) = holder.split_first().expect("who holds servers is a program");
    let failed = |error: io::Error| {
        let what = format!("{} cannot be started, which is to hold servers", program.display());
        Trouble::new(Cause::Backend, what).said(error.to_string())
    };
    let mut command = Command::new(program);
    give(&mut command, record, environment);
    command.args(args).arg(folder.path()).stdout(Stdio::null());
    command.stderr(folder.log_to_write().map_err(failed)?);
    command.stdin(match lifetime {
        Lifetime::Kept => Stdio::null(),
        Lifetime::WithUs => Stdio::piped(),
    });
    let mut child = command.spawn().map_err(failed)?;
    let ours = child.stdin.take();
    let began = Instant::now();
    // Asked first: what it has written, it has written before it ended.
    let mut has_ended = false;
    while folder.processes().is_none() {
        if has_ended || began.elapsed() > HELD_WITHIN {
            let _ = child.kill().and_then(|()| child.wait());
            if let Some(said) = folder.ended().and_then(|ended| ended.refused) {
                return Err(refused(record, &said));
            }
            let what = format!("{} does not hold servers", program.display());
            let said = fs::read_to_string(folder.path().join("log")).unwrap_or_default();
            return Err(Trouble::new(Cause::Backend, what).said(said.trim_end()));
        }
        sleep(LOOKED_EVERY).await;
        has_ended = child.try_wait().map_err(failed)?.is_some();
    }
    Ok(Started { child, _ours: ours, is_holder: true })
}

/// A program that the system does not start.
fn refused(record: &Record, said: &str) -> Trouble {
    let what = format!("{} cannot be started", record.program.display());
    Trouble::new(Cause::BadEntrypoint, what)
        .said(said)
        .fix(format!("see whether it is a program for this machine ({})", env::consts::ARCH))
}

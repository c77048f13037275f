//! Who holds a server: a process that outlives the one that started it, to end it.
//!
//! A process that is killed ends nothing any more. So another starts the server for it, and waits for the end of its own
//! standard input: a pipe whose other end the first one has, and has no more once it is gone, whatever ended it.

use std::{
    fs::File,
    io,
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use nix::{
    sys::{
        prctl::set_child_subreaper,
        wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid},
    },
    unistd::{Pid, setsid},
};
use tokio::{
    select,
    signal::unix::{Signal, SignalKind, signal},
    sync::oneshot,
    time::interval,
};

use super::{
    family::Family,
    folder::Folder,
    oom::OomKills,
    record::{Ended, Processes, Record},
};
use crate::owner::Owner;

/// What a server started that ended by itself has so long to end.
const REST_WITHIN: Duration = Duration::from_secs(2);
/// A server whose starter is gone has no longer: whoever starts another wants its GPUs.
const ABANDONED_WITHIN: Duration = Duration::from_secs(1);
/// How often it is looked whether the system kills for memory.
const OOM_LOOKED_EVERY: Duration = Duration::from_secs(1);

/// Holds the server that is written down in `folder`: starts it, and ends it with all that it started when whoever started
/// this process is gone, or asks this process to end. One that is to be kept is not ended with its starter.
///
/// This is all that the process is there for which [`Process::held_by`](crate::Process::held_by) is told of.
///
/// # Errors
///
/// When no server is written down there, or it cannot be started: that is written down, too.
pub fn hold(folder: &Path) -> io::Result<()> {
    let folder = Folder::at(folder);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.and_then(|runtime| runtime.block_on(held(&folder))).inspect_err(|error| {
        let refused = Some(error.to_string());
        // Whoever would read it may be gone.
        let _ = folder.write_ended(&Ended { refused, ..Ended::default() });
    })
}

/// Why a server is to be ended.
enum End {
    /// It did so by itself.
    Itself,
    /// Somebody asked.
    Asked,
    /// Whoever started it is gone.
    Abandoned,
}

async fn held(folder: &Folder) -> io::Result<()> {
    let unknown =
        || io::Error::new(io::ErrorKind::InvalidData, "there is no server to be held here");
    let record = folder.record().ok_or_else(unknown)?;
    // A terminal's signals are for who started it.
    setsid()?;
    // What outlives its parent comes to this process, and is ended with the others.
    set_child_subreaper(true)?;
    let mut children = signal(SignalKind::child())?;
    let mut asks = Asks::new()?;
    let mut kills = OomKills::new();
    let mut child = command(&record, folder.log_to_write()?).spawn()?;
    let (server, holder) = (Owner::of_child(child.id()), Owner::this());
    let mut family = Family::of(server.as_ref(), holder.as_ref());
    let written = match &server {
        Some(server) => folder.write_processes(&Processes::of(server, holder.as_ref())),
        None => Err(io::Error::other("the system does not tell processes apart")),
    };
    if let Err(error) = written {
        end(&mut family, &mut child, Duration::ZERO).await;
        return Err(error);
    }
    let mut abandoned = (!record.is_kept).then(end_of_input);
    let mut looks = interval(OOM_LOOKED_EVERY);
    let ending = loop {
        select! {
            _ = children.recv() => {
                if has_ended(&child).is_some() {
                    break End::Itself;
                }
                bury_orphans(&child);
            }
            () = asks.recv() => break End::Asked,
            () = ended_input(&mut abandoned) => break End::Abandoned,
            _ = looks.tick() => kills.look(),
        }
    };
    // Whatever cannot be written, what the server started is to be ended.
    let (patience, written) = match ending {
        End::Itself => {
            let exit_code = has_ended(&child);
            let oom_killed = exit_code == Some(KILLED) && kills.just_killed();
            let ended = Ended { exit_code, oom_killed, refused: None };
            (REST_WITHIN, folder.write_ended(&ended))
        }
        End::Asked => (record.stop_within(), Ok(())),
        End::Abandoned => (record.stop_within().min(ABANDONED_WITHIN), Ok(())),
    };
    end(&mut family, &mut child, patience).await;
    written?;
    match ending {
        End::Abandoned => folder.remove(),
        End::Asked => {
            let exit_code = has_ended(&child);
            folder.write_ended(&Ended { exit_code, ..Ended::default() })?;
        }
        End::Itself => {}
    }
    // Asked for only now, so that its number was nobody else's until here.
    child.try_wait().map(drop)
}

/// The exit code of what signal 9 ended.
const KILLED: i64 = 128 + 9;

/// The server, in a group of its own.
pub(super) fn command(record: &Record, log: File) -> Command {
    let mut command = Command::new(&record.program);
    command.args(&record.args).stdin(Stdio::null()).process_group(0);
    match log.try_clone() {
        Ok(same) => command.stdout(log).stderr(same),
        Err(_) => command.stdout(Stdio::null()).stderr(log),
    };
    command
}

/// What asks this process to end.
struct Asks([Signal; 3]);

impl Asks {
    fn new() -> io::Result<Self> {
        let [terminate, interrupt, hang_up] =
            [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()];
        Ok(Self([signal(terminate)?, signal(interrupt)?, signal(hang_up)?]))
    }

    async fn recv(&mut self) {
        let [terminate, interrupt, hang_up] = &mut self.0;
        select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            _ = hang_up.recv() => {}
        }
    }
}

/// Told once the standard input has ended. The thread that waits for that ends with the process.
fn end_of_input() -> oneshot::Receiver<()> {
    let (sender, receiver) = oneshot::channel();
    thread::spawn(move || {
        let _ = io::copy(&mut io::stdin(), &mut io::sink());
        let _ = sender.send(());
    });
    receiver
}

async fn ended_input(end: &mut Option<oneshot::Receiver<()>>) {
    match end {
        Some(end) => drop(end.await),
        None => std::future::pending().await,
    }
}

/// How a child has ended, which can still be asked afterwards.
pub(super) fn has_ended(child: &Child) -> Option<i64> {
    let id = Id::Pid(Pid::from_raw(i32::try_from(child.id()).ok()?));
    let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
    match waitid(id, flags).ok()? {
        WaitStatus::Exited(_, code) => Some(i64::from(code)),
        WaitStatus::Signaled(_, signal, _) => Some(128 + i64::from(signal as i32)),
        _ => None,
    }
}

/// Asks for how those ended that came to this process, so that nothing of them is left.
fn bury_orphans(child: &Child) {
    loop {
        let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
        let ended = waitid(Id::All, flags).ok().and_then(|status| status.pid());
        match ended {
            Some(pid) if u32::try_from(pid.as_raw()) != Ok(child.id()) => {
                let _ = waitpid(pid, Some(WaitPidFlag::WNOHANG));
            }
            _ => return,
        }
    }
}

async fn end(family: &mut Family, child: &mut Child, patience: Duration) {
    // What cannot be ended, nobody can; it is told where it was asked for.
    let _ = family.end(patience).await;
    bury_orphans(child);
}

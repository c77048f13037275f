//! Where servers run, and who holds those that are processes.

use std::{
    env,
    path::Path,
    sync::{Arc, OnceLock},
};

#[cfg(feature = "docker")]
use bench_containers::Docker;
use bench_containers::{Backend, Environment, Process, Trouble, With};

use super::failure;
use crate::{Code, Failure};

/// How this program is called to hold a server, if it can.
static HOLD: OnceLock<&[&str]> = OnceLock::new();

/// Says that this program, called with `args` and a folder, does what [`hold`] does. Servers that it starts as processes
/// then end with it though it is killed; otherwise the next run ends them.
pub fn servers_are_held_by(args: &'static [&'static str]) {
    // Whoever said so first was right.
    let _ = HOLD.set(args);
}

/// Holds the server that is written down in `folder`, until it ends or whoever started this process is gone.
///
/// # Errors
///
/// When there is none, or it cannot be started.
pub fn hold(folder: &Path) -> Result<(), Failure> {
    bench_containers::hold(folder).map_err(|error| {
        Failure::new(Code::Start, "the server cannot be started").said(error.to_string())
    })
}

fn processes() -> Result<Process, Trouble> {
    let process = Process::new(Environment::ours())?;
    let program = HOLD.get().and_then(|args| Some((env::current_exe().ok()?, args)));
    Ok(match program {
        Some((program, args)) => process.held_by(program, args.iter()),
        None => process,
    })
}

/// Where servers of that kind run.
///
/// # Errors
///
/// When that cannot be used.
pub(crate) async fn backend(with: With) -> Result<Arc<dyn Backend>, Failure> {
    match with {
        #[cfg(feature = "docker")]
        With::Docker => {
            Ok(Arc::new(Docker::connect(None, Environment::ours()).await.map_err(failure)?))
        }
        #[cfg(feature = "docker")]
        With::Podman => {
            Ok(Arc::new(Docker::connect_podman(None, Environment::ours()).await.map_err(failure)?))
        }
        #[cfg(not(feature = "docker"))]
        With::Docker | With::Podman => {
            let what = "this program was built without containers";
            Err(Failure::new(Code::Backend, what).fix("start it as a process: with: process"))
        }
        With::Process => Ok(Arc::new(processes().map_err(failure)?)),
    }
}

//! From what is asked to a server to start, beside what is up and with the profile that is meant.

use std::collections::BTreeSet;

use bench_containers::{
    Asked, Backend, Cause, Hooks, HostFacts, Launch, Mount, Probe, Up, nim, prepare_folders, up,
};
use bench_telemetry::gpu;

use super::failure;
use crate::{Failure, UpSettings};

/// One server to start, of what was asked, whatever else is up. A profile is left out that the image has to be asked for.
///
/// # Errors
///
/// When that cannot be, or a key is not there.
pub(crate) fn launch(up: &UpSettings) -> Result<Launch, Failure> {
    let profile = up.profile.clone().filter(|profile| is_id(profile));
    let (asked, host) = (asked(up, profile), HostFacts::here(&up.recipe, &up.asked));
    up.recipe.launch(&asked, &host).map_err(failure)
}

/// Whether a profile is named so that no image need be asked for it.
pub(crate) fn is_id(profile: &str) -> bool {
    profile.len() == 64 && profile.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Names that are tried, unless one is asked for.
const MOST_NAMES: usize = 10;

/// The server of a launch of its own, up and ready.
///
/// # Errors
///
/// When it cannot be started, or is not ready in time. Nothing is left of it then.
pub(crate) async fn brought_up(
    asked: &UpSettings,
    backend: &dyn Backend,
    probe: &dyn Probe,
    hooks: &Hooks,
) -> Result<Up, Failure> {
    let mut taken = BTreeSet::new();
    loop {
        let launch = prepared(asked, &taken, backend, hooks).await?;
        match up(backend, &launch, probe, hooks).await {
            // Whoever has the name is not ours, or was quicker.
            Err(trouble) if trouble.cause == Cause::NameTaken && asked.asked.name.is_none() => {
                taken.insert(launch.name);
                if taken.len() == MOST_NAMES {
                    return Err(failure(trouble));
                }
            }
            ended => return ended.map_err(failure),
        }
    }
}

/// The same beside what is up, by none of the names `taken`, with the profile that is meant and the folders that it writes
/// to.
async fn prepared(
    up: &UpSettings,
    taken: &BTreeSet<String>,
    backend: &dyn Backend,
    hooks: &Hooks,
) -> Result<Launch, Failure> {
    let held = backend.list().await.map_err(failure)?;
    let gpus = gpu::inventory(&gpu::Config::default()).ok().map(|found| found.gpus.len());
    let host = HostFacts {
        taken: held.into_iter().map(|held| held.name).chain(taken.iter().cloned()).collect(),
        gpus: gpus.and_then(|gpus| u32::try_from(gpus).ok()),
        ..HostFacts::here(&up.recipe, &up.asked)
    };
    let profile = match &up.profile {
        Some(profile) if !is_id(profile) => {
            let profiles = profiles(up, &host, backend, hooks).await?;
            Some(profiles.choose(profile).map_err(failure)?.id.clone())
        }
        id => id.clone(),
    };
    let launch = up.recipe.launch(&asked(up, profile), &host).map_err(failure)?;
    prepare_folders(&launch).map_err(failure)?;
    Ok(launch)
}

/// What a NIM can be run as here.
///
/// # Errors
///
/// When its image is not to be had, or does not say.
pub(crate) async fn profiles(
    up: &UpSettings,
    host: &HostFacts,
    backend: &dyn Backend,
    hooks: &Hooks,
) -> Result<nim::Profiles, Failure> {
    let listing = nim::listing(&up.recipe, &asked(up, None), host).map_err(failure)?;
    backend.fetch(&listing, hooks).await.map_err(failure)?;
    let said = backend.run_to_end(&listing, hooks).await.map_err(failure)?;
    nim::Profiles::of(&said).map_err(failure)
}

fn asked(up: &UpSettings, profile: Option<String>) -> Asked {
    Asked { mounts: absolute(&up.asked.mounts), profile, ..up.asked.clone() }
}

/// Folders as seen from here.
fn absolute(mounts: &[Mount]) -> Vec<Mount> {
    let absolute = |mount: &Mount| {
        let outside = std::path::absolute(&mount.outside).unwrap_or(mount.outside.clone());
        Mount { outside, ..mount.clone() }
    };
    mounts.iter().map(absolute).collect()
}

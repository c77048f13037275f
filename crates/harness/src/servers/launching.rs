//! From what is asked to a server to start, beside what is up and with the profile that is meant.

use bench_containers::{Asked, Backend, Hooks, HostFacts, Launch, Mount, nim, prepare_folders};
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

/// The same beside what is up, with the profile that is meant and the folders that it writes to.
///
/// # Errors
///
/// When that cannot be, or the image does not say its profiles.
pub(crate) async fn prepared(
    up: &UpSettings,
    backend: &dyn Backend,
    hooks: &Hooks,
) -> Result<Launch, Failure> {
    let held = backend.list().await.map_err(failure)?;
    let gpus = gpu::inventory(&gpu::Config::default()).ok().map(|found| found.gpus.len());
    let host = HostFacts {
        taken: held.into_iter().map(|held| held.name).collect(),
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
    let said = backend.run_to_end(&listing).await.map_err(failure)?;
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

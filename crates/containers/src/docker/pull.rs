//! Images: whether one is here, and how it comes here.

use std::{collections::HashMap, time::Duration};

use bench_core::Level;
use bollard::{
    auth::DockerCredentials, models::CreateImageInfo, query_parameters::CreateImageOptionsBuilder,
};
use tokio::time::{Instant, sleep, sleep_until};

use super::{
    engine::Engine,
    image::Reference,
    login::login,
    refusal::{About, Refusal},
};
use crate::{Cause, Environment, Hooks, Launch, Origin, Progress, Pull, Trouble};

/// Progress is told no more often.
const TOLD_EVERY: Duration = Duration::from_millis(100);
/// How long it is before a pull that broke off is tried once more.
const BEFORE_AGAIN: Duration = Duration::from_secs(1);

/// Sees to it that the image is here, and says which it is.
pub(super) async fn fetch(
    engine: &Engine,
    environment: &Environment,
    launch: &Launch,
    image: &str,
    hooks: &Hooks,
) -> Result<Origin, Trouble> {
    let reference = Reference::of(image);
    let about = About { image, registry: &reference.registry, ..engine.about(&launch.name) };
    let here = found(engine, image, &reference).await.map_err(|refusal| refusal.of_pull(&about))?;
    match (launch.pull, here) {
        (Pull::Missing | Pull::Never, Some(origin)) => return Ok(origin),
        (Pull::Never, None) => {
            let what = format!("{image} is not on this machine, and is not to be pulled");
            return Err(Trouble::new(Cause::ImageMissing, what)
                .fix(format!("docker pull {image}; or let it be pulled: --pull missing")));
        }
        (Pull::Always, _) | (Pull::Missing, None) => {}
    }
    let pulled = tokio::select! {
        pulled = pull(engine, environment, &reference, &about, hooks) => pulled,
        () = hooks.stop.reached(Level::Drain) => {
            Err(Trouble::new(Cause::Stopped, format!("stopped while {image} was being pulled")))
        }
    };
    pulled?;
    let here = found(engine, image, &reference).await.map_err(|refusal| refusal.of_pull(&about))?;
    here.ok_or_else(|| {
        let what = format!("{image} was pulled, and is not there");
        Trouble::new(Cause::Backend, what).fix("try again; something may have removed it")
    })
}

/// What an image is, if it is here.
async fn found(
    engine: &Engine,
    image: &str,
    reference: &Reference,
) -> Result<Option<Origin>, Refusal> {
    match engine.ask(engine.client.inspect_image(image)).await {
        Ok(found) => {
            let digest = reference.digest(found.repo_digests.as_deref().unwrap_or_default());
            Ok(Some(Origin {
                image: Some(image.to_owned()),
                digest: digest.or(found.id),
                program: None,
            }))
        }
        Err(refusal) if refusal.is_missing() => Ok(None),
        Err(refusal) => Err(refusal),
    }
}

/// Pulls it; once more where the registry, or the way to it, broke off.
async fn pull(
    engine: &Engine,
    environment: &Environment,
    reference: &Reference,
    about: &About<'_>,
    hooks: &Hooks,
) -> Result<(), Trouble> {
    let (login, unread) = match login(&reference.registry, environment).await {
        Ok(login) => (login, None),
        Err(why) => (None, Some(why)),
    };
    let mut layers = Layers::default();
    let mut refusal = match pull_once(engine, reference, login.clone(), &mut layers, hooks).await {
        Ok(()) => return Ok(()),
        Err(refusal) => refusal,
    };
    let has_begun = !layers.layers.is_empty();
    if has_begun && refusal.is_broken_off() {
        sleep(BEFORE_AGAIN).await;
        match pull_once(engine, reference, login, &mut Layers::default(), hooks).await {
            Ok(()) => return Ok(()),
            Err(second) => refusal = second,
        }
    }
    let mut trouble = refusal.of_pull(about);
    if let Some(unread) = unread.filter(|_| trouble.cause == Cause::ImageDenied) {
        trouble.said = format!("{}\nDocker's own login could not be read: {unread}", trouble.said);
    }
    Err(trouble)
}

async fn pull_once(
    engine: &Engine,
    reference: &Reference,
    login: Option<DockerCredentials>,
    layers: &mut Layers,
    hooks: &Hooks,
) -> Result<(), Refusal> {
    let options = CreateImageOptionsBuilder::new().from_image(&reference.whole).build();
    let mut stream = engine.client.create_image(Some(options), None, login);
    // When what is known and was not told yet may be told.
    let mut due: Option<Instant> = None;
    let mut told = Instant::now() - TOLD_EVERY;
    loop {
        let message = tokio::select! {
            message = engine.next(&mut stream) => message,
            () = sleep_until(due.unwrap_or(told)), if due.is_some() => {
                hooks.tell(&layers.progress(&reference.whole));
                told = Instant::now();
                due = None;
                continue;
            }
        };
        match message.transpose()? {
            Some(message) if layers.take(&message) => due = due.or(Some(told + TOLD_EVERY)),
            Some(_) => {}
            None => break,
        }
    }
    if due.is_some() {
        hooks.tell(&layers.progress(&reference.whole));
    }
    Ok(())
}

/// How far the layers of an image are.
#[derive(Debug, Default)]
struct Layers {
    layers: HashMap<String, Layer>,
}

#[derive(Debug, Default)]
struct Layer {
    done: u64,
    total: u64,
    is_in_place: bool,
}

impl Layers {
    /// Takes what an engine says, and tells whether that says more of a layer.
    fn take(&mut self, message: &CreateImageInfo) -> bool {
        let (Some(id), Some(status)) = (&message.id, &message.status) else { return false };
        // `Pulling from REPOSITORY` has the tag in the place of a layer.
        if status.starts_with("Pulling from") {
            return false;
        }
        let layer = self.layers.entry(id.clone()).or_default();
        let detail = message.progress_detail.as_ref();
        let bytes = |number: Option<i64>| number.and_then(|number| u64::try_from(number).ok());
        match status.as_str() {
            "Downloading" => {
                layer.done = bytes(detail.and_then(|detail| detail.current)).unwrap_or(layer.done);
                let total = bytes(detail.and_then(|detail| detail.total)).unwrap_or(layer.total);
                layer.total = total.max(layer.done);
            }
            "Verifying Checksum" | "Download complete" | "Extracting" => layer.done = layer.total,
            "Pull complete" | "Already exists" => {
                layer.done = layer.total;
                layer.is_in_place = true;
            }
            _ => {}
        }
        true
    }

    fn progress(&self, image: &str) -> Progress {
        let layers = self.layers.values();
        let sum = |of: fn(&Layer) -> u64| layers.clone().map(of).fold(0, u64::saturating_add);
        Progress::Pulling {
            image: image.to_owned(),
            done: sum(|layer| layer.done),
            total: sum(|layer| layer.total),
            layers_done: layers.filter(|layer| layer.is_in_place).count(),
            layers: self.layers.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use bollard::models::ProgressDetail;

    use super::*;

    fn message(id: &str, status: &str, bytes: Option<(i64, i64)>) -> CreateImageInfo {
        CreateImageInfo {
            id: Some(id.to_owned()),
            status: Some(status.to_owned()),
            progress_detail: bytes.map(|(current, total)| ProgressDetail {
                current: Some(current),
                total: Some(total),
            }),
            error_detail: None,
        }
    }

    #[test]
    fn layers_that_are_larger_than_any_disk_do_no_harm() {
        let mut layers = Layers::default();
        for id in ["a", "b", "c"] {
            layers.take(&message(id, "Downloading", Some((i64::MAX, i64::MAX))));
        }
        let Progress::Pulling { total, .. } = layers.progress("i") else { panic!("no pull") };
        assert_eq!(total, u64::MAX);
    }

    #[test]
    fn layers_are_counted_as_an_engine_tells_of_them() {
        let steps = [
            (message("1", "Pulling from eng/big", None), (0, 0, 0, 0)),
            (message("a", "Pulling fs layer", None), (0, 0, 0, 1)),
            (message("b", "Already exists", None), (0, 0, 1, 2)),
            (message("a", "Downloading", Some((10, 100))), (10, 100, 1, 2)),
            (message("c", "Downloading", Some((5, 50))), (15, 150, 1, 3)),
            (message("a", "Verifying Checksum", None), (105, 150, 1, 3)),
            (message("a", "Extracting", Some((1, 100))), (105, 150, 1, 3)),
            (message("a", "Pull complete", None), (105, 150, 2, 3)),
            // Nonsense does no harm.
            (message("c", "Downloading", Some((-5, -50))), (105, 150, 2, 3)),
            (message("c", "Downloading", Some((70, 50))), (170, 170, 2, 3)),
            (CreateImageInfo::default(), (170, 170, 2, 3)),
        ];
        let mut layers = Layers::default();
        for (message, (done, total, layers_done, of)) in steps {
            layers.take(&message);
            let image = "i".to_owned();
            let expected = Progress::Pulling { image, done, total, layers_done, layers: of };
            assert_eq!(layers.progress("i"), expected, "{message:?}");
        }
    }
}

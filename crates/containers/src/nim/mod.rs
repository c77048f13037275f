//! NIM's profiles: the ways in which an image can run its model, of which one is chosen.
//!
//! Before 2.0 they are engines built for one GPU, precision and degree of parallelism each; since then mostly settings of
//! vLLM or SGLang. An image says itself which of them suit the machine, by `list-model-profiles`.

mod choice;
mod listing;
mod profile;

use crate::{Asked, HostFacts, Launch, Lifetime, Recipe, Trouble};

pub use listing::Profiles;
pub use profile::{Fit, Goal, Profile};

/// What has an image list its profiles: it is run to its end, with the GPUs that the server would have, and without a
/// cache. What it says is for [`Profiles::of`].
///
/// # Errors
///
/// As of [`Recipe::launch`], but for a missing key: an image lists what it has without one.
pub fn listing(recipe: &Recipe, asked: &Asked, host: &HostFacts) -> Result<Launch, Trouble> {
    let args = vec!["list-model-profiles".to_owned()];
    let asked = Asked { args, profile: None, lifetime: Some(Lifetime::WithUs), ..asked.clone() };
    let mut launch = recipe.clone().without_keys().launch(&asked, host)?;
    launch.mounts.retain(|mount| mount.read_only);
    // The server itself may be up.
    launch.name.push_str("-profiles");
    Ok(launch)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{EngineName, With};

    #[test]
    fn profiles_are_listed_by_the_image_itself() {
        let asked = Asked { model: "meta/llama:1.2".to_owned(), ..Asked::default() };
        let home = Some("/users/ann".into());
        let host = HostFacts { home, ..HostFacts::default() };
        let launch = listing(&Recipe::of(EngineName::Nim), &asked, &host).unwrap();
        assert_eq!(launch.name, "inferbench-nim-llama-profiles");
        assert_eq!(launch.args, ["list-model-profiles"]);
        assert!(launch.mounts.is_empty() && launch.env.contains_key("NGC_API_KEY"));
        assert!(
            launch.command(With::Docker).contains("nvcr.io/nim/meta/llama:1.2 list-model-profiles")
        );
    }
}

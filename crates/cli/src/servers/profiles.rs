//! `inferbench profiles`: what a NIM can be run as on this machine.

use bench_core::Stop;
use bench_harness::{
    Exit, Failure, Fit, Profile, Profiles,
    plan::{Content, Node, Origin},
    profiles_of,
};
use bench_report::text::clean;
use clap::Args;
use serde_json::{Value, json};

use super::{
    progress::hooks,
    up::{With, asked, entry},
};
use crate::{args::Ui, output, signals::Signals};

#[derive(Debug, Args)]
pub(crate) struct ProfilesArgs {
    /// The NIM's image, such as meta/llama-3.1-8b-instruct:1.13
    #[arg(value_name = "IMAGE")]
    image: String,

    /// Where it is run to say them [default: docker]
    #[arg(long, value_enum)]
    with: Option<With>,

    /// The GPUs that it may use: all, 2, device=0,1
    #[arg(long)]
    gpus: Option<String>,

    /// Print the profiles as JSON
    #[arg(long)]
    json: bool,
}

/// Lists them.
pub(crate) fn profiles(args: &ProfilesArgs) -> Result<Exit, Failure> {
    let text = |key, flag, text: Option<String>| Some(entry(key, flag, Content::Text(text?)));
    let entries = [
        text("recipe", "profiles", Some("nim".to_owned())),
        text("model", "IMAGE", Some(args.image.clone())),
        text("with", "--with", args.with.map(|with| with.name().to_owned())),
        text("gpus", "--gpus", args.gpus.clone()),
    ];
    let section = Content::Map(entries.into_iter().flatten().collect());
    let (_, asked) = asked(Node::new(Origin::default(), section))?;
    let stop = Stop::new();
    let signals = Signals::give_up(&stop);
    let profiles = match (profiles_of(&asked, &hooks(stop, Ui::Auto)), signals.exit()) {
        (Err(failure), Some(exit)) => {
            output::failure(&failure);
            return Ok(exit);
        }
        (profiles, _) => profiles?,
    };
    output::result(&if args.json { to_json(&profiles).to_string() } else { page(&profiles) })?;
    Ok(Exit::Ok)
}

/// Groups of profiles, the ones that suit best first.
const FITS: [Fit; 4] = [Fit::Runnable, Fit::Buildable, Fit::LowMemory, Fit::Incompatible];

fn page(profiles: &Profiles) -> String {
    let mut lines = Vec::new();
    for (gpus, what) in [(&profiles.free_gpus, "free"), (&profiles.busy_gpus, "in use")] {
        lines.extend(gpus.iter().map(|gpu| format!("GPU {gpu}, {what}")));
    }
    for fit in FITS {
        let group: Vec<&Profile> = profiles.profiles.iter().filter(|p| p.fit == fit).collect();
        if group.is_empty() {
            continue;
        }
        lines.push(format!("{fit}"));
        let width = group.iter().map(|profile| profile.name.chars().count()).max().unwrap_or(0);
        lines.extend(group.iter().map(|profile| {
            let needs = profile.needs.as_deref().unwrap_or_default();
            format!("  {:.12}  {:<width$}  {needs}", profile.id, profile.name).trim_end().to_owned()
        }));
    }
    lines.push(
        "choose: --profile with an id, its beginning, a name, or precision=fp8,tp=1".to_owned(),
    );
    lines.iter().map(|line| clean(line)).collect::<Vec<_>>().join("\n")
}

fn to_json(profiles: &Profiles) -> Value {
    let profile = |profile: &Profile| {
        json!({
            "id": profile.id,
            "name": profile.name,
            "fit": profile.fit.name(),
            "backend": profile.backend,
            "gpu": profile.gpu,
            "precision": profile.precision,
            "tensor_parallel": profile.tensor_parallel,
            "pipeline_parallel": profile.pipeline_parallel,
            "goal": profile.goal.map(bench_harness::ProfileGoal::name),
            "lora": profile.has_lora,
            "needs": profile.needs,
        })
    };
    json!({
        "free_gpus": profiles.free_gpus,
        "busy_gpus": profiles.busy_gpus,
        "profiles": profiles.profiles.iter().map(profile).collect::<Vec<_>>(),
    })
}

//! `inferbench up`: a server that is kept until somebody takes it down.

use bench_core::Stop;
use bench_harness::{
    Code, Exit, Failure, Kept, Lifetime, Server, Settings, Started, UpSettings, command,
    plan::{Content, Entry, Node, Origin, resolve},
};
use bench_report::text::clean;
use clap::{Args, ValueEnum};
use serde_json::json;

use super::progress::hooks;
use crate::{args::Ui, flags::PlanFlags, output, plan, signals::Signals};

/// Where a server runs.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum With {
    /// A container of Docker Engine
    Docker,
    /// A container of Podman
    Podman,
    /// A process of this machine
    Process,
}

#[derive(Debug, Args)]
pub(crate) struct UpArgs {
    /// nim, vllm, sglang, trtllm, llamacpp, ollama, custom, or the file of a recipe
    #[arg(value_name = "ENGINE")]
    engine: String,

    /// The model: a name that the engine knows, a folder or a file; of nim its image
    #[arg(value_name = "MODEL")]
    model: String,

    /// Print the command that does the same, and start nothing
    #[arg(long)]
    print: bool,

    /// What to call the server [default: a name that is free]
    #[arg(long)]
    name: Option<String>,

    /// A variant of the recipe, such as dgx-spark
    #[arg(long)]
    variant: Option<String>,

    /// Where it runs [default: docker]
    #[arg(long, value_enum)]
    with: Option<With>,

    /// Another image than the recipe's
    #[arg(long)]
    image: Option<String>,

    /// Another program than the recipe's, with `--with process`
    #[arg(long)]
    program: Option<String>,

    /// More of its environment; repeatable
    #[arg(long, value_name = "NAME=VALUE", value_parser = variable)]
    env: Vec<(String, String)>,

    /// A variable of this environment to pass on, whose value is a secret; repeatable
    #[arg(long, value_name = "NAME")]
    secret: Vec<String>,

    /// A folder that its container sees; read only without `:rw`; repeatable
    #[arg(long, value_name = "HERE:THERE[:rw]")]
    mount: Vec<String>,

    /// The GPUs that it may use: all, none, 2, device=0,1
    #[arg(long)]
    gpus: Option<String>,

    /// The size of its shared memory, such as 16g
    #[arg(long, value_name = "SIZE")]
    shm_size: Option<String>,

    /// The most memory that it may use, such as 64g
    #[arg(long, value_name = "SIZE")]
    memory: Option<String>,

    /// Docker's runtime for it, such as nvidia
    #[arg(long)]
    runtime: Option<String>,

    /// Its port on this machine [default: one that is free]
    #[arg(long)]
    port: Option<u16>,

    /// When its image is pulled: missing, always, never [default: missing]
    #[arg(long)]
    pull: Option<String>,

    /// How long it may take until it has answered with a token [default: 10m, where the recipe says no more]
    #[arg(long, value_name = "TIME")]
    ready_within: Option<String>,

    /// Of nim: a profile's id or name, or a rule such as precision=fp8,tp=1
    #[arg(long)]
    profile: Option<String>,

    /// Print the result as JSON
    #[arg(long)]
    json: bool,

    /// More arguments of its own, after `--`; one that the recipe has is replaced
    #[arg(last = true, value_name = "ARGS")]
    args: Vec<String>,
}

impl With {
    /// As plans have it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Podman => "podman",
            Self::Process => "process",
        }
    }
}

fn variable(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=').filter(|(name, _)| !name.is_empty());
    let pair = pair.map(|(name, value)| (name.to_owned(), value.to_owned()));
    // It may be a secret: it is not repeated.
    pair.ok_or_else(|| {
        "it is no NAME=VALUE; a secret is passed on by its name: --secret NAME".to_owned()
    })
}

/// Starts a server, and waits until it is ready.
pub(crate) fn up(args: &UpArgs) -> Result<Exit, Failure> {
    let (settings, mut asked) = asked(section(args))?;
    asked.asked.name.clone_from(&args.name);
    asked.asked.lifetime = Some(Lifetime::Kept);
    if args.print {
        output::result(&command(&asked)?)?;
        return Ok(Exit::Ok);
    }
    let stop = Stop::new();
    let signals = Signals::give_up(&stop);
    let kept = Kept::open(hooks(stop, Ui::Auto))?;
    match kept.up(&asked, &settings) {
        Ok(started) => said(args, &started).map(|()| Exit::Ok),
        Err(failure) => match signals.exit() {
            Some(exit) => {
                output::failure(&failure);
                Ok(exit)
            }
            None => Err(failure),
        },
    }
}

fn said(args: &UpArgs, started: &Started) -> Result<(), Failure> {
    let Started { name, url, model, took, .. } = started;
    if args.json {
        let json = json!({"name": name, "url": url, "model": model, "ready_s": took.as_secs_f64()});
        return output::result(&json.to_string());
    }
    let text = [
        format!("{name} is ready at {url} with {model}, after {:.1} s", took.as_secs_f64()),
        format!("  measure     inferbench run --url {url} -m {model}"),
        format!("  its log     inferbench logs {name}"),
        format!("  take down   inferbench down {name}"),
    ];
    output::result(&text.map(|line| clean(&line)).join("\n"))
}

/// What the section `up` of a target comes to, and settings with that target.
pub(super) fn asked(section: Node) -> Result<(Settings, UpSettings), Failure> {
    let mut flags = PlanFlags::default();
    *flags.typed.at_path(&["target", "up"]) = section;
    let settings = resolve(&plan::layered(None, &flags)?, &plan::environment)?;
    match &settings.targets[0].server {
        Server::Up(up) => Ok((settings.clone(), (**up).clone())),
        _ => Err(Failure::new(Code::Bug, "a server that is not to be started")),
    }
}

fn section(args: &UpArgs) -> Node {
    let with = args.with.map(|with| with.name().to_owned());
    let texts = [
        ("recipe", "ENGINE", Some(args.engine.clone())),
        ("model", "MODEL", Some(args.model.clone())),
        ("variant", "--variant", args.variant.clone()),
        ("with", "--with", with),
        ("image", "--image", args.image.clone()),
        ("program", "--program", args.program.clone()),
        ("gpus", "--gpus", args.gpus.clone()),
        ("shm_size", "--shm-size", args.shm_size.clone()),
        ("memory", "--memory", args.memory.clone()),
        ("runtime", "--runtime", args.runtime.clone()),
        ("port", "--port", args.port.map(|port| port.to_string())),
        ("pull", "--pull", args.pull.clone()),
        ("ready_within", "--ready-within", args.ready_within.clone()),
        ("profile", "--profile", args.profile.clone()),
    ];
    let texts = texts
        .into_iter()
        .filter_map(|(key, flag, text)| Some(entry(key, flag, Content::Text(text?))));
    let lists = [
        ("args", "--", &args.args),
        ("secrets", "--secret", &args.secret),
        ("mounts", "--mount", &args.mount),
    ];
    let lists = lists.into_iter().filter(|(_, _, words)| !words.is_empty());
    let lists = lists.map(|(key, flag, words)| {
        let words = words.iter().map(|word| Node::text(Origin::Flag(flag.to_owned()), word));
        entry(key, flag, Content::List(words.collect()))
    });
    let env =
        args.env.iter().map(|(name, value)| entry(name, "--env", Content::Text(value.clone())));
    let env = (!args.env.is_empty()).then(|| entry("env", "--env", Content::Map(env.collect())));
    let entries = texts.chain(lists).chain(env);
    Node::new(Origin::default(), Content::Map(entries.collect()))
}

pub(super) fn entry(key: &str, flag: &str, content: Content) -> Entry {
    let at = Origin::Flag(flag.to_owned());
    Entry { key: key.to_owned(), at: at.clone(), node: Node::new(at, content) }
}

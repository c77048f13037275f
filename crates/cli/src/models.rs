//! `inferbench models`: models that are fetched once and lie ready for each backend.

use std::path::PathBuf;

use bench_core::Stop;
use bench_harness::{
    Exit, Failure, Listed, ModelBackend, ModelRecord, Prepared, ToPrepare, models as listed,
    prepare_model,
};
use bench_report::{json, text::clean};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::{
    args::Ui,
    output,
    servers::{bytes, hooks},
    signals::Signals,
};

#[derive(Debug, Args)]
pub(crate) struct ModelsArgs {
    #[command(subcommand)]
    command: ModelsCommand,
}

#[derive(Debug, Subcommand)]
enum ModelsCommand {
    /// Fetch a model, check that it is whole, and lay it ready for each backend
    Prepare(PrepareArgs),
    /// List the models that lie ready, and those that were broken off
    List(ListArgs),
}

#[derive(Debug, Args)]
struct PrepareArgs {
    /// `ngc:ORG/[TEAM/]MODEL:VERSION`, `hf:ORG/MODEL[@REVISION]`, a folder, a .gguf file, or a model that was downloaded
    #[arg(value_name = "SPEC")]
    spec: String,

    /// What it is to be called
    #[arg(long)]
    name: String,

    /// The folder of all models
    #[arg(long, value_name = "PATH", default_value = "models")]
    dir: PathBuf,

    /// A backend to make a folder for: llama.cpp, ollama, sglang, vllm; may be repeated [default: all]
    #[arg(long, value_name = "NAME")]
    backend: Vec<ModelBackend>,

    /// Put it in the place of the model that has the name
    #[arg(long)]
    force: bool,

    /// What to show while it is fetched
    #[arg(long, value_enum, default_value_t = Ui::Auto)]
    ui: Ui,

    /// Print what it is as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct ListArgs {
    /// The folder of all models
    #[arg(long, value_name = "PATH", default_value = "models")]
    dir: PathBuf,

    /// Print the list as JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn models(args: &ModelsArgs) -> Result<Exit, Failure> {
    match &args.command {
        ModelsCommand::Prepare(args) => prepare(args),
        ModelsCommand::List(args) => list(args),
    }
}

fn prepare(args: &PrepareArgs) -> Result<Exit, Failure> {
    let stop = Stop::new();
    let signals = Signals::end(&stop);
    let asked = ToPrepare {
        spec: args.spec.clone(),
        name: args.name.clone(),
        models: args.dir.clone(),
        backends: args.backend.clone(),
        is_forced: args.force,
    };
    let prepared = match prepare_model(&asked, &hooks(stop, args.ui)) {
        Ok(prepared) => prepared,
        Err(failure) => match signals.exit() {
            Some(exit) => {
                output::failure(&failure);
                return Ok(exit);
            }
            None => return Err(failure),
        },
    };
    let text = if args.json { json::text(&prepared_json(&prepared)) } else { page(&prepared) };
    output::result(&text)?;
    Ok(Exit::Ok)
}

fn page(Prepared { path, record, was_there }: &Prepared) -> String {
    let was_there = if *was_there { ", which was there" } else { "" };
    let mut lines = vec![format!("{}{was_there}: {}", path.display(), about(record))];
    for made in &record.backends {
        let backend = made.backend.name();
        lines.push(match &made.unusable {
            None => format!("  {backend:<10} {}", path.join(backend).join("launch").display()),
            Some(why) => format!("  {backend:<10} not: {why}"),
        });
    }
    lines.iter().map(|line| clean(line) + "\n").collect()
}

fn about(record: &ModelRecord) -> String {
    let files = match record.files.len() {
        1 => "1 file".to_owned(),
        files => format!("{files} files"),
    };
    let quantization = record.quantization.as_ref().map(|label| format!(", {label}"));
    let quantization = quantization.unwrap_or_default();
    format!("{}{quantization}, {files}, {}", record.source, bytes(record.total_bytes))
}

fn list(args: &ListArgs) -> Result<Exit, Failure> {
    let models = listed(&args.dir)?;
    if args.json {
        let list: Vec<Value> = models.iter().map(listed_json).collect();
        output::result(&json::text(&json!(list)))?;
    } else if models.is_empty() {
        let dir = args.dir.display().to_string();
        output::result(&format!(
            "no models in {}; inferbench models prepare SPEC --name NAME",
            clean(&dir)
        ))?;
    } else {
        let lines: String = models.iter().map(|model| clean(&line(model)) + "\n").collect();
        output::result(&lines)?;
    }
    Ok(Exit::Ok)
}

fn line(model: &Listed) -> String {
    match model {
        Listed::Prepared { record, trouble, .. } => {
            let usable = record.backends.iter().filter(|made| made.unusable.is_none());
            let backends: Vec<&str> = usable.map(|made| made.backend.name()).collect();
            let state = match trouble {
                None => backends.join(", "),
                Some(why) => format!("not whole: {why}"),
            };
            format!("{}  {}  {state}", record.name, about(record))
        }
        Listed::Partial { name, source, fetched_bytes } => {
            let source = source.as_deref().unwrap_or("an unknown place");
            format!("{name}  {source}  broken off after {}", bytes(*fetched_bytes))
        }
    }
}

fn listed_json(model: &Listed) -> Value {
    match model {
        Listed::Prepared { path, record, trouble } => {
            json!({"state": "prepared", "path": path, "trouble": trouble, "model": record})
        }
        Listed::Partial { name, source, fetched_bytes } => json!({
            "state": "partial",
            "name": name,
            "source": source,
            "fetched_bytes": fetched_bytes,
        }),
    }
}

fn prepared_json(Prepared { path, record, was_there }: &Prepared) -> Value {
    json!({"path": path, "was_there": was_there, "model": record})
}

//! `inferbench dataset`: files of what to send, checked, made and converted.

use std::{
    fs::File,
    io::BufWriter,
    path::{Path, PathBuf},
};

use bench_harness::{Code, Exit, Failure, input_failure, tokenizer};
use bench_workloads::{
    Conversation, ConversationStatistics, Convert, DatasetFile, Generate, Spread, count_tokens,
    write_conversations,
};
use clap::{Args, Subcommand};

use crate::output;

#[derive(Debug, Args)]
pub(crate) struct DatasetArgs {
    #[command(subcommand)]
    command: DatasetCommand,
}

#[derive(Debug, Subcommand)]
enum DatasetCommand {
    /// Read a file as --input-file does, and say what is in it
    Check(CheckArgs),
    /// Write the conversations that a configuration asks for
    Generate(GenerateArgs),
    /// Write ShareGPT's conversations as lists of messages
    Convert(ConvertArgs),
}

#[derive(Debug, Args)]
struct CheckArgs {
    /// The file
    file: PathBuf,

    /// What it holds [default: found out]
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,

    /// The model's tokenizer [default: a built-in, approximate one]
    #[arg(long, value_name = "PATH")]
    tokenizer: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct GenerateArgs {
    /// The configuration, with `"filetype": "generate_conversations"`
    config: PathBuf,

    /// Where to write the conversations
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,

    /// The model's tokenizer [default: a built-in, approximate one]
    #[arg(long, value_name = "PATH")]
    tokenizer: Option<PathBuf>,

    /// What everything random follows from
    #[arg(long, value_name = "N", default_value = "42")]
    seed: u64,
}

#[derive(Debug, Args)]
struct ConvertArgs {
    /// ShareGPT's file
    input: PathBuf,

    /// Where to write the conversations
    output: PathBuf,

    /// What the order follows from
    #[arg(long, value_name = "N", default_value = "0")]
    seed: u64,

    /// Conversations at most, drawn at random
    #[arg(long, value_name = "N")]
    max_items: Option<usize>,

    /// Messages that a conversation has at least
    #[arg(long, value_name = "N")]
    min_turns: Option<usize>,

    /// Messages after which it is cut off
    #[arg(long, value_name = "N")]
    max_turns: Option<usize>,

    /// Characters of a message at least
    #[arg(long, value_name = "N")]
    min_content_len: Option<usize>,

    /// Characters of a message at most
    #[arg(long, value_name = "N")]
    max_content_len: Option<usize>,

    /// The model's tokenizer, for the statistics [default: a built-in, approximate one]
    #[arg(long, alias = "model", value_name = "PATH")]
    tokenizer: Option<PathBuf>,
}

pub(crate) fn dataset(args: &DatasetArgs) -> Result<Exit, Failure> {
    match &args.command {
        DatasetCommand::Check(args) => check(args)?,
        DatasetCommand::Generate(args) => generate(args)?,
        DatasetCommand::Convert(args) => convert(args)?,
    }
    Ok(Exit::Ok)
}

fn check(args: &CheckArgs) -> Result<(), Failure> {
    let format = args.format.as_ref().map(|name| name.parse()).transpose();
    let format = format.map_err(|error: bench_workloads::UnknownFormat| {
        Failure::new(Code::Setting, error.to_string())
    })?;
    let tokenizer = tokenizer(args.tokenizer.as_deref())?;
    let file = DatasetFile { format, ..DatasetFile::new(&args.file) };
    let read = file.read(&*tokenizer).map_err(|error| input_failure(&error))?;
    for note in &read.notes {
        output::say(&format!("note: {note}"));
    }
    let title = format!("{}: {}", args.file.display(), read.format);
    told(&title, &read.conversations, &tokenizer.to_string())
}

fn generate(args: &GenerateArgs) -> Result<(), Failure> {
    let tokenizer = tokenizer(args.tokenizer.as_deref())?;
    let failed = |error: &_| input_failure(error);
    let config = Generate::read(&args.config).map_err(|error| failed(&error))?;
    let folder = args.config.parent().unwrap_or(Path::new(""));
    let text = config.text(folder).map_err(|error| failed(&error))?;
    let made = config.generate(&text, &*tokenizer, args.seed, &args.config);
    let made = made.map_err(|error| failed(&error))?;
    for note in &made.notes {
        output::say(&format!("note: {note}"));
    }
    write(&args.output, &made.conversations)?;
    told(&args.output.display().to_string(), &made.conversations, &tokenizer.to_string())
}

fn convert(args: &ConvertArgs) -> Result<(), Failure> {
    let tokenizer = tokenizer(args.tokenizer.as_deref())?;
    let how = Convert {
        max_items: args.max_items,
        min_turns: args.min_turns,
        max_turns: args.max_turns,
        min_content_len: args.min_content_len,
        max_content_len: args.max_content_len,
        seed: args.seed,
    };
    let mut converted = how.read(&args.input).map_err(|error| input_failure(&error))?;
    count_tokens(&mut converted.conversations, &*tokenizer);
    write(&args.output, &converted.conversations)?;
    output::say(&format!(
        "{} of {} conversations, from {} entries",
        converted.conversations.len(),
        converted.found,
        converted.entries
    ));
    told(&args.output.display().to_string(), &converted.conversations, &tokenizer.to_string())
}

fn write(path: &Path, conversations: &[Conversation]) -> Result<(), Failure> {
    let failed = |error: &dyn std::error::Error| {
        let what = format!("{} cannot be written", path.display());
        Failure::new(Code::Artifacts, what).caused_by(error)
    };
    let file = File::create(path).map_err(|error| failed(&error))?;
    write_conversations(BufWriter::new(file), conversations).map_err(|error| failed(&error))
}

/// Says how long conversations are, as the multi-turn tool does.
fn told(title: &str, conversations: &[Conversation], tokenizer: &str) -> Result<(), Failure> {
    const COLUMNS: [&str; 10] =
        ["count", "mean", "std", "min", "25%", "50%", "75%", "90%", "99%", "max"];
    let statistics = ConversationStatistics::of(conversations);
    let rows = [
        ("messages", statistics.turns),
        ("user tokens", statistics.user_tokens),
        ("assistant tokens", statistics.assistant_tokens),
        ("request tokens", statistics.request_tokens),
    ];
    let mut lines = vec![
        format!("{title}, {} conversations, tokens counted by {tokenizer}", conversations.len()),
        format!("{:16}", "") + &COLUMNS.map(|name| format!("{name:>10}")).concat(),
    ];
    for (name, spread) in rows {
        lines.extend(spread.map(|spread| format!("{name:16}") + &cells(&spread)));
    }
    output::result(&(lines.join("\n") + "\n"))
}

fn cells(spread: &Spread) -> String {
    let Spread { count, mean, std, min, p25, p50, p75, p90, p99, max } = *spread;
    let numbers = [Some(mean), std, Some(min), Some(p25), Some(p50), Some(p75)];
    let numbers = numbers.into_iter().chain([p90, p99, max].map(Some));
    let cell = |number: Option<f64>| {
        number.map_or_else(|| format!("{:>10}", "-"), |number| format!("{number:>10.2}"))
    };
    format!("{count:>10}") + &numbers.map(cell).collect::<String>()
}

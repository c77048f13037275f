//! `inferbench translate`: a command line of another tool as one of ours.
//!
//! A tool is a table of its flags (what each means here) and a function for what more than a name differs. What cannot
//! be said in ours is told, never left out in silence; secrets are never repeated.

mod guidellm;
mod line;
mod lineage;
mod ours;
mod serving;

use bench_harness::{Code, Exit, Failure};
use bench_report::text::clean;
use clap::{Args, Parser as _};

use self::{
    line::{Known, Line, Means},
    ours::Ours,
};
use crate::{
    args::{Cli, Command},
    output, run,
};

#[derive(Debug, Args)]
pub(crate) struct TranslateArgs {
    /// The other tool's command line, after `--`; in quotes as one text, too
    #[arg(
        value_name = "COMMAND",
        required = true,
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    command: Vec<String>,
}

/// Another tool.
struct Tool {
    /// As people call it.
    name: &'static str,
    /// The words that a call of it begins with; what runs it may stand before them.
    calls: &'static [&'static [&'static str]],
    /// Its flags.
    flags: &'static [Known],
    /// What is said of flags whose names begin so.
    families: &'static [(&'static str, &'static str)],
    /// Says what more than a name differs, defaults among it.
    finish: fn(&Line, &mut Ours),
}

const TOOLS: [&Tool; 6] = [
    &lineage::AIPERF,
    &lineage::GENAI_PERF,
    &lineage::GENAI_PERF_ANALYZE,
    &serving::VLLM,
    &serving::SGLANG,
    &guidellm::GUIDELLM,
];

pub(crate) fn translate(args: &TranslateArgs) -> Result<Exit, Failure> {
    let words = match &args.command[..] {
        [text] => shlex::split(text).ok_or_else(|| {
            Failure::new(Code::Setting, "a quote in the command line is not closed")
        })?,
        words => words.to_vec(),
    };
    let ours = of(&words)?;
    output::result(&ours.to_string())?;
    for note in ours.notes() {
        output::say(&format!("note: {}", clean(note)));
    }
    Ok(Exit::Ok)
}

/// What another tool's command line is in ours.
fn of(words: &[String]) -> Result<Ours, Failure> {
    let Some((tool, rest)) = TOOLS.iter().find_map(|tool| Some((tool, tool.after_call(words)?)))
    else {
        let what = "this is no command line of a tool that is known here";
        return Err(Failure::new(Code::Setting, what)
            .has(TOOLS.map(|tool| tool.name).join(", "))
            .fix("inferbench translate -- aiperf profile --model MODEL --url URL …"));
    };
    let line = Line::read(rest, tool.flags);
    let mut ours = Ours::default();
    for typed in line.typed() {
        match typed.means {
            Some(Means::As(flag)) => typed.values.iter().for_each(|value| ours.set(flag, value)),
            Some(Means::Is(flag)) => ours.switch(flag),
            Some(Means::Needless | Means::Own) => {}
            Some(Means::Missing(instead)) => ours.note(format!("{}: {instead}", typed.name)),
            None => ours.note(match tool.says_of(&typed.name) {
                Some(said) => format!("{}: {said}", typed.name),
                None => format!("{}: not known here, and left out", typed.name),
            }),
        }
    }
    for word in line.left_over() {
        ours.note(format!("{word}: left out: no flag stands before it"));
    }
    (tool.finish)(&line, &mut ours);
    pictures(&mut ours);
    if let Err(what) = runs(&ours) {
        ours.note(format!("to be mended before it runs: {what}"));
    }
    Ok(ours)
}

/// Some tools put pictures into the text of any prompt; here they go where servers take them.
fn pictures(ours: &mut Ours) {
    let takes_none = matches!(ours.value("--endpoint-type"), Some("generate" | "completions"));
    if takes_none && ours.has("--image-count") {
        ours.retain(|flag| flag != "--endpoint-type");
        ours.set("--endpoint-type", "chat");
        ours.note("pictures are sent to the chat API, which takes them");
    }
}

/// Says why `ours` is not yet a command line that measures something.
fn runs(ours: &Ours) -> Result<(), String> {
    let cli = Cli::try_parse_from(ours.words()).map_err(|error| {
        let said = error.to_string();
        said.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned()
    })?;
    match cli.command {
        Command::Run(args) => run::is_plan(&args).map_err(|failure| failure.what),
        _ => Ok(()),
    }
}

impl Tool {
    /// What follows its call among `words`.
    fn after_call<'w>(&self, words: &'w [String]) -> Option<&'w [String]> {
        let named = |word: &str| word.rsplit('/').next().unwrap_or(word).to_owned();
        (0..words.len()).find_map(|at| {
            self.calls.iter().find_map(|call| {
                let here = words.get(at..at + call.len())?;
                let is_it = here.iter().zip(*call).all(|(word, name)| named(word) == *name);
                is_it.then(|| &words[at + call.len()..])
            })
        })
    }

    fn says_of(&self, flag: &str) -> Option<&'static str> {
        let says = self.families.iter().find(|(family, _)| flag.starts_with(family));
        says.map(|(_, said)| *said)
    }
}

#[cfg(test)]
mod tests;

//! Writing to people: failures in four lines, results on standard output.

use std::io::{self, IsTerminal, Write};

use bench_harness::{Code, Failure};
use bench_report::{console::Style, text::clean};

use crate::args::Color;

/// A failure: what, what was said, what there is, what to do, where to read more.
pub(crate) fn failure(failure: &Failure) {
    say(&format!("error{failure}"));
    let lines = [("said", &failure.said), ("it has", &failure.has), ("fix", &failure.fix)];
    for (name, text) in lines {
        let lines = text.iter().flat_map(|text| text.lines());
        for (index, line) in lines.enumerate() {
            let name = if index == 0 { name } else { "" };
            say(&format!("  {name:<8} {}", clean(line)));
        }
    }
    say(&format!("  {:<8} inferbench explain {}", "more", failure.code.name()));
}

/// Tells people something, on standard error; whatever is in it, the terminal does nothing but show it. That
/// nobody reads it is no reason to stop measuring, which `eprintln` would make it.
pub(crate) fn say(text: &str) {
    let lines: Vec<String> = text.split('\n').map(clean).collect();
    let _ = writeln!(io::stderr(), "{}", lines.join("\n"));
}

/// Prints a result. A reader that has gone away, as `head` does, is no error; a full disk is one.
pub(crate) fn result(text: &str) -> Result<(), Failure> {
    let newline = if text.ends_with('\n') { "" } else { "\n" };
    stream(&format!("{text}{newline}")).map(drop)
}

/// Prints some of a result that goes on; false once its reader has gone away.
pub(crate) fn stream(text: &str) -> Result<bool, Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(unwritable(&error)),
    }
}

fn unwritable(error: &io::Error) -> Failure {
    let what = "the result cannot be written to standard output";
    Failure::new(Code::Artifacts, what).said(error.to_string())
}

/// What standard output can show.
pub(crate) fn style(color: Color, ascii: bool) -> Style {
    let color = match color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => {
            let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
            io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none() && !dumb
        }
    };
    Style { color, ascii }
}

/// Columns of standard output: 80 where it is no terminal.
pub(crate) fn width() -> usize {
    let size = io::stdout().is_terminal().then(terminal_size::terminal_size).flatten();
    size.map_or(80, |(width, _)| usize::from(width.0))
}

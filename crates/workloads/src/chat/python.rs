//! Jinja2 as `transformers` sets it up: where it differs from minijinja, and what it adds.

use minijinja::{
    Environment, Error, ErrorKind,
    syntax::SyntaxConfig,
    value::{Kwargs, Value},
};
use minijinja_contrib::pycompat::unknown_method_callback;
use serde::Serialize;
use serde_json::ser::{Formatter, PrettyFormatter, Serializer};

/// The environment that chat templates are rendered in.
pub(super) fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
    environment.set_syntax(syntax.expect("its delimiters are the usual ones"));
    environment.set_unknown_method_callback(unknown_method_callback);
    environment.add_filter("tojson", tojson);
    environment.add_function("raise_exception", raise_exception);
    environment.add_function("strftime_now", strftime_now);
    environment
}

/// The template without `{% generation %}`, which marks what a model is trained to say: what is between is
/// rendered as it stands.
pub(super) fn without_generation(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(at) = rest.find("{%") {
        let (before, tag) = rest.split_at(at + 2);
        out.push_str(before);
        let name = tag.trim_start_matches(['-', '+']).trim_start();
        let replaced = [("endgeneration", "endif"), ("generation", "if true")];
        let known = replaced.into_iter().find(|(of, _)| {
            let behind = name.strip_prefix(of).map(str::trim_start);
            behind.is_some_and(|behind| behind.trim_start_matches(['-', '+']).starts_with("%}"))
        });
        rest = tag;
        if let Some((of, to)) = known {
            let lead = tag.len() - name.len();
            out.push_str(&tag[..lead]);
            out.push_str(to);
            rest = &name[of.len()..];
        }
    }
    out.push_str(rest);
    out
}

/// Python's `json.dumps(value, ensure_ascii=False)`: a space behind commas and colons, and nothing escaped
/// that JSON does not ask for, unlike Jinja's own.
#[expect(clippy::needless_pass_by_value, reason = "a filter is called with its options")]
fn tojson(value: &Value, options: Kwargs) -> Result<Value, Error> {
    let indent: Option<usize> = options.get("indent")?;
    let ascii: Option<bool> = options.get("ensure_ascii")?;
    options.assert_all_used()?;
    if ascii == Some(true) {
        let what = "tojson(ensure_ascii=True) is not supported";
        return Err(Error::new(ErrorKind::InvalidOperation, what));
    }
    let mut json = Vec::new();
    let written = match indent {
        Some(indent) => {
            let indent = " ".repeat(indent.min(16));
            let formatter = PrettyFormatter::with_indent(indent.as_bytes());
            value.serialize(&mut Serializer::with_formatter(&mut json, formatter))
        }
        None => value.serialize(&mut Serializer::with_formatter(&mut json, Spaced)),
    };
    let cause = |error| Error::new(ErrorKind::BadSerialization, "no JSON").with_source(error);
    written.map_err(cause)?;
    Ok(String::from_utf8_lossy(&json).into_owned().into())
}

struct Spaced;

impl Formatter for Spaced {
    fn begin_array_value<W: ?Sized + std::io::Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> std::io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_key<W: ?Sized + std::io::Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> std::io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_value<W: ?Sized + std::io::Write>(
        &mut self,
        writer: &mut W,
    ) -> std::io::Result<()> {
        writer.write_all(b": ")
    }
}

/// How a template refuses messages.
fn raise_exception(message: String) -> Result<Value, Error> {
    Err(Error::new(ErrorKind::InvalidOperation, message))
}

/// Today's date, which some templates tell the model.
fn strftime_now(format: &str) -> Result<String, Error> {
    let cause = |error| Error::new(ErrorKind::InvalidOperation, "no date").with_source(error);
    jiff::fmt::strtime::format(format, &jiff::Zoned::now()).map_err(cause)
}

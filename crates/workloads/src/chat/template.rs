//! Chat templates, as `apply_chat_template` of Python's `transformers` renders them.

use std::{
    collections::BTreeMap,
    fmt, fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use bench_core::Message;
use minijinja::{Environment, Value, context, value::Serde};
use serde_json::{Map, Value as Json};

use super::python;

/// A model's chat template: how messages become one text.
///
/// Counted in tokens, the text is what a server counts for a chat, if it has the same template and is given
/// nothing that it passes on to it, such as tools that it does not know of here.
#[derive(Clone)]
pub struct ChatTemplate {
    environment: Arc<Environment<'static>>,
    source: Arc<str>,
    /// What a template may name beside messages, such as `bos_token`.
    tokens: Arc<BTreeMap<String, String>>,
}

/// Why a chat template is of no use: each names another one to take, or to count the text alone.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChatTemplateError {
    /// There is no tokenizer of that name beside which it could lie.
    #[error(transparent)]
    Tokenizer(#[from] crate::TokenizerError),
    /// There is none: count the text alone, or get the file.
    #[error(
        "no chat template beside {}: neither chat_template.jinja, chat_template.json nor \
         tokenizer_config.json has one",
        tokenizer.display()
    )]
    NotFound {
        /// The tokenizer it was looked for beside.
        tokenizer: PathBuf,
    },
    /// The file that has it cannot be read.
    #[error("{} cannot be read", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It cannot be rendered: it is no such template, or it refuses the messages.
    #[error("the chat template cannot be rendered")]
    Template(#[source] minijinja::Error),
    /// Messages or tools that were given as JSON are none.
    #[error("messages and tools are no JSON")]
    Json(#[source] serde_json::Error),
}

impl ChatTemplate {
    const NAME: &str = "chat template";

    /// Reads the template that lies beside a tokenizer's file: in `chat_template.jinja`, else in
    /// `chat_template.json`, else in `tokenizer_config.json`. Of several, that which is called *default*.
    ///
    /// # Errors
    ///
    /// If there is none, or if it is broken.
    pub fn beside(tokenizer: &Path) -> Result<Self, ChatTemplateError> {
        let read = |name: &str| {
            let path = tokenizer.with_file_name(name);
            match fs::read_to_string(&path) {
                Ok(text) => Ok(Some(text)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(source) => Err(ChatTemplateError::Unreadable { path, source }),
            }
        };
        let object = |name: &str| -> Result<Map<String, Json>, ChatTemplateError> {
            let text = read(name)?.unwrap_or_default();
            Ok(serde_json::from_str(&text).unwrap_or_default())
        };
        let config = object("tokenizer_config.json")?;
        let source = match read("chat_template.jinja")? {
            Some(source) => Some(source),
            None => default_template(&object("chat_template.json")?)
                .or_else(|| default_template(&config)),
        };
        let source = source
            .ok_or_else(|| ChatTemplateError::NotFound { tokenizer: tokenizer.to_owned() })?;
        Self::new(&source, special_tokens(&config))
    }

    /// The template `source`, which may name `tokens`, such as `bos_token`.
    ///
    /// # Errors
    ///
    /// If it is no template.
    pub fn new(source: &str, tokens: BTreeMap<String, String>) -> Result<Self, ChatTemplateError> {
        let mut environment = python::environment();
        environment
            .add_template_owned(Self::NAME, python::without_generation(source))
            .map_err(ChatTemplateError::Template)?;
        Ok(Self {
            environment: Arc::new(environment),
            source: source.into(),
            tokens: Arc::new(tokens),
        })
    }

    /// The text of `messages`, with what asks for an answer at its end. `tools` are those that the model may call:
    /// the JSON of a request's list, whose keys keep their order, since it makes a difference.
    ///
    /// # Errors
    ///
    /// If the template refuses them, as some refuse roles that do not alternate.
    pub fn render(
        &self,
        messages: &[Message],
        tools: Option<&str>,
    ) -> Result<String, ChatTemplateError> {
        let message = |message: &Message| {
            context! { role => message.role.as_str(), content => &*message.content }
        };
        self.render_values(messages.iter().map(message).collect(), tools)
    }

    /// The same of messages as they are in a request, with calls of tools and whatever else they have: `messages`
    /// is the JSON of its list.
    ///
    /// # Errors
    ///
    /// As those of [`render`](Self::render).
    pub fn render_json(
        &self,
        messages: &str,
        tools: Option<&str>,
    ) -> Result<String, ChatTemplateError> {
        self.render_values(parse(messages)?, tools)
    }

    fn render_values(
        &self,
        messages: Value,
        tools: Option<&str>,
    ) -> Result<String, ChatTemplateError> {
        let given = context! {
            messages,
            tools => tools.map(parse).transpose()?,
            documents => Value::from(()),
            add_generation_prompt => true,
        };
        let tokens = Value::from(Serde(&*self.tokens));
        let template = self.environment.get_template(Self::NAME);
        template
            .and_then(|template| template.render(context! { ..given, ..tokens }))
            .map_err(ChatTemplateError::Template)
    }
}

fn parse(json: &str) -> Result<Value, ChatTemplateError> {
    serde_json::from_str(json).map_err(ChatTemplateError::Json)
}

/// Which of the templates of a file is meant: a file has one, or several with names.
fn default_template(file: &Map<String, Json>) -> Option<String> {
    let named = |templates: &Vec<Json>| {
        let default = templates.iter().find(|template| template["name"] == "default")?;
        Some(default["template"].as_str()?.to_owned())
    };
    match file.get("chat_template")? {
        Json::String(template) => Some(template.clone()),
        Json::Array(templates) => named(templates),
        _ => None,
    }
}

/// The tokens of a configuration that have a name, such as `eos_token`.
fn special_tokens(config: &Map<String, Json>) -> BTreeMap<String, String> {
    let token = |(name, token): (&String, &Json)| {
        let text = token.as_str().or_else(|| token.get("content")?.as_str())?;
        name.ends_with("_token").then(|| (name.clone(), text.to_owned()))
    };
    config.iter().filter_map(token).collect()
}

impl PartialEq for ChatTemplate {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source && self.tokens == other.tokens
    }
}

impl fmt::Debug for ChatTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChatTemplate").field("source", &self.source).finish_non_exhaustive()
    }
}

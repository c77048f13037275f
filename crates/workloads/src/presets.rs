//! Workloads that go by a name.

use crate::Length;

/// A task that servers are given, and how long its prompts and answers are.
///
/// The ranges are those of a survey of what people use language models for; within them, each length is as
/// likely as any other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Preset {
    /// Its name.
    pub name: &'static str,
    /// Other names that it goes by.
    pub aliases: &'static [&'static str],
    /// What it stands for.
    pub about: &'static str,
    /// The least and the most input tokens.
    isl: (u32, u32),
    /// The least and the most output tokens.
    osl: (u32, u32),
}

const fn preset(
    name: &'static str,
    aliases: &'static [&'static str],
    about: &'static str,
    isl: (u32, u32),
    osl: (u32, u32),
) -> Preset {
    Preset { name, aliases, about, isl, osl }
}

impl Preset {
    /// All of them, the default first.
    pub const ALL: [Self; 12] = [
        preset(
            "chat",
            &["default"],
            "a chat that has gone on for a while",
            (1024, 1024),
            (128, 128),
        ),
        preset(
            "short-chat",
            &["chat-short", "chatbot", "conversation"],
            "the beginning of a chat",
            (50, 150),
            (100, 500),
        ),
        preset("translation", &["translate"], "a paragraph, and its like", (150, 300), (150, 300)),
        preset(
            "summarization",
            &["summarisation", "summarize", "summary"],
            "a document, and a paragraph about it",
            (500, 2000),
            (100, 300),
        ),
        preset(
            "question-answering",
            &["qa", "question-answer", "questions"],
            "a question with its context",
            (200, 500),
            (50, 200),
        ),
        preset(
            "code-generation",
            &["code", "codegen", "coding"],
            "a task, and a function or two",
            (100, 500),
            (200, 1000),
        ),
        preset(
            "essay",
            &["writing", "essay-writing"],
            "a subject, and pages on it",
            (50, 200),
            (500, 2000),
        ),
        preset(
            "classification",
            &["classify", "sentiment"],
            "a text, and what kind it is",
            (100, 500),
            (10, 50),
        ),
        preset(
            "information-extraction",
            &["extraction", "extract"],
            "a text, and the facts in it",
            (300, 1000),
            (100, 500),
        ),
        preset(
            "rag",
            &["retrieval", "retrieval-augmented-generation"],
            "passages that were retrieved, and an answer from them",
            (4000, 4000),
            (300, 300),
        ),
        preset("agent", &["agentic"], "a step of an agent", (2000, 2000), (200, 200)),
        preset(
            "long",
            &["long-context"],
            "a book, and a page about it",
            (32_000, 32_000),
            (500, 500),
        ),
    ];

    /// The one called `name`, or that by another of its names.
    pub fn named(name: &str) -> Option<&'static Self> {
        let wanted = name.trim().to_ascii_lowercase().replace([' ', '_'], "-");
        let is_it = |preset: &&Self| preset.name == wanted || preset.aliases.contains(&&*wanted);
        const { &Self::ALL }.iter().find(is_it)
    }

    /// Input tokens.
    pub fn isl(&self) -> Length {
        length(self.isl)
    }

    /// Output tokens.
    pub fn osl(&self) -> Length {
        length(self.osl)
    }
}

fn length((least, most): (u32, u32)) -> Length {
    Length::uniform(least, most).expect("each pair of the table is a range of lengths")
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn each_name_names_one_and_lengths_are_those_of_the_table() {
        let mut names = HashSet::new();
        for preset in Preset::ALL {
            for name in std::iter::once(&preset.name).chain(preset.aliases) {
                assert!(names.insert(*name), "{name}");
                assert_eq!(Preset::named(name), Some(&preset));
            }
            assert!(preset.isl().mean() > 0.0 && preset.osl().mean() > 0.0);
        }
        let code = Preset::named("Code_Generation").unwrap();
        assert_eq!(code.isl().to_string(), "uniform(100,500)");
        assert_eq!(code.osl().to_string(), "uniform(200,1000)");
        assert_eq!(Preset::named("rag").unwrap().isl(), Length::fixed(4000).unwrap());
        assert_eq!(Preset::named("poetry"), None);
    }
}

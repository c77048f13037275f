//! Nothing is tokenised where requests are sent.

use std::{
    fmt,
    num::NonZeroUsize,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use bench_core::{
    Load, Plan, Point, Prepared, Prompt, Request, Stop, TokenCounter, Until, run,
    testing::{Collected, Script, Scripted},
};
use bench_workloads::{
    Approximate, Conversations, Course, Dialogues, Length, Prefix, ThinkTime, Tokenizer,
};

/// Notes on which threads it is asked.
#[derive(Debug, Default)]
struct Watched {
    calls: AtomicUsize,
    on_load_threads: AtomicUsize,
}

impl Watched {
    fn note(&self) {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let is_load = thread::current().name().is_some_and(|name| name.starts_with("load-"));
        self.on_load_threads.fetch_add(usize::from(is_load), Ordering::Relaxed);
    }
}

impl TokenCounter for Watched {
    fn count(&self, text: &str) -> u32 {
        self.note();
        Approximate.count(text)
    }

    fn is_exact(&self) -> bool {
        true
    }
}

impl Tokenizer for Watched {
    fn ends(&self, text: &str) -> Vec<usize> {
        self.note();
        Approximate.ends(text)
    }
}

impl fmt::Display for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the watched tokenizer")
    }
}

#[test]
fn conversations_are_held_without_a_tokenizer() {
    let tokenizer = Arc::new(Watched::default());
    let dialogues = Dialogues {
        isl: Length::fixed(20).unwrap(),
        osl: Some(Length::fixed(5).unwrap()),
        mix: None,
        images: None,
        turns: Length::fixed(4).unwrap(),
        think_time: ThinkTime::default(),
        prefix: Prefix { shared: 50, ..Prefix::default() },
        count: NonZeroUsize::new(10).unwrap(),
        seed: 1,
    };
    let talks: Vec<_> = dialogues.make(&*tokenizer).unwrap().into_iter().map(Arc::new).collect();
    let before = tokenizer.calls.load(Ordering::Relaxed);
    assert!(before > 10, "prompts are counted before the start");
    let encode = Arc::new(|prompt: &Prompt| {
        let texts: Vec<&str> = prompt.messages.iter().map(|m| m.content.as_str()).collect();
        Ok(Request::new(prompt, texts.join("\n")))
    });
    let prepared = || Prepared {
        counter: Some(Arc::clone(&tokenizer) as Arc<dyn TokenCounter>),
        ..Prepared::new(
            Arc::new(Scripted::always(Script::tokens(5))),
            Box::new(Conversations::new(&talks, encode.clone(), Course::default()).unwrap()),
        )
    };
    let load = Load::closed(NonZeroUsize::new(3).unwrap());
    let threads = NonZeroUsize::new(2).unwrap();
    let plan = Plan { threads, ..Plan::of(Point::new(load, Until::default())) };
    let mut samples = Collected::default();
    run(&plan, &mut |_| Ok(prepared()), &mut samples, &Stop::new()).unwrap();
    assert_eq!(samples.samples().count(), 40);
    let answers = tokenizer.calls.load(Ordering::Relaxed) - before;
    assert!(answers >= 40, "answers are counted: {answers}");
    assert_eq!(tokenizer.on_load_threads.load(Ordering::Relaxed), 0);
}

//! Conversations held with a scripted server.

use std::{sync::Arc, time::Duration};

use bench_core::{
    Answer, ArrivalKind, Clock, Message, Moment, Outcome, Prompt, ProviderError, Request, Role,
    Sample, Session, Stamp, Usage, Workload,
};
use bench_workloads::{Ask, Conversation, Conversations, Course, Encode, History, Sampling};

/// A dialect whose body is the conversation, a line for each message.
fn lines() -> Encode {
    Arc::new(|prompt: &Prompt| {
        let line = |m: &Message| format!("{}: {}\n", m.role.as_str(), m.content);
        Ok(Request::new(prompt, prompt.messages.iter().map(line).collect::<String>()))
    })
}

/// The record of an answer that says `text` in `tokens` tokens.
fn answered(text: &str, tokens: u32, outcome: Outcome) -> Answer {
    let mut answer = Answer::new(Clock::start());
    answer.begin(Sample::due(Moment::default()), &Request::default());
    answer.generated(Stamp::of_read(Moment::from_nanos(1)), ArrivalKind::Content, text, None);
    answer.usage(Usage { prompt: 1, completion: tokens, ..Usage::default() });
    answer.take_sample(outcome, None);
    answer
}

/// A conversation of `turns` questions of ten tokens, each with a recorded answer of five.
fn conversation(id: &str, turns: usize) -> Arc<Conversation> {
    let ask = |n: usize| Ask {
        tokens: Some(10),
        answer: Some(Message::assistant(format!("recorded {n}"))),
        answer_tokens: Some(5),
        output_tokens: Some(7),
        delay: Duration::from_secs(n as u64),
        ..Ask::user(format!("{id} asks {n}"))
    };
    let turns = (0..turns).map(ask).collect();
    Arc::new(Conversation { id: id.into(), turns, ..Conversation::default() })
}

fn workload(list: &[Arc<Conversation>], course: Course) -> Conversations {
    Conversations::new(list, lines(), course).unwrap()
}

fn text(request: &Request) -> &str {
    std::str::from_utf8(&request.body).unwrap()
}

fn ids(workload: &mut Conversations, most: usize) -> Vec<String> {
    let first = |session: &mut Box<dyn Session>| session.next_turn(None).unwrap().request;
    let sessions = std::iter::from_fn(|| workload.next_session()).take(most);
    sessions.map(|mut session| first(&mut session).id.unwrap().to_string()).collect()
}

#[test]
fn each_turn_repeats_what_was_said_and_counts_it() {
    for (history, said, tokens) in [(History::Live, "live", 3), (History::Recorded, "recorded", 5)]
    {
        let course = Course { history, ..Course::default() };
        let mut session = workload(&[conversation("a", 3)], course).next_session().unwrap();
        let first = session.next_turn(None).unwrap();
        assert_eq!(text(&first.request), "user: a asks 0\n");
        let counts = |r: &Request| (r.input_tokens, r.repeated_tokens, r.output_tokens);
        assert_eq!(counts(&first.request), (Some(10), Some(0), Some(7)));
        let second = session.next_turn(Some(&answered("live 0", 3, Outcome::Ok))).unwrap();
        assert_eq!(
            text(&second.request),
            format!("user: a asks 0\nassistant: {said} 0\nuser: a asks 1\n")
        );
        assert_eq!(counts(&second.request), (Some(20 + tokens), Some(10 + tokens), Some(7)));
        assert_eq!((second.delay, &*second.request.id.unwrap()), (Duration::from_secs(1), "a"));
        let third = session.next_turn(Some(&answered("live 1", 3, Outcome::Ok))).unwrap();
        assert_eq!(text(&third.request).lines().count(), 5);
        assert!(session.next_turn(Some(&answered("live 2", 3, Outcome::Ok))).is_none());
    }
}

#[test]
fn a_conversation_goes_on_after_a_failure_only_with_a_recorded_answer() {
    for (history, goes_on) in [(History::Live, false), (History::Recorded, true)] {
        let course = Course { history, ..Course::default() };
        let mut session = workload(&[conversation("a", 2)], course).next_session().unwrap();
        session.next_turn(None).unwrap();
        let failed = answered("half an ans", 3, Outcome::Reset);
        assert_eq!(session.next_turn(Some(&failed)).is_some(), goes_on);
    }
}

#[test]
fn what_nobody_counted_is_not_made_up() {
    let ask = |tokens| Ask { tokens, ..Ask::user("hi") };
    let conversation = Conversation {
        id: "a".into(),
        turns: vec![ask(Some(4)), ask(None), ask(Some(4))],
        ..Conversation::default()
    };
    let mut session =
        workload(&[Arc::new(conversation)], Course::default()).next_session().unwrap();
    session.next_turn(None).unwrap();
    let ok = answered("yes", 2, Outcome::Ok);
    let second = session.next_turn(Some(&ok)).unwrap().request;
    assert_eq!((second.input_tokens, second.repeated_tokens), (None, Some(6)));
    let third = session.next_turn(Some(&ok)).unwrap().request;
    assert_eq!((third.input_tokens, third.repeated_tokens), (None, None));
}

#[test]
fn the_first_turns_may_be_asked_apart_and_the_others_go_on_from_them() {
    let list = [conversation("a", 2), conversation("b", 1), conversation("c", 3)];
    let (mut first, mut later) = workload(&list, Course::default()).split();
    let mut told = Vec::new();
    while let Some(mut session) = first.next_session() {
        let turn = session.next_turn(None).unwrap();
        assert_eq!((text(&turn.request).lines().count(), session.first_turn()), (1, 0));
        let answer = answered(&format!("live to {}", turn.request.id.unwrap()), 3, Outcome::Ok);
        assert!(session.next_turn(Some(&answer)).is_none());
        told.push(session);
    }
    assert_eq!(told.len(), 3);
    let mut session = later.next_session().unwrap();
    let second = session.next_turn(None).unwrap().request;
    assert_eq!(text(&second), "user: a asks 0\nassistant: live to a\nuser: a asks 1\n");
    assert_eq!((second.input_tokens, second.repeated_tokens), (Some(23), Some(13)));
    assert_eq!(session.first_turn(), 1);
    assert_eq!(ids(&mut later, 9), ["c"], "of a single turn, nothing is left");
    let (_, mut later) = workload(&[conversation("b", 1)], Course::default()).split();
    assert!(later.next_session().is_none());
}

#[test]
fn a_conversation_whose_first_turn_failed_apart_does_not_go_on() {
    let (mut first, mut later) = workload(&[conversation("a", 2)], Course::default()).split();
    let mut session = first.next_session().unwrap();
    session.next_turn(None).unwrap();
    session.next_turn(Some(&answered("", 0, Outcome::Reset)));
    assert!(later.next_session().unwrap().next_turn(None).is_none());
}

#[test]
fn conversations_come_in_the_order_asked_for() {
    let list: Vec<_> = (0..20).map(|n| conversation(&n.to_string(), 1)).collect();
    let in_order: Vec<String> = (0..20).map(|n: u32| n.to_string()).collect();
    let of = |sampling, loops, seed, most| {
        ids(&mut workload(&list, Course { sampling, loops, seed, ..Course::default() }), most)
    };
    assert_eq!(of(Sampling::Sequential, false, 1, 99), in_order);
    assert_eq!(of(Sampling::Sequential, true, 1, 40), [&in_order[..], &in_order[..]].concat());
    let shuffled = of(Sampling::Shuffle, true, 1, 40);
    assert_eq!(shuffled, of(Sampling::Shuffle, true, 1, 40));
    assert_ne!(shuffled, of(Sampling::Shuffle, true, 2, 40));
    assert_ne!(shuffled[..20], shuffled[20..], "drawn anew for each pass");
    for pass in shuffled.chunks(20) {
        let mut pass = pass.to_vec();
        pass.sort_by_key(|id| id.parse::<u32>().unwrap());
        assert_eq!(pass, in_order);
    }
    let random = of(Sampling::Random, false, 1, 60);
    assert_eq!(random, of(Sampling::Random, false, 1, 60));
    let mut twice = random[..20].to_vec();
    twice.sort();
    twice.dedup();
    assert!(twice.len() < 20, "some come twice before others come once");
}

#[test]
fn what_cannot_be_encoded_is_refused_before_the_start() {
    let encode: Encode = Arc::new(|prompt: &Prompt| match &*prompt.messages[0].content {
        "b asks 0" => Err(ProviderError::new(Outcome::Client, "no")),
        _ => Ok(Request::new(prompt, "")),
    });
    let list = [conversation("a", 1), conversation("b", 1)];
    let error = Conversations::new(&list, encode, Course::default()).unwrap_err();
    assert_eq!(error.to_string(), "cannot encode prompt 1");
    let error = Conversations::new(&[], lines(), Course::default()).unwrap_err();
    assert_eq!(error.to_string(), "there is no conversation");
}

#[test]
fn tool_calls_of_the_model_are_repeated_with_what_came_of_them() {
    let result = Message::tool(0, "4 degrees");
    let turns = vec![Ask::user("weather?"), Ask { messages: vec![result], ..Ask::default() }];
    let conversation = Conversation { id: "a".into(), turns, ..Conversation::default() };
    let encode: Encode = Arc::new(|prompt: &Prompt| {
        if let [_, called, said] = &prompt.messages[..] {
            assert_eq!((called.role, &*called.tool_calls[0].name), (Role::Assistant, "weather"));
            assert_eq!((said.role, said.answers_call), (Role::Tool, Some(0)));
        }
        Ok(Request::new(prompt, prompt.messages.len().to_string()))
    });
    let list = [Arc::new(conversation)];
    let mut session =
        Conversations::new(&list, encode, Course::default()).unwrap().next_session().unwrap();
    session.next_turn(None).unwrap();
    let mut answer = Answer::new(Clock::start());
    answer.begin(Sample::due(Moment::default()), &Request::default());
    answer.tool_call(Stamp::of_read(Moment::from_nanos(1)), 0, "weather", "{}");
    answer.take_sample(Outcome::Ok, None);
    assert_eq!(text(&session.next_turn(Some(&answer)).unwrap().request), "3");
}

use std::time::Duration;

use bench_core::{
    Arrival, ArrivalKind, Connect, FinishReason, Grade, Moment, Outcome, Phase, Reading, Sample,
    ServerTimes, ToolCall, Usage,
};
use bench_store::{ReadingLine, SampleLine};
use proptest::{
    option,
    prelude::{Just, Strategy, any, prop, prop_assert_eq, prop_oneof, proptest},
    sample::select,
};

fn moment() -> impl Strategy<Value = Moment> {
    any::<u64>().prop_map(Moment::from_nanos)
}

fn arrival() -> impl Strategy<Value = Arrival> {
    let kind = select(ArrivalKind::ALL.map(|(kind, _)| kind).to_vec());
    let tokens = prop_oneof![3 => Just(0), 1 => any::<u16>()];
    (moment(), option::of(any::<u32>()), any::<u32>(), tokens, kind, any::<bool>()).prop_map(
        |(at, lag, bytes, tokens, kind, coalesced)| Arrival {
            at,
            lag_ns: lag.unwrap_or(0),
            bytes,
            tokens,
            kind,
            coalesced,
            kernel: lag.is_some(),
        },
    )
}

fn outcome() -> impl Strategy<Value = Outcome> {
    let named = ["ok", "rate_limited", "refused", "idle_timeout", "in_band_error", "cancelled"];
    let named = select(named.map(|name| name.parse().unwrap()).to_vec());
    prop_oneof![named, any::<u16>().prop_map(Outcome::Http)]
}

fn usage() -> impl Strategy<Value = Usage> {
    (any::<u32>(), any::<u32>(), option::of(any::<u32>()), option::of(any::<u32>())).prop_map(
        |(prompt, completion, reasoning, cached)| Usage { prompt, completion, reasoning, cached },
    )
}

fn server_times() -> impl Strategy<Value = ServerTimes> {
    let time = || option::of(any::<u64>().prop_map(Duration::from_nanos));
    (time(), time(), time(), time()).prop_map(|(load, queue, prefill, decode)| ServerTimes {
        load,
        queue,
        prefill,
        decode,
    })
}

fn finish() -> impl Strategy<Value = FinishReason> {
    select(vec!["stop", "length", "tool_calls", "content_filter", ""]).prop_map(FinishReason::from)
}

fn text() -> impl Strategy<Value = Option<String>> {
    option::of(any::<String>())
}

fn grade() -> impl Strategy<Value = Grade> {
    let score = option::of(0.0_f32..=1.0);
    (any::<bool>(), score, option::of(any::<bool>()))
        .prop_map(|(correct, score, name_correct)| Grade { correct, score, name_correct })
}

fn tool_calls() -> impl Strategy<Value = Vec<ToolCall>> {
    let call = (any::<String>(), any::<String>());
    prop::collection::vec(call.prop_map(|(name, arguments)| ToolCall { name, arguments }), 0..3)
}

fn sample() -> impl Strategy<Value = Sample> {
    let place = (
        any::<u32>(),
        any::<bool>(),
        any::<u64>(),
        any::<u64>(),
        any::<u32>(),
        0..3_u32,
        any::<bool>(),
        option::of(any::<u32>()),
    );
    let connect = option::of((moment(), moment()));
    let maybe = || option::of(moment());
    let moments = (moment(), connect, maybe(), maybe(), maybe(), maybe());
    let counts = (
        option::of(any::<u32>()),
        option::of(any::<u32>()),
        option::of(any::<u32>()),
        option::of(any::<u32>()),
    );
    let end = (outcome(), text(), option::of(usage()), server_times(), option::of(finish()));
    let arrivals = prop::collection::vec(arrival(), 0..6);
    let said = (any::<String>(), text(), any::<bool>(), text());
    let judged = (any::<bool>(), option::of(grade()), tool_calls());
    (place, moments, counts, end, arrivals, said, judged).prop_map(
        |(place, moments, counts, end, arrivals, said, judged)| {
            let (point, warm_up, number, session, turn, attempt, resent, place) = place;
            let (due, connect, sent, headers, tool_call, done) = moments;
            let (input_tokens, repeated_tokens, asked_tokens, counted_tokens) = counts;
            let (outcome, error, usage, server, finish) = end;
            let (request_id, text, streamed, id) = said;
            let (expects, grade, tool_calls) = judged;
            Sample {
                request_id,
                id: id.map(Into::into),
                point,
                phase: if warm_up { Phase::WarmUp } else { Phase::Measure },
                number,
                session,
                turn,
                place,
                attempt,
                due,
                connect: connect.map(|(began, done)| Connect { began, done }),
                sent,
                resent,
                headers,
                streamed,
                arrivals,
                tool_call,
                done,
                outcome,
                error,
                input_tokens,
                repeated_tokens,
                asked_tokens,
                counted_tokens,
                usage,
                server,
                finish,
                expects,
                grade,
                text,
                tool_calls,
            }
        },
    )
}

proptest! {
    #[test]
    fn a_sample_reads_back_as_it_was(sample in sample()) {
        let line = serde_json::to_string(&SampleLine::from(&sample)).unwrap();
        prop_assert_eq!(line.lines().count(), 1);
        let read: SampleLine = serde_json::from_str(&line).unwrap();
        prop_assert_eq!(Sample::try_from(read).unwrap(), sample);
    }

    #[test]
    fn a_reading_reads_back_as_it_was(
        (source, name, instance) in (any::<String>(), any::<String>(), text()),
        at in moment(),
        value in proptest::num::f64::NORMAL | proptest::num::f64::ZERO | proptest::num::f64::SUBNORMAL,
    ) {
        let (source, name, instance) = (source.into(), name.into(), instance.map(Into::into));
        let reading = Reading { source, name, instance, at, value };
        let line = serde_json::to_string(&ReadingLine::from(&reading)).unwrap();
        let read: ReadingLine = serde_json::from_str(&line).unwrap();
        prop_assert_eq!(Reading::from(read), reading);
    }
}

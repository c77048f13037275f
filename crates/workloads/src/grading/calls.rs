//! Calls of tools against those that were expected.

use bench_core::{Grade, ToolCall};
use serde_json::{Map, Value};

use super::{InvalidRule, json};

/// That calls could be like these.
pub(super) fn check(expected: &[ToolCall]) -> Result<(), InvalidRule> {
    match expected.iter().find(|call| arguments(call).is_none()) {
        Some(call) => Err(InvalidRule::Arguments(call.name.clone())),
        None => Ok(()),
    }
}

/// Each expected call has to be there once, in any order, and none beside.
pub(super) fn grade(expected: &[ToolCall], found: &[ToolCall]) -> Grade {
    let names = |call: &ToolCall, other: &ToolCall| call.name == other.name;
    let all = |call: &ToolCall, other: &ToolCall| {
        let both = || arguments(call).zip(arguments(other));
        names(call, other) && both().is_some_and(|(a, b)| json::are_equal(&a, &b))
    };
    let name_correct = are_same(expected, found, names);
    let correct = name_correct && are_same(expected, found, all);
    Grade { name_correct: Some(name_correct), ..Grade::of(correct) }
}

fn are_same(
    expected: &[ToolCall],
    found: &[ToolCall],
    is_same: impl Fn(&ToolCall, &ToolCall) -> bool,
) -> bool {
    let mut left: Vec<&ToolCall> = found.iter().collect();
    expected.len() == found.len()
        && expected.iter().all(|call| {
            let place = left.iter().position(|other| is_same(call, other));
            place.map(|place| left.swap_remove(place)).is_some()
        })
}

/// A call without arguments may have no text for them.
fn arguments(call: &ToolCall) -> Option<Value> {
    if call.arguments.trim().is_empty() {
        return Some(Value::Object(Map::new()));
    }
    serde_json::from_str(&call.arguments).ok().filter(Value::is_object)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calls(calls: &[(&str, &str)]) -> Vec<ToolCall> {
        let call = |(name, arguments): &(&str, &str)| ToolCall {
            name: (*name).into(),
            arguments: (*arguments).into(),
        };
        calls.iter().map(call).collect()
    }

    #[test]
    fn calls_are_the_same_in_any_order_and_none_may_be_missing_or_extra() {
        let oslo = ("weather", "{\"city\":\"Oslo\",\"days\":3}");
        let oslo_again = ("weather", "{\"days\": 3.0, \"city\": \"Oslo\"}");
        let rome = ("weather", "{\"city\":\"Rome\",\"days\":3}");
        let time = ("time", "");
        for (expected, found, correct, name_correct) in [
            (vec![oslo], vec![oslo_again], true, true),
            (vec![oslo, rome], vec![rome, oslo], true, true),
            (vec![oslo], vec![rome], false, true),
            (vec![oslo], vec![], false, false),
            (vec![oslo], vec![oslo, oslo], false, false),
            (vec![oslo, oslo], vec![oslo, rome], false, true),
            (vec![], vec![], true, true),
            (vec![], vec![time], false, false),
            (vec![time], vec![("time", "{}")], true, true),
            (vec![time], vec![("clock", "{}")], false, false),
            (vec![time], vec![("time", "{")], false, true),
            (vec![time], vec![("time", "null")], false, true),
        ] {
            let grade = grade(&calls(&expected), &calls(&found));
            let both = (grade.correct, grade.name_correct);
            assert_eq!(both, (correct, Some(name_correct)), "{expected:?}, {found:?}");
        }
    }
}

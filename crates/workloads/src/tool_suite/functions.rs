//! The functions that may be called.

use bench_core::Tool;
use serde_json::{Value, json};

pub(super) fn all() -> Vec<Tool> {
    let text = |what: &str| json!({"type": "string", "description": what});
    let number = |what: &str| json!({"type": "number", "description": what});
    let one_of =
        |what: &str, words: &[&str]| json!({"type": "string", "description": what, "enum": words});
    let units = [
        "meter",
        "kilometer",
        "mile",
        "foot",
        "inch",
        "centimeter",
        "kilogram",
        "pound",
        "celsius",
        "fahrenheit",
    ];
    let languages = ["english", "french", "german", "spanish"];
    vec![
        tool(
            "get_weather",
            "Tells the weather in a city right now.",
            &[
                ("city", text("Name of the city, without the country")),
                ("unit", one_of("Unit of the temperature", &["celsius", "fahrenheit"])),
            ],
        ),
        tool(
            "calculate",
            "Calculates with two numbers, exactly.",
            &[
                ("operation", one_of("What to do", &["add", "subtract", "multiply", "divide"])),
                ("a", number("The first number")),
                ("b", number("The second number")),
            ],
        ),
        tool(
            "convert_units",
            "Converts a value from one unit into another.",
            &[
                ("value", number("The value")),
                ("from", one_of("The unit that it is in", &units)),
                ("to", one_of("The unit that it is wanted in", &units)),
            ],
        ),
        tool(
            "create_event",
            "Puts an event into the user's calendar.",
            &[
                ("title", text("What it is called")),
                ("date", text("The day, as YYYY-MM-DD")),
                ("time", text("When it begins, as HH:MM in 24 hours")),
            ],
        ),
        tool("search_web", "Searches the web.", &[("query", text("What to search for"))]),
        tool(
            "send_message",
            "Sends a text message to one person.",
            &[("to", text("First name of the person")), ("text", text("The message"))],
        ),
        tool(
            "set_timer",
            "Sets a timer that rings when it is over.",
            &[("minutes", json!({"type": "integer", "description": "Minutes from now"}))],
        ),
        tool(
            "translate",
            "Translates a text.",
            &[
                ("text", text("The text")),
                ("to", one_of("The language that it is wanted in", &languages)),
            ],
        ),
    ]
}

/// A function that needs all of its arguments.
fn tool(name: &str, description: &str, arguments: &[(&str, Value)]) -> Tool {
    let required: Vec<&str> = arguments.iter().map(|(name, _)| *name).collect();
    let properties: serde_json::Map<String, Value> =
        arguments.iter().map(|(name, schema)| ((*name).to_owned(), schema.clone())).collect();
    let parameters = json!({
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    });
    Tool {
        name: name.to_owned(),
        description: description.to_owned(),
        parameters: parameters.to_string(),
    }
}

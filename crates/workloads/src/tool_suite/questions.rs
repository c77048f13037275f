//! The questions.

use super::Question;

pub(super) const ALL: [Question; 24] = [
    // One call.
    (
        "What is the weather like in Oslo right now? In celsius, please.",
        &[("get_weather", r#"{"city":"Oslo","unit":"celsius"}"#)],
    ),
    (
        "How many degrees fahrenheit does it have in Cairo at the moment?",
        &[("get_weather", r#"{"city":"Cairo","unit":"fahrenheit"}"#)],
    ),
    (
        "Use the calculator: what is 4817 times 293?",
        &[("calculate", r#"{"operation":"multiply","a":4817,"b":293}"#)],
    ),
    (
        "Use the calculator to divide 9.75 by 0.3.",
        &[("calculate", r#"{"operation":"divide","a":9.75,"b":0.3}"#)],
    ),
    (
        "A marathon has 26.2 miles. How many kilometers are that? Convert it, do not estimate.",
        &[("convert_units", r#"{"value":26.2,"from":"mile","to":"kilometer"}"#)],
    ),
    (
        "Put \"Dentist\" into my calendar for 2027-03-04 at 15:30.",
        &[("create_event", r#"{"title":"Dentist","date":"2027-03-04","time":"15:30"}"#)],
    ),
    (
        "Send Maria this message: I am on my way",
        &[("send_message", r#"{"to":"Maria","text":"I am on my way"}"#)],
    ),
    ("Set a timer for 12 minutes.", &[("set_timer", r#"{"minutes":12}"#)]),
    (
        "Search the web for: tide tables of Brest",
        &[("search_web", r#"{"query":"tide tables of Brest"}"#)],
    ),
    (
        "Use the translator to put this into french: where is the station",
        &[("translate", r#"{"text":"where is the station","to":"french"}"#)],
    ),
    // One call, of several functions that come to mind.
    ("The rice needs 18 minutes. Tell me when it is done.", &[("set_timer", r#"{"minutes":18}"#)]),
    (
        "The oven says 350 degrees fahrenheit. Convert that into celsius.",
        &[("convert_units", r#"{"value":350,"from":"fahrenheit","to":"celsius"}"#)],
    ),
    (
        "I have 1204.5 in the bank and pay 377.25 of it. What is left? Use the calculator.",
        &[("calculate", r#"{"operation":"subtract","a":1204.5,"b":377.25}"#)],
    ),
    (
        "On 2027-11-19 at 09:00 the \"Budget review\" takes place. Do not let me forget it: note it down.",
        &[("create_event", r#"{"title":"Budget review","date":"2027-11-19","time":"09:00"}"#)],
    ),
    (
        "Let Ahmed know by text message, in these words: the keys are under the mat",
        &[("send_message", r#"{"to":"Ahmed","text":"the keys are under the mat"}"#)],
    ),
    // Several calls at once.
    (
        "Compare the weather in Rome and in Madrid, both in celsius.",
        &[
            ("get_weather", r#"{"city":"Rome","unit":"celsius"}"#),
            ("get_weather", r#"{"city":"Madrid","unit":"celsius"}"#),
        ],
    ),
    (
        "Set two timers: one for 5 minutes and one for 20 minutes.",
        &[("set_timer", r#"{"minutes":5}"#), ("set_timer", r#"{"minutes":20}"#)],
    ),
    (
        "Convert 10 inches into centimeters, and 3 feet into meters.",
        &[
            ("convert_units", r#"{"value":10,"from":"inch","to":"centimeter"}"#),
            ("convert_units", r#"{"value":3,"from":"foot","to":"meter"}"#),
        ],
    ),
    (
        "Send both Ali and Noor, each by a message of their own, these words: dinner is at eight",
        &[
            ("send_message", r#"{"to":"Ali","text":"dinner is at eight"}"#),
            ("send_message", r#"{"to":"Noor","text":"dinner is at eight"}"#),
        ],
    ),
    (
        "I need the weather in Lima in celsius, and a timer for 30 minutes.",
        &[
            ("get_weather", r#"{"city":"Lima","unit":"celsius"}"#),
            ("set_timer", r#"{"minutes":30}"#),
        ],
    ),
    // No call.
    ("Thank you, that is all for today.", &[]),
    ("In your own words and in one sentence: what is a timer?", &[]),
    ("What is two plus two? Do it in your head.", &[]),
    ("Write a line of a poem about rain. You need no help with it.", &[]),
];

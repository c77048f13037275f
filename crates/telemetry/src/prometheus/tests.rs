use proptest::prelude::*;

use super::*;

fn parse(text: &str) -> Result<Vec<(String, f64)>, String> {
    let read = Exposition::parse(text.as_bytes()).map_err(|error| error.to_string())?;
    let shown = |series: &Series<'_>| {
        let labels: Vec<_> = series.labels().map(|(key, value)| format!("{key}={value}")).collect();
        (format!("{}|{}", series.name, labels.join("|")), series.value)
    };
    Ok(read.series().iter().map(shown).collect())
}

#[track_caller]
fn check(text: &str, expected: &[(&str, f64)]) {
    let expected: Vec<_> = expected.iter().map(|(name, v)| ((*name).to_owned(), *v)).collect();
    assert_eq!(parse(text).unwrap(), expected, "{text:?}");
}

#[test]
fn what_servers_send_is_read() {
    check("", &[]);
    check("up 1\n", &[("up|", 1.0)]);
    check("up{} 1\r\n\r\n", &[("up|", 1.0)]);
    check(" \tup \t1.5e3 \n", &[("up|", 1_500.0)]);
    check("a:b_c{le=\"+Inf\"} +Inf\n", &[("a:b_c|le=+Inf", f64::INFINITY)]);
    check("a -Inf 1700000000000\nb 1 -5\n", &[("a|", f64::NEG_INFINITY), ("b|", 1.0)]);
    check("a { x = \"1\" , y=\"2\", } 3\n", &[("a|x=1|y=2", 3.0)]);
    check("a{x=\"}#, =\",y=\"\"} 3\n", &[("a|x=}#, =|y=", 3.0)]);
    check("a{x=\"q\\\"b\\\\n\\n\\d\"} 3\n", &[("a|x=q\"b\\n\n\\d", 3.0)]);
}

#[test]
fn comments_types_and_the_end_of_openmetrics_are_read() {
    check("# anything\n#\n# HELP a \\n {x=\"\n# TYPE a counter\n# UNIT a s\n", &[]);
    check(
        "# TYPE a unknown\na_total 2 1.7e9 # {trace=\"x y\"} 0.5 1.7e9\n# EOF",
        &[("a_total|", 2.0)],
    );
    check("a 1\n# EOF\n\n", &[("a|", 1.0)]);
}

#[test]
fn a_value_that_is_no_number_is_kept_as_such() {
    let read = Exposition::parse(b"a NaN\n").unwrap();
    assert!(read.named("a").next().unwrap().value.is_nan());
    assert_eq!(read.named("b").next(), None);
}

#[test]
fn what_is_wrong_is_told_with_its_line() {
    let cases = [
        ("ok 1\n<!doctype html>\n", "line 2: it begins with neither `#` nor the name of a metric"),
        ("{\"error\": 1}\n", "line 1: it begins with neither `#` nor the name of a metric"),
        ("1a 2\n", "line 1: it begins with neither `#` nor the name of a metric"),
        ("a\n", "line 1: there is no number after the name"),
        ("a one\n", "line 1: a value or its time is no number"),
        ("a 0x1p3\n", "line 1: a value or its time is no number"),
        ("a 1 later\n", "line 1: a value or its time is no number"),
        ("a 1 2 3\n", "line 1: there is more after the value and its time"),
        ("a{x=1} 1\n", "line 1: a label has no value in quotes"),
        ("a{=\"1\"} 1\n", "line 1: a label has no name"),
        ("a{x:y=\"1\"} 1\n", "line 1: a label has no value in quotes"),
        ("a{x=\"1\\\"} 1\n", "line 1: the value of a label does not end"),
        (
            "a{x=\"1\"y=\"2\"} 1\n",
            "line 1: between labels there is no comma, or after them no brace",
        ),
        ("a{x=\"1\"\n", "line 1: between labels there is no comma, or after them no brace"),
        ("a 1 # 2\n", "line 1: an exemplar has no labels"),
        ("a 1 # {} \n", "line 1: an exemplar has no value"),
        ("# TYPE a meter\n", "line 1: a metric has a type that does not exist"),
        ("# TYPE 1 gauge\n", "line 1: what `# TYPE`, `# HELP` or `# UNIT` is about is no name"),
        ("a 1\nb 12", "line 2: the text is cut off: its last line does not end"),
        ("# EOF\na 1\n", "line 2: there is more after `# EOF`"),
        ("a{x=\"1\"} 1\nb 1\na{x=\"1\"} 2\n", "line 3: a series comes twice"),
    ];
    for (text, expected) in cases {
        assert_eq!(parse(text).unwrap_err(), expected, "{text:?}");
    }
    let not_text = Exposition::parse(b"a 1\nb{x=\"\xff\"} 1\n").unwrap_err();
    assert_eq!(not_text, ParseError { line: 2, reason: "it is not UTF-8" });
}

#[test]
fn what_is_read_is_bounded() {
    let many: String = (0..=MOST_SERIES).map(|i| format!("a{i} 1\n")).collect();
    assert_eq!(parse(&many).unwrap_err(), "line 100001: there are more than 100000 series");
    let long = vec![b'#'; LONGEST + 1];
    assert_eq!(Exposition::parse(&long).unwrap_err().line, 1);
}

/// A line of a series with `labels`, written as an exporter does.
fn written(name: &str, labels: &[(String, String)], value: f64) -> String {
    let escape = |v: &str| v.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    let labels: Vec<_> = labels.iter().map(|(k, v)| format!("{k}=\"{}\"", escape(v))).collect();
    format!("{name}{{{}}} {value}\n", labels.join(","))
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = Exposition::parse(&bytes);
    }

    #[test]
    fn nothing_that_looks_like_it_makes_it_panic(text in "([a-z:]{0,3}[{}\"=,\\\\#é \t\r\n0-9.+-]{0,4}(# TYPE |NaN|EOF|n)?){0,30}") {
        if let Ok(read) = Exposition::parse(text.as_bytes()) {
            for series in read.series() {
                prop_assert!(is_found(series));
            }
        }
    }

    #[test]
    fn what_is_written_is_read_back(
        name in "[a-zA-Z_:][a-zA-Z0-9_:]{0,20}",
        labels in prop::collection::vec(("[a-zA-Z_][a-zA-Z0-9_]{0,8}", "[^\r]{0,12}"), 0..4),
        value in any::<f64>().prop_filter("NaN is not equal to itself", |v| !v.is_nan()),
    ) {
        let line = written(&name, &labels, value);
        let read = Exposition::parse(line.as_bytes()).unwrap();
        let series = read.series()[0];
        prop_assert_eq!(series.name, name);
        prop_assert_eq!(series.value.to_bits(), value.to_bits());
        let read: Vec<_> = series.labels().map(|(k, v)| (k.to_owned(), v.into_owned())).collect();
        prop_assert_eq!(read, labels);
    }

    #[test]
    fn a_text_that_is_cut_is_never_misread(cut in 1_usize..60) {
        let whole = "a_total{x=\"1\"} 1234\nb{y=\"2\"} 5678.25 1700000000000\n";
        let read = parse(&whole[..cut.min(whole.len())]);
        let right = [("a_total|x=1".to_owned(), 1_234.0), ("b|y=2".to_owned(), 5_678.25)];
        prop_assert!(read.is_err() || right.starts_with(&read.unwrap()));
    }
}

/// Each label that a series lists is also found by its name.
fn is_found(series: &Series<'_>) -> bool {
    series.labels().all(|(key, _)| series.label(key).is_some())
}

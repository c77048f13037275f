//! What `run.json` says of servers, workloads and the machine. Each part may be missing, or be something
//! else than expected: files of other versions and of other tools are read as well.

use bench_store::RunFile;
use serde_json::Value;

/// The environment of a run, as far as it is known.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Environment<'a> {
    json: &'a Value,
    plan: &'a Value,
}

/// What is known of a server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TargetRecord<'a>(&'a Value);

/// What is known of what was sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WorkloadRecord<'a>(&'a Value);

/// A cell of the plan that was left out.
#[derive(Clone, Debug)]
pub(crate) struct Skipped<'a> {
    /// Which: target, workload and load, as far as they are named.
    pub(crate) what: Vec<&'a str>,
    pub(crate) why: &'a str,
}

impl<'a> Environment<'a> {
    pub(crate) fn of(run: &'a RunFile) -> Self {
        Self { json: &run.environment, plan: &run.plan }
    }

    /// The servers, in the plan's order; that of an old run is alone.
    pub(crate) fn targets(&self) -> Vec<TargetRecord<'a>> {
        let records = match list(self.json, "targets") {
            [] => std::slice::from_ref(&self.json["target"]),
            targets => targets,
        };
        records.iter().filter(|record| record.is_object()).map(TargetRecord).collect()
    }

    /// The server whose points bear this name; an only one that has no name is meant by any.
    pub(crate) fn target(&self, name: &str) -> Option<TargetRecord<'a>> {
        let targets = self.targets();
        match targets.as_slice() {
            [only] if only.name().is_none() => Some(*only),
            targets => targets.iter().find(|target| target.full_name() == name).copied(),
        }
    }

    pub(crate) fn workloads(&self) -> Vec<WorkloadRecord<'a>> {
        list(self.json, "workloads").iter().map(WorkloadRecord).collect()
    }

    pub(crate) fn workload(&self, name: &str) -> Option<WorkloadRecord<'a>> {
        let workloads = list(self.json, "workloads");
        workloads.iter().find(|w| text(w, "name") == Some(name)).map(WorkloadRecord)
    }

    /// Whether the cells are those of a matrix of input and output lengths.
    pub(crate) fn has_categories(&self) -> bool {
        self.workloads().iter().any(|workload| workload.category().is_some())
    }

    pub(crate) fn is_simulated(&self) -> bool {
        self.targets().iter().any(TargetRecord::is_simulated)
    }

    pub(crate) fn skipped(&self) -> Vec<Skipped<'a>> {
        let entry = |entry: &'a Value| Skipped {
            what: ["target", "workload", "load"].iter().filter_map(|k| text(entry, k)).collect(),
            why: text(entry, "why").unwrap_or("no reason is given"),
        };
        list(self.json, "skipped").iter().map(entry).collect()
    }

    /// What was found wrong with targets: which, and what.
    pub(crate) fn issues(&self) -> Vec<(&'a str, &'a str)> {
        let issue = |entry: &'a Value| {
            Some((text(entry, "target").unwrap_or("a target"), text(entry, "what")?))
        };
        list(self.json, "issues").iter().filter_map(issue).collect()
    }

    /// What was noticed while targets were looked for.
    pub(crate) fn notes(&self) -> Vec<&'a str> {
        list(self.json, "notes").iter().filter_map(Value::as_str).collect()
    }

    /// The tool whose results these are, where it is another, and what its numbers mean otherwise.
    pub(crate) fn imported(&self) -> Option<(&'a str, Vec<&'a str>)> {
        let imported = self.json.get("imported").filter(|imported| imported.is_object())?;
        let notes = list(imported, "notes").iter().filter_map(Value::as_str).collect();
        Some((text(imported, "tool").unwrap_or("another tool"), notes))
    }

    pub(crate) fn machine(&self) -> &'a Value {
        &self.json["machine"]
    }

    /// A fact about requests to the target at `position`, by the names that it has in the environment and
    /// in the plan.
    pub(crate) fn of_requests(&self, position: usize, names: &[&str]) -> Option<&'a Value> {
        let targets = [&self.json["targets"][position], &self.plan["targets"][position]];
        let requests = [&targets[0]["request"], &self.json["request"]];
        let places = [requests[0], requests[1], targets[0], targets[1], &self.plan["target"]];
        let named = |place: &'a Value| names.iter().find_map(|name| place.get(name));
        places.into_iter().find_map(named).filter(|value| !value.is_null())
    }
}

impl<'a> TargetRecord<'a> {
    pub(crate) fn name(&self) -> Option<&'a str> {
        text(self.0, "name")
    }

    /// What its points bear: `name (pass)`.
    pub(crate) fn full_name(&self) -> String {
        let name = self.name().unwrap_or_default();
        match text(self.0, "pass") {
            Some(pass) => format!("{name} ({pass})"),
            None => name.to_owned(),
        }
    }

    pub(crate) fn text(&self, name: &str) -> Option<&'a str> {
        text(self.0, name)
    }

    pub(crate) fn get(&self, name: &str) -> Option<&'a Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    pub(crate) fn is_simulated(&self) -> bool {
        self.0["simulated"] == true
    }

    /// `vllm 0.11.0`, or as much of it as is known.
    pub(crate) fn engine(&self) -> Option<String> {
        let words: Vec<&str> =
            ["engine", "version"].iter().filter_map(|k| text(self.0, k)).collect();
        (!words.is_empty()).then(|| words.join(" "))
    }

    /// Where it is: its address without what stands before and after host and port.
    pub(crate) fn host(&self) -> Option<&'a str> {
        let url = text(self.0, "url")?;
        let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
        let host = rest.split(['/', '?']).next().unwrap_or(rest);
        Some(host.rsplit_once('@').map_or(host, |(_, host)| host))
    }

    pub(crate) fn labels(&self) -> Vec<(&'a str, String)> {
        let labels = self.0["labels"].as_object();
        labels.into_iter().flatten().map(|(name, value)| (name.as_str(), words(value))).collect()
    }

    /// Numbers of one of the facts: one, or one for each time that the server was started.
    pub(crate) fn fact(&self, name: &str) -> Vec<f64> {
        match self.0["facts"].get(name) {
            Some(Value::Array(values)) => values.iter().filter_map(Value::as_f64).collect(),
            Some(value) => value.as_f64().into_iter().collect(),
            None => Vec::new(),
        }
    }

    /// Why a fact is not known, where that was written down.
    pub(crate) fn why_unknown(&self, name: &str) -> Option<&'a str> {
        text(&self.0["facts"]["unknown"], name)
    }
}

impl<'a> WorkloadRecord<'a> {
    pub(crate) fn label(&self) -> Option<&'a str> {
        text(self.0, "label")
    }

    pub(crate) fn category(&self) -> Option<&'a str> {
        text(self.0, "category")
    }

    /// Whether it is the pair that is quoted where there is room for one: as it says, else 1024/1024.
    pub(crate) fn is_primary(&self) -> bool {
        let is_1024 = |name| self.0[name].as_f64() == Some(1_024.0);
        self.0["primary"].as_bool().unwrap_or_else(|| is_1024("isl") && is_1024("osl"))
    }

    /// Input and output tokens: a number, or words where it is a range. From `isl` and `osl`.
    pub(crate) fn tokens(&self, name: &str) -> Option<String> {
        self.0.get(name).filter(|value| !value.is_null()).map(words)
    }
}

/// A JSON value in words: text without quotes.
pub(crate) fn words(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn text<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    value.get(name)?.as_str().filter(|text| !text.is_empty())
}

fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_target_is_found_by_its_name_and_pass() {
        let environment = json!({"targets": [
            {"name": "a", "url": "http://me@h:1/v1"}, {"name": "a", "pass": "fp8", "engine": "vllm"}, 7,
        ]});
        let environment = Environment { json: &environment, plan: &Value::Null };
        assert_eq!(environment.targets().len(), 2);
        assert_eq!(environment.target("a").unwrap().host(), Some("h:1"));
        assert_eq!(environment.target("a (fp8)").unwrap().engine().as_deref(), Some("vllm"));
        assert!(environment.target("b").is_none());
    }

    #[test]
    fn the_target_of_an_old_run_is_meant_by_any_name() {
        let old =
            json!({"target": {"model": "m", "simulated": true}, "request": {"streaming": false}});
        let old = Environment { json: &old, plan: &Value::Null };
        assert_eq!(old.target("anything").unwrap().text("model"), Some("m"));
        assert!(old.is_simulated());
        assert_eq!(old.of_requests(0, &["streaming"]), Some(&Value::Bool(false)));
    }

    #[test]
    fn what_is_not_there_is_nothing() {
        for odd in [json!(null), json!([]), json!({"targets": {}, "skipped": "x", "issues": [1]})] {
            let odd = Environment { json: &odd, plan: &odd };
            assert!(
                odd.targets().is_empty() && odd.skipped().is_empty() && odd.issues().is_empty()
            );
            assert!(odd.imported().is_none() && odd.of_requests(3, &["x"]).is_none());
        }
    }
}

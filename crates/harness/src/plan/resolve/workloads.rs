//! The workloads of a plan.

use bench_workloads::{Length, Mix, Preset};

use super::{
    super::{Cell, Deviation, PresetName, Sweep, Tokens, WorkloadFile, cells},
    Resolver,
};
use crate::WorkloadSettings;

impl Resolver<'_> {
    pub(super) fn workloads(&mut self, workload: &WorkloadFile) -> Vec<WorkloadSettings> {
        if workload.input.is_given() {
            return vec![WorkloadSettings::default()];
        }
        if let Some(matrix) = workload.matrix {
            let cells = cells(matrix);
            return cells.iter().filter_map(|cell| self.cell(cell)).collect();
        }
        if let Some(presets) = &workload.preset {
            let several = self.several_texts(workload);
            let presets = presets.values();
            if presets.iter().any(|name| name.weight.is_some()) {
                let label = presets.iter().map(PresetName::to_string).collect::<Vec<_>>().join(",");
                let kinds = presets.iter().map(|name| name.kind());
                let mix = self.valid("workload.preset", Mix::new(kinds));
                return mix.map(|mix| mixed(mix, Some(label), several)).into_iter().collect();
            }
            return presets.iter().map(|name| preset(name.preset, several.clone())).collect();
        }
        if let Some(mix) = &workload.mix {
            let several = self.several_texts(workload);
            let mix = self.valid("workload.mix", mix.mix());
            return mix.map(|mix| mixed(mix, None, several)).into_iter().collect();
        }
        if let Some(scenarios) = &workload.scenario {
            let several = self.several_texts(workload);
            let scenarios = scenarios.values().iter();
            return scenarios.map(|scenario| scenario.workload(several.clone())).collect();
        }
        let deviation = |d: Option<Deviation>| d.map_or(0.0, |deviation| deviation.0);
        let (isl_stddev, osl_stddev) =
            (deviation(workload.isl_stddev), deviation(workload.osl_stddev));
        let pairs: Vec<(Tokens, Option<Tokens>)> = if workload.pairs.is_empty() {
            let isls = workload.isl.as_ref().map(Sweep::values).unwrap_or_default();
            // Left out where no target is asked for tokens.
            let osls = workload
                .osl
                .as_ref()
                .map_or(vec![None], |osls| osls.values().into_iter().map(Some).collect());
            isls.iter().flat_map(|isl| osls.iter().map(move |osl| (*isl, *osl))).collect()
        } else {
            workload.pairs.iter().map(|pair| (pair.isl, Some(pair.osl))).collect()
        };
        let several = self.several_texts(workload);
        let mut workloads = Vec::new();
        for (isl, osl) in pairs {
            let isl = self.valid("workload.isl_stddev", isl.length(isl_stddev));
            let osl = osl.map(|osl| osl.length(osl_stddev)).transpose();
            let osl = self.valid("workload.osl_stddev", osl);
            if let (Some(isl), Some(osl)) = (isl, osl) {
                workloads.push(WorkloadSettings { isl, osl, ..several.clone() });
            }
        }
        workloads
    }

    /// How many texts a request has that may have several.
    fn several_texts(&mut self, workload: &WorkloadFile) -> WorkloadSettings {
        let defaults = WorkloadSettings::default();
        let query = workload.query_tokens.map(|query| query.length(0.0));
        let query = query.and_then(|query| self.valid("workload.query_tokens", query));
        WorkloadSettings {
            batch_size: self
                .optional("workload.batch_size", workload.batch_size)
                .unwrap_or(defaults.batch_size),
            documents: self
                .optional("workload.documents", workload.documents)
                .unwrap_or(defaults.documents),
            query: query.unwrap_or(defaults.query),
            ..defaults
        }
    }

    fn cell(&mut self, cell: &Cell) -> Option<WorkloadSettings> {
        Some(WorkloadSettings {
            label: Some(cell.label.to_owned()),
            category: Some(cell.category.name().to_owned()),
            isl: self.valid("workload.matrix", Length::fixed(cell.isl))?,
            osl: Some(self.valid("workload.matrix", Length::fixed(cell.osl))?),
            ..WorkloadSettings::default()
        })
    }
}

/// The lengths of a mix are its kinds'; those beside it are the first one's.
fn mixed(mix: Mix, label: Option<String>, several: WorkloadSettings) -> WorkloadSettings {
    let first = &mix.kinds()[0];
    let (isl, osl) = (first.isl, Some(first.osl));
    WorkloadSettings { label, isl, osl, mix: Some(mix), ..several }
}

fn preset(preset: &Preset, several: WorkloadSettings) -> WorkloadSettings {
    WorkloadSettings {
        label: Some(preset.name.to_owned()),
        isl: preset.isl(),
        osl: Some(preset.osl()),
        ..several
    }
}

//! The workloads of a plan.

use bench_workloads::{Images, Length, Mix};

use super::{
    super::{Cell, Deviation, MixFile, PresetName, Scenario, Sweep, Tokens, WorkloadFile, cells},
    Resolver,
};
use crate::WorkloadSettings;

impl Resolver<'_> {
    pub(super) fn workloads(&mut self, workload: &WorkloadFile) -> Vec<WorkloadSettings> {
        if workload.input.is_given() {
            return vec![WorkloadSettings::default()];
        }
        let base = self.base(workload);
        if let Some(matrix) = workload.matrix {
            return cells(matrix).iter().filter_map(|cell| self.cell(cell, &base)).collect();
        }
        if let Some(mix) = &workload.mix {
            return self.mix(mix, base).into_iter().collect();
        }
        if let Some(presets) = &workload.preset {
            return self.presets(presets.values(), &base);
        }
        let plain = self.lengths(workload, &base);
        match &workload.scenario {
            Some(scenarios) => {
                let cells = |scenario: &Scenario| scenario.workloads(&plain, &base);
                scenarios.values().iter().flat_map(cells).collect()
            }
            None => plain,
        }
    }

    /// What a request has beside its lengths.
    fn base(&mut self, workload: &WorkloadFile) -> WorkloadSettings {
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
            images: self.images(workload),
            ..defaults
        }
    }

    fn images(&mut self, workload: &WorkloadFile) -> Option<Images> {
        let images = &workload.images;
        let count = self.number("workload.images.count", images.count)?;
        let width = self.number("workload.images.width", images.width)?;
        let height = self.number("workload.images.height", images.height)?;
        self.valid("workload.images", Images::new(count, width, height))
    }

    /// Each input length with each output length, or the pairs of them.
    fn lengths(
        &mut self,
        workload: &WorkloadFile,
        base: &WorkloadSettings,
    ) -> Vec<WorkloadSettings> {
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
        let mut workloads = Vec::new();
        for (isl, osl) in pairs {
            let isl = self.valid("workload.isl_stddev", isl.length(isl_stddev));
            let osl = osl.map(|osl| osl.length(osl_stddev)).transpose();
            let osl = self.valid("workload.osl_stddev", osl);
            if let (Some(isl), Some(osl)) = (isl, osl) {
                workloads.push(WorkloadSettings { isl, osl, ..base.clone() });
            }
        }
        workloads
    }

    fn cell(&mut self, cell: &Cell, base: &WorkloadSettings) -> Option<WorkloadSettings> {
        Some(WorkloadSettings {
            label: Some(cell.label.to_owned()),
            category: Some(cell.category.name().to_owned()),
            isl: self.valid("workload.matrix", Length::fixed(cell.isl))?,
            osl: Some(self.valid("workload.matrix", Length::fixed(cell.osl))?),
            ..base.clone()
        })
    }

    fn mix(&mut self, mix: &MixFile, base: WorkloadSettings) -> Option<WorkloadSettings> {
        let mix = self.valid("workload.mix", mix.mix())?;
        Some(WorkloadSettings { mix: Some(mix), ..base })
    }

    /// A workload each, or the one that they are mixed into.
    fn presets(
        &mut self,
        presets: &[PresetName],
        base: &WorkloadSettings,
    ) -> Vec<WorkloadSettings> {
        if presets.iter().all(|name| name.weight.is_none()) {
            let one = |PresetName { preset, .. }: &PresetName| WorkloadSettings {
                label: Some(preset.name.to_owned()),
                isl: preset.isl(),
                osl: Some(preset.osl()),
                ..base.clone()
            };
            return presets.iter().map(one).collect();
        }
        let label = presets.iter().map(PresetName::to_string).collect::<Vec<_>>().join(",");
        let mix = self.valid("workload.preset", Mix::new(presets.iter().map(PresetName::kind)));
        let mixed =
            mix.map(|mix| WorkloadSettings { label: Some(label), mix: Some(mix), ..base.clone() });
        mixed.into_iter().collect()
    }
}

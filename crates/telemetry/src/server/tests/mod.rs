mod captures;
mod faults;
mod tables;

use std::sync::Arc;

use super::*;
use crate::testing::{Answer, Scripted, body, read, read_at, said, told, value};

/// A source whose server answers with `answers` in turn.
fn source(answers: impl IntoIterator<Item = Answer>) -> ServerMetrics {
    of_model(answers, None)
}

fn of_model(answers: impl IntoIterator<Item = Answer>, model: Option<&str>) -> ServerMetrics {
    let paths = vec!["/metrics".to_owned()];
    let model = model.map(str::to_owned);
    let config = ServerMetricsConfig { paths, model, ..ServerMetricsConfig::default() };
    ServerMetrics::new(Arc::new(Scripted::new(answers)), config)
}

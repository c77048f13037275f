//! What the numbers mean: the one registry of metrics, and the summary of a point.

mod aggregate;
mod formulas;
mod reconcile;
mod registry;
mod summary;
mod timeline;
mod turns;

pub use aggregate::Aggregate;
pub use reconcile::{Compared, Reconciliation, SharedFigure, TtftParts};
pub use registry::{Better, Metric, Source, metric, registry};
pub use summary::{Facts, Figure, Summary};
pub use timeline::LoadShape;
pub use turns::TurnSummary;

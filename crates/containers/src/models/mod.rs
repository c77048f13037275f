//! Models that lie ready for every backend: fetched once, checked, and linked for each.
//!
//! ```text
//! ModelSpec ─► .partial-NAME ─► payload: whole? safe? ─► a folder for each backend ─► models/NAME
//!   ngc:…        `ngc`, `hf`      sizes, links              links, launch, Modelfile     one rename
//!   hf:…         or a link
//!   a folder
//! ```
//!
//! `models/NAME` is there when all of it is. What was broken off stays in `.partial-NAME`, and the next try goes on from
//! it. Everything in a payload is untrusted: names, sizes, links; nothing in it is unpacked or run. Links are relative,
//! lead into the model's own folder or to the payload that was named, and are never followed to delete.

mod backends;
mod hub;
mod launch_file;
mod listing;
mod lock;
mod name;
mod ngc;
mod partial;
mod payload;
mod prepare;
mod program;
mod record;
mod room;
mod spec;
#[cfg(test)]
#[cfg(unix)]
mod tests;

pub use self::{
    backends::ModelBackend,
    listing::{Listed, list},
    name::{BadName, ModelName},
    prepare::{Prepare, Prepared, prepare},
    program::Programs,
    record::{BackendRecord, FileRecord, ModelRecord},
    spec::{BadSpec, ModelSpec},
};

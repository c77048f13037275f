//! A `libnvidia-ml.so` that says what a script tells it to, so that tests go through the real FFI without a GPU.
//!
//! One crate, two halves. The `cdylib` exports the functions of NVML that `nvml-wrapper` calls, with the layouts of
//! its structs, and reads `script.json` from the folder that it was loaded from. The `rlib` is for tests:
//! [`Installed`] puts a copy of the library and a [`Script`] into a folder of its own. A copy each, because the
//! loader knows a file by its inode: links would all be one library with one state.
//!
//! Answers may depend on the time since the library was loaded ([`Answer::from_ms`]); a script may also be
//! [changed](Installed::rewrite) while the library runs, which no loaded machine can make late.

mod exports;
mod installed;
mod profile;
mod script;
mod state;

pub use installed::Installed;
pub use script::{Answer, Device, Energy, Process, Script, Value, code};

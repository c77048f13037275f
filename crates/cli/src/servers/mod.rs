//! Servers that are started here: `up`, `down`, `servers`, `logs`, `profiles`.

mod down;
mod list;
mod logs;
mod profiles;
mod progress;
mod up;

pub(crate) use self::{
    down::{DownArgs, down},
    list::{ServersArgs, servers},
    logs::{LogsArgs, logs},
    profiles::{ProfilesArgs, profiles},
    progress::hooks,
    up::{UpArgs, up},
};

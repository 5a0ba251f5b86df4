//! The one global state.

use crate::settings::Settings;

pub(crate) fn settings() -> &'static Settings {
    &Settings::DEFAULT
}
pub(crate) fn on_agent_thread() -> bool {
    false
}

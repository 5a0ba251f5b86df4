//! The environment as a list that can be changed before it is handed on. Runs in the launcher; the process's own
//! environment is never changed.

use std::ffi::{OsStr, OsString};

/// Names and values in their order.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Environment {
    variables: Vec<(OsString, OsString)>,
}

impl Environment {
    /// Of this process, or of a test.
    pub(crate) fn new(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        Self {
            variables: variables.into_iter().collect(),
        }
    }

    pub(crate) fn get(&self, name: &str) -> Option<&OsStr> {
        self.variables
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_os_str())
    }

    /// Sets a variable where it stands, or at the end.
    pub(crate) fn set(&mut self, name: &str, value: impl Into<OsString>) {
        let value = value.into();
        match self.variables.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => *old = value,
            None => self.variables.push((name.into(), value)),
        }
    }

    /// `NAME=VALUE` strings, as execve takes them.
    pub(crate) fn strings(&self) -> impl Iterator<Item = OsString> {
        self.variables.iter().map(|(name, value)| {
            let mut string = name.clone();
            string.push("=");
            string.push(value);
            string
        })
    }
}

//! `quit`: ends the session; the process runs on.
//!
//! Context: the agent's thread.

use super::{Command, Takes};

pub(super) static COMMAND: Command = Command {
    names: &["quit", "exit"],
    arguments: "",
    summary: "end this session; the process runs on",
    help: "exit(), quit() and the end of input do the same.",
    takes: Takes::Nothing,
    run: |context, _| {
        context.out.quit = true;
        Ok(())
    },
};

//! `jobs`: the application's command that runs without a prompt.
//!
//! Context: the agent's thread.

use serde_json::json;

use super::{Command, Takes};
use crate::worker;

pub(super) static COMMAND: Command = Command {
    names: &["jobs"],
    arguments: "",
    summary: "show the application's command that runs, or was given up",
    help: "A command that the application has added may be given up, by Ctrl-C or after the option timeout; it runs on until\n\
           its function returns. One runs at a time.",
    takes: Takes::Nothing,
    run: |context, _| {
        let described = worker::with_job(|job, vanished| {
            let seconds = job.duration().as_secs();
            let state = match job.end {
                Some((_, value)) => format!("returned {value} after {seconds} s"),
                None if vanished => "has ended its thread".to_owned(),
                None => format!("runs for {seconds} s"),
            };
            let data = json!([{
                "job": job.number, "line": job.line, "seconds": seconds, "returned": job.end.map(|(_, value)| value),
            }]);
            (format!("job {}  {}  {state}", job.number, crate::render::quote::short(&job.line, 60)), data)
        });
        match described {
            Some((line, data)) => {
                context.out.line(format_args!("{line}"));
                context.out.data = data;
            }
            None => {
                context.out.line(format_args!("No command of the application runs."));
                context.out.data = json!([]);
            }
        }
        Ok(())
    },
};

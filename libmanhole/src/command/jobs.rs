//! `jobs`: the application's command that runs without a prompt.
//!
//! Context: the agent's thread.

use serde_json::json;

use super::{Command, Takes};
use crate::render::quote::short;
use crate::worker::{self, Done};

pub(super) static COMMAND: Command = Command {
    names: &["jobs"],
    arguments: "",
    summary: "show the calls and the application's commands that run, or were given up",
    help: "A call, or a command that the application has added, may be given up, by Ctrl-C or after the option timeout; it runs on\n\
           until its function returns.",
    takes: Takes::Nothing,
    run: |context, _| {
        let mut jobs = Vec::new();
        worker::each_job(|job, vanished| {
            let seconds = job.duration().as_secs();
            let returned = match &job.end {
                Some((_, Done::Command(value))) => Some(*value),
                _ => None,
            };
            let state = match (&job.end, returned) {
                (_, Some(value)) => format!("returned {value} after {seconds} s"),
                (Some(_), None) => format!("returned after {seconds} s"),
                (None, _) if vanished => "has ended its thread".to_owned(),
                (None, _) => format!("runs for {seconds} s"),
            };
            let data = json!({
                "job": job.number, "line": job.line, "seconds": seconds, "runs": job.end.is_none(), "returned": returned,
            });
            jobs.push((format!("job {}  {}  {state}", job.number, short(&job.line, 60)), data));
        });
        if jobs.is_empty() {
            context.out.line(format_args!("No job runs."));
        }
        for (line, _) in &jobs {
            context.out.line(format_args!("{line}"));
        }
        context.out.data = jobs.into_iter().map(|(_, data)| data).collect();
        Ok(())
    },
};

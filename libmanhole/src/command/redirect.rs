//! `redirect`: what the process prints goes to this client.
//!
//! Context: the agent's thread.

use serde_json::json;

use super::{Command, Context, Takes};
use crate::redirect::{self, Way};
use crate::render::quote::short;

pub(super) static COMMAND: Command = Command {
    names: &["redirect"],
    arguments: "[on|tee|off]",
    summary: "send what the process prints here (tee: and to where it belongs)",
    help: "Descriptors 1 and 2 (without redirect_stderr only 1) lead to this client. A client that does not keep up misses output,\n\
           and is told how much; the process does not wait for it. Without an argument: says what holds.",
    takes: Takes::Nothing,
    run,
};

fn run(context: &mut Context<'_, '_>, arguments: &str) -> Result<(), String> {
    let text = match arguments {
        "" => redirect::describe(),
        "on" => redirect::begin(Way::Client).map_err(|reason| format!("cannot redirect: {reason}"))?,
        "tee" => redirect::begin(Way::Both).map_err(|reason| format!("cannot redirect: {reason}"))?,
        "off" => {
            redirect::end()?;
            redirect::describe()
        }
        other => return Err(format!("\"{}\" is none of on, tee, off", short(other, 40))),
    };
    context.out.line(format_args!("redirect is {text}"));
    context.out.data = json!({ "redirect": text });
    Ok(())
}

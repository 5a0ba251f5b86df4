//! `info threads`: one line a thread.
//!
//! Context: the agent's thread.

use serde_json::{Value, json};

use super::{Command, Context, Takes};
use crate::render::frames::{in_gdb_s_form, level_data, names, thread_data};

pub(super) static COMMAND: Command = Command {
    names: &["info threads"],
    arguments: "",
    summary: "list the threads with their states and innermost frames, anew",
    help: "The numbers are those that thread N takes; * marks the selected thread.",
    takes: Takes::Nothing,
    run,
};

fn run(context: &mut Context<'_, '_>, _arguments: &str) -> Result<(), String> {
    context.look_again(false);
    let selected = context.selected().map(|stack| stack.thread.tid).ok();
    let look = context.look();
    let targets: Vec<String> =
        look.stacks.iter().map(|stack| format!("LWP {} {}", stack.thread.tid, names(stack))).collect();
    let width = targets.iter().map(|text| text.chars().count()).max().unwrap_or(0).max("Target Id".len());
    context.out.line(format_args!("  {:<4} {:width$} Frame", "Id", "Target Id"));
    let mut data = Vec::new();
    for (stack, target) in look.stacks.iter().zip(&targets) {
        let is_selected = selected == Some(stack.thread.tid);
        let frame = match stack.levels.first() {
            Some(level) => in_gdb_s_form(level),
            None => stack.problem_line().unwrap_or_default(),
        };
        context.out.line(format_args!(
            "{} {:<4} {target:width$} {frame}, {}",
            if is_selected { '*' } else { ' ' },
            stack.number,
            stack.state
        ));
        let mut thread = thread_data(stack);
        if let Some(object) = thread.as_object_mut() {
            object.insert("selected".to_owned(), Value::Bool(is_selected));
            object.insert("frame".to_owned(), stack.levels.first().map_or(Value::Null, |level| level_data(0, level)));
            object.insert("problem".to_owned(), stack.problem.clone().map_or(Value::Null, Value::String));
        }
        data.push(thread);
    }
    for problem in &look.problems {
        context.out.line(format_args!("({problem})"));
    }
    context.out.data = json!({ "threads": data, "problems": look.problems });
    context.check()
}

//! The commands: what each does with the process, and the table of them.
//!
//! Context: the agent's thread. A command reads through [`Context`], writes its answer there, and gives an error as text.
//! Capture, unwind and symbols do not know each other; `stacks` composes them.

mod backtrace;
mod descriptors;
mod disassemble;
pub(crate) mod display;
pub(crate) mod dump_stacktraces;
mod examine;
mod expressions;
mod fault;
pub(crate) mod find;
mod frame;
mod help;
mod history;
mod inferior;
mod info_env;
mod info_fds;
mod info_frame;
mod info_limits;
mod info_line;
mod info_locals;
mod info_maps;
mod info_names;
mod info_names_of;
mod info_registers;
mod info_scope;
mod info_sharedlibrary;
mod info_signals;
mod info_source;
mod info_symbol;
mod info_threads;
mod instructions;
mod interpreter;
mod jobs;
mod list;
mod output;
mod places;
pub(crate) mod print;
mod procfs;
mod py_bt;
mod quit;
mod redirect;
mod say;
mod session;
mod sockets;
pub(crate) mod stacks;
mod set;
mod state;
mod thread;
mod types;
pub(crate) mod watch;

pub(crate) use inferior::Journal;
pub(crate) use session::{Context, Session};

/// What the arguments of a command can be completed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Takes {
    Nothing,
    Symbols,
    Commands,
    Threads,
}

/// A command of the prompt.
pub(crate) struct Command {
    /// Its names, each of one or more words; the first is the one that `help` shows.
    pub(crate) names: &'static [&'static str],
    /// The form of its arguments.
    pub(crate) arguments: &'static str,
    /// One line.
    pub(crate) summary: &'static str,
    /// What more there is to say; may be empty.
    pub(crate) help: &'static str,
    pub(crate) takes: Takes,
    /// Does it, with the arguments as typed.
    pub(crate) run: fn(&mut Context<'_, '_>, &str) -> Result<(), String>,
}

impl Command {
    /// The first name.
    pub(crate) fn name(&self) -> &'static str {
        self.names.first().copied().unwrap_or_default()
    }
}

/// Every command, in the order that `help` shows.
pub(crate) static COMMANDS: &[&Command] = &[
    &help::COMMAND,
    &backtrace::COMMAND,
    &backtrace::ALL,
    &py_bt::COMMAND,
    &dump_stacktraces::COMMAND,
    &info_threads::COMMAND,
    &thread::COMMAND,
    &thread::APPLY,
    &frame::COMMAND,
    &frame::UP,
    &frame::DOWN,
    &info_locals::LOCALS,
    &info_locals::ARGUMENTS,
    &info_frame::COMMAND,
    &info_registers::COMMAND,
    &print::COMMAND,
    &print::CALL,
    &say::OUTPUT,
    &say::PRINTF,
    &say::ECHO,
    &types::WHATIS,
    &types::PTYPE,
    &set::VAR,
    &set::PRINT,
    &set::MEMORY,
    &set::SHOW,
    &set::SHOW_MEMORY,
    &display::COMMAND,
    &display::UNDISPLAY,
    &display::INFO,
    &watch::COMMAND,
    &examine::COMMAND,
    &list::COMMAND,
    &info_names_of::VARIABLES,
    &info_names_of::FUNCTIONS,
    &info_names_of::TYPES,
    &disassemble::COMMAND,
    &info_names::COMMAND,
    &info_symbol::COMMAND,
    &info_line::COMMAND,
    &info_source::COMMAND,
    &info_scope::SCOPE,
    &info_scope::ADDRESS,
    &info_sharedlibrary::COMMAND,
    &info_maps::COMMAND,
    &info_fds::COMMAND,
    &info_env::COMMAND,
    &info_limits::COMMAND,
    &info_signals::COMMAND,
    &redirect::COMMAND,
    &history::COMMAND,
    &jobs::COMMAND,
    &quit::COMMAND,
];

/// Other spellings of first words that would be ambiguous: gdb's own choices.
pub(crate) static SHORT: &[(&str, &str)] = &[
    ("h", "help"),
    ("i", "info"),
    ("t", "thread"),
    ("f", "frame"),
    ("p", "print"),
    ("q", "quit"),
    ("inspect", "print"),
];

//! The one table of the options: name, type, default, help, and how each is read and printed. It drives the parser,
//! the suggestions, the launcher's flags and help, and the README. Pure.

use std::time::Duration;

use crate::convert::{
    Misfit, boolean, choice, destination, names, optional, seconds, signal, signals, socket_path, thread,
};
use crate::error::{ErrorKind, Fault};
use crate::literal::Literal;
use crate::options::{Destination, Handler, Options, Prompt, Redirect, Thread};
use crate::quote::quote;
use crate::signal::Signal;

/// The type of an option's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `True` or `False`.
    Bool,
    /// `True`, `False` or `"auto"`.
    BoolOrAuto,
    /// A signal's name or number, or `None`.
    Signal,
    /// A list of them, or `None`.
    Signals,
    /// Seconds, not negative.
    Seconds,
    /// Seconds, or `None` for no limit.
    SecondsOrNone,
    /// The path of a socket, or `None` for the default.
    SocketPath,
    /// A descriptor or a path.
    Destination,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A dict of names and expressions.
    Names,
}

impl Kind {
    /// The type in words, as it stands behind "takes".
    pub fn text(self) -> String {
        match self {
            Self::Bool => "True or False".to_owned(),
            Self::BoolOrAuto => "True, False or \"auto\"".to_owned(),
            Self::Signal => "a signal (\"USR2\", \"RTMIN+1\", 12) or None".to_owned(),
            Self::Signals => "a list of signals ([\"USR1\", 12]) or None".to_owned(),
            Self::Seconds => "a number of seconds".to_owned(),
            Self::SecondsOrNone => "a number of seconds or None".to_owned(),
            Self::SocketPath => "a path in quotes or None".to_owned(),
            Self::Destination => "a file descriptor (2) or a path in quotes".to_owned(),
            Self::Choice(words) => {
                let quoted: Vec<String> = words.iter().map(|word| quote(word)).collect();
                quoted.join(" or ")
            }
            Self::Names => "a dict of names and expressions ({\"pool\": \"&g_pool\"})".to_owned(),
        }
    }
}

/// One option.
pub struct Row {
    /// Its name in `MANHOLE`.
    pub name: &'static str,
    /// The type of its value.
    pub kind: Kind,
    /// One line of help: what it does when it is set, without a full stop.
    pub help: &'static str,
    store: fn(&mut Options, &Literal) -> Result<(), Misfit>,
    show: fn(&Options) -> String,
}

impl Row {
    /// The value in these options, as a Python literal on one line.
    pub fn show(&self, options: &Options) -> String {
        (self.show)(options)
    }

    /// The default, as a Python literal.
    pub fn default_text(&self) -> String {
        self.show(&Options::default())
    }

    /// Sets the option to a literal.
    pub(crate) fn store(&self, options: &mut Options, literal: &Literal) -> Result<(), Fault> {
        (self.store)(options, literal).map_err(|misfit| match misfit {
            Misfit::Type(span, given) => {
                let reason = if span == literal.span {
                    format!("{} takes {}, not {given}", self.name, self.kind.text())
                } else {
                    let takes = self.kind.text();
                    format!("{} takes {takes}; {given} cannot stand in it", self.name)
                };
                Fault::new(ErrorKind::WrongType, span, reason)
            }
            Misfit::Value(span, reason, hint) => {
                let reason = format!("{}: {reason}", self.name);
                let fault = Fault::new(ErrorKind::BadValue, span, reason);
                match hint {
                    Some(hint) => fault.hint(hint),
                    None => fault,
                }
            }
        })
    }
}

/// How many options, counted from the first of [`TABLE`], may be given without their names.
pub(crate) const POSITIONAL: usize = 3;

/// The option of this name.
pub fn row(name: &str) -> Option<&'static Row> {
    TABLE.iter().find(|row| row.name == name)
}

const HANDLERS: [(&str, Handler); 2] = [("repl", Handler::Repl), ("exec", Handler::Exec)];
const PROMPTS: [(&str, Prompt); 3] = [("auto", Prompt::Auto), ("python", Prompt::Python), ("native", Prompt::Native)];
const REDIRECTS: [(&str, Redirect); 5] = [
    ("line", Redirect::Line),
    ("session", Redirect::Session),
    ("tee", Redirect::Tee),
    ("thread", Redirect::Thread),
    ("off", Redirect::Off),
];

/// Every option, those of python-manhole first and in its order: the first three may be positional.
pub static TABLE: [Row; 22] = [
    Row {
        name: "verbose",
        kind: Kind::Bool,
        help: "log everything that happens; failures are logged in any case",
        store: |options, literal| boolean(literal).map(|value| options.verbose = value),
        show: |options| show_bool(options.verbose),
    },
    Row {
        name: "verbose_destination",
        kind: Kind::Destination,
        help: "where the log goes: a file descriptor, or a file to append to",
        store: |options, literal| destination(literal).map(|value| options.verbose_destination = value),
        show: |options| match &options.verbose_destination {
            Destination::Descriptor(number) => number.to_string(),
            Destination::Path(path) => quote(path),
        },
    },
    Row {
        name: "strict",
        kind: Kind::Bool,
        help: "refuse a second installation in one process instead of replacing the first",
        store: |options, literal| boolean(literal).map(|value| options.strict = value),
        show: |options| show_bool(options.strict),
    },
    Row {
        name: "patch_fork",
        kind: Kind::Bool,
        help: "give forked children manholes of their own",
        store: |options, literal| boolean(literal).map(|value| options.patch_fork = value),
        show: |options| show_bool(options.patch_fork),
    },
    Row {
        name: "activate_on",
        kind: Kind::Signal,
        help: "listen only once this signal has come",
        store: |options, literal| optional(literal, signal).map(|value| options.activate_on = value),
        show: |options| show_signal(options.activate_on),
    },
    Row {
        name: "oneshot_on",
        kind: Kind::Signal,
        help: "when this signal comes, stop the thread that gets it, serve one client, and go on",
        store: |options, literal| optional(literal, signal).map(|value| options.oneshot_on = value),
        show: |options| show_signal(options.oneshot_on),
    },
    Row {
        name: "thread",
        kind: Kind::BoolOrAuto,
        help: "listen in a thread of our own: always, never, or (auto) once it is needed",
        store: |options, literal| thread(literal).map(|value| options.thread = value),
        show: |options| match options.thread {
            Thread::Always => show_bool(true),
            Thread::Never => show_bool(false),
            Thread::Auto => quote("auto"),
        },
    },
    Row {
        name: "sigmask",
        kind: Kind::Signals,
        help: "block exactly these signals in the manhole's threads; None blocks none",
        store: |options, literal| signals(literal).map(|value| options.sigmask = value),
        show: |options| match &options.sigmask {
            None => quote("all"),
            Some(signals) => {
                let names: Vec<_> = signals.iter().map(|signal| quote(&signal.name())).collect();
                format!("[{}]", names.join(", "))
            }
        },
    },
    Row {
        name: "socket_path",
        kind: Kind::SocketPath,
        help: "bind this path instead of /tmp/manhole-{pid}; {pid} stands for the process id",
        store: |options, literal| optional(literal, socket_path).map(|value| options.socket_path = value),
        show: |options| options.socket_path.as_deref().map_or_else(show_none, quote),
    },
    Row {
        name: "reinstall_delay",
        kind: Kind::Seconds,
        help: "how long a forked child lives before its manhole opens",
        store: |options, literal| seconds(literal).map(|value| options.reinstall_delay = value),
        show: |options| show_seconds(options.reinstall_delay),
    },
    Row {
        name: "locals",
        kind: Kind::Names,
        help: "names that the prompt knows, each for an expression",
        store: |options, literal| names(literal, options.locals_are_objects).map(|value| options.locals = value),
        show: |options| {
            let pairs: Vec<_> = options
                .locals
                .iter()
                .map(|(name, expression)| format!("{}: {}", quote(name), quote(expression)))
                .collect();
            format!("{{{}}}", pairs.join(", "))
        },
    },
    Row {
        name: "daemon_connection",
        kind: Kind::Bool,
        help: "end with the process instead of keeping it alive until the client leaves",
        store: |options, literal| boolean(literal).map(|value| options.daemon_connection = value),
        show: |options| show_bool(options.daemon_connection),
    },
    Row {
        name: "redirect_stderr",
        kind: Kind::Bool,
        help: "send what is printed to standard error to the client too",
        store: |options, literal| boolean(literal).map(|value| options.redirect_stderr = value),
        show: |options| show_bool(options.redirect_stderr),
    },
    Row {
        name: "connection_handler",
        kind: Kind::Choice(&["repl", "exec"]),
        help: "repl: greeting, prompt and answers; exec: run each line, send nothing back",
        store: |options, literal| choice(literal, &HANDLERS).map(|value| options.connection_handler = value),
        show: |options| show_choice(options.connection_handler, &HANDLERS),
    },
    Row {
        name: "start_timeout",
        kind: Kind::Seconds,
        help: "warn when the manhole is not open after this long",
        store: |options, literal| seconds(literal).map(|value| options.start_timeout = value),
        show: |options| show_seconds(options.start_timeout),
    },
    Row {
        name: "dump_on",
        kind: Kind::Signal,
        help: "write the stacks of all threads to the log when this signal comes",
        store: |options, literal| optional(literal, signal).map(|value| options.dump_on = value),
        show: |options| show_signal(options.dump_on),
    },
    Row {
        name: "children",
        kind: Kind::Bool,
        help: "programs that the process executes have manholes too",
        store: |options, literal| boolean(literal).map(|value| options.children = value),
        show: |options| show_bool(options.children),
    },
    Row {
        name: "oneshot_timeout",
        kind: Kind::SecondsOrNone,
        help: "how long oneshot_on waits for its client; None waits for ever",
        store: |options, literal| optional(literal, seconds).map(|value| options.oneshot_timeout = value),
        show: |options| options.oneshot_timeout.map_or_else(show_none, show_seconds),
    },
    Row {
        name: "timeout",
        kind: Kind::SecondsOrNone,
        help: "how long a call at the prompt may take before the prompt comes back",
        store: |options, literal| optional(literal, seconds).map(|value| options.timeout = value),
        show: |options| options.timeout.map_or_else(show_none, show_seconds),
    },
    Row {
        name: "gil_timeout",
        kind: Kind::SecondsOrNone,
        help: "how long a client waits for the interpreter's lock before it gets the native prompt",
        store: |options, literal| optional(literal, seconds).map(|value| options.gil_timeout = value),
        show: |options| options.gil_timeout.map_or_else(show_none, show_seconds),
    },
    Row {
        name: "prompt",
        kind: Kind::Choice(&["auto", "python", "native"]),
        help: "the prompt that a client gets; auto: Python's where the process runs Python",
        store: |options, literal| choice(literal, &PROMPTS).map(|value| options.prompt = value),
        show: |options| show_choice(options.prompt, &PROMPTS),
    },
    Row {
        name: "redirect",
        kind: Kind::Choice(&["line", "session", "tee", "thread", "off"]),
        help: "when output goes to the client: while a line runs, for the session, to both places, of the console's thread only, never",
        store: |options, literal| choice(literal, &REDIRECTS).map(|value| options.redirect = value),
        show: |options| show_choice(options.redirect, &REDIRECTS),
    },
];

fn show_none() -> String {
    "None".to_owned()
}

fn show_bool(value: bool) -> String {
    if value { "True" } else { "False" }.to_owned()
}

fn show_signal(value: Option<Signal>) -> String {
    value.map_or_else(show_none, |signal| quote(&signal.name()))
}

/// Seconds to the nanosecond, without trailing zeros.
fn show_seconds(value: Duration) -> String {
    let text = format!("{}.{:09}", value.as_secs(), value.subsec_nanos());
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn show_choice<T: PartialEq>(value: T, choices: &[(&str, T)]) -> String {
    choices.iter().find(|(_, known)| *known == value).map_or_else(show_none, |(word, _)| quote(word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Setting, parse};

    fn options(text: &str) -> Options {
        match parse(text) {
            Ok(Setting::Install(options)) => options,
            other => panic!("{text}: {other:?}"),
        }
    }

    /// Values of every kind that the type allows.
    fn samples(kind: Kind) -> Vec<String> {
        let fixed = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        match kind {
            Kind::Bool => fixed(&["True", "False"]),
            Kind::BoolOrAuto => fixed(&["True", "False", r#""auto""#]),
            Kind::Signal => fixed(&["None", r#""USR2""#, r#""RTMIN+3""#, r#""RTMAX-2""#]),
            Kind::Signals => fixed(&[r#""all""#, "[]", r#"["USR1", "RTMAX"]"#]),
            Kind::Seconds => fixed(&["0", "2", "0.25", "0.000000001", "1000000000", "8640000.123456789"]),
            Kind::SecondsOrNone => fixed(&["None", "0", "1.5"]),
            Kind::SocketPath => fixed(&["None", r#""/tmp/\"a\" \\ {pid}é""#]),
            Kind::Destination => fixed(&["0", "2", r#""/var/log/x\n""#, r#""2""#]),
            Kind::Choice(words) => words.iter().map(|word| quote(word)).collect(),
            Kind::Names => fixed(&["{}", r#"{"b": "&x[\"k\"]", "a": "1"}"#]),
        }
    }

    #[test]
    fn every_row_round_trips() {
        for row in &TABLE {
            for sample in samples(row.kind) {
                let text = format!("{}={sample}", row.name);
                let read = options(&text);
                assert_eq!(row.show(&read), sample, "{text}");
                let expected = if sample == row.default_text() { "" } else { &text };
                assert_eq!(read.to_text(), expected, "{text}");
                assert_eq!(options(&read.to_text()), read, "{text}");
            }
        }
    }

    #[test]
    fn all_rows_together_round_trip() {
        let text: Vec<_> = TABLE
            .iter()
            .filter(|row| row.kind != Kind::Signal)
            .filter_map(|row| {
                let default = row.default_text();
                let other = samples(row.kind).into_iter().find(|sample| *sample != default)?;
                Some(format!("{}={other}", row.name))
            })
            .collect();
        assert_eq!(text.len(), TABLE.len() - 3);
        let text = text.join(", ");
        assert_eq!(options(&text).to_text(), text);
    }

    #[test]
    fn defaults_and_help_are_presentable() {
        for row in &TABLE {
            let text = format!("{}={}", row.name, row.default_text());
            assert_eq!(options(&text), Options::default(), "{text}");
            assert!(!row.help.is_empty() && !row.help.ends_with('.'), "{}", row.name);
            assert!(!row.help.contains('\n') && !row.kind.text().contains('\n'));
        }
    }

    #[test]
    fn choices_are_those_that_are_read() {
        let words = |kind| match kind {
            Kind::Choice(words) => words.to_vec(),
            _ => Vec::new(),
        };
        let of = |name: &str| words(row(name).unwrap().kind);
        assert_eq!(of("connection_handler"), HANDLERS.map(|(word, _)| word));
        assert_eq!(of("prompt"), PROMPTS.map(|(word, _)| word));
        assert_eq!(of("redirect"), REDIRECTS.map(|(word, _)| word));
    }

    #[test]
    fn names_are_unique_and_found() {
        for (index, wanted) in TABLE.iter().enumerate() {
            let found = TABLE.iter().position(|row| row.name == wanted.name);
            assert_eq!(found, Some(index), "{}", wanted.name);
        }
        assert!(row("oneshot_on").is_some());
        assert!(row("oneshot").is_none());
    }
}

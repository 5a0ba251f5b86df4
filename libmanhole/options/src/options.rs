//! The options, typed, with their defaults and what follows from them. Pure.

use std::time::Duration;

use crate::signal::Signal;
use crate::table::TABLE;

/// The longest path that a Unix socket can be bound to: `sun_path` has 108 bytes, the last is its end (unix(7)).
pub const SOCKET_PATH_LIMIT: usize = 107;

/// Bytes that `locals` may take: each name and each expression, and one more for each of the two.
pub const LOCALS_LIMIT: usize = 4095;

/// Where the socket is when `socket_path` does not say otherwise.
const DEFAULT_SOCKET_PATH: &str = "/tmp/manhole-{pid}";

/// What a text asks for.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "there is one for each text that is read")]
pub enum Setting {
    /// `off`: no manhole in this process.
    Off,
    /// Install one, like this.
    Install(Options),
}

/// How the manhole is to be installed; [`TABLE`] has a line of help on each.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Log everything; failures are logged in any case.
    pub verbose: bool,
    /// Where the log goes.
    pub verbose_destination: Destination,
    /// Refuse a second installation; otherwise it replaces the first.
    pub strict: bool,
    /// Give forked children a manhole of their own. See [`Options::patches_fork`].
    pub patch_fork: bool,
    /// Listen only once this signal comes.
    pub activate_on: Option<Signal>,
    /// Serve one client, on the thread that this signal stops.
    pub oneshot_on: Option<Signal>,
    /// Whether a thread of ours listens: from the moment on that one is needed, unless the text says otherwise.
    pub thread: Thread,
    /// The signals that are blocked in the agent's threads; `None` means all.
    pub sigmask: Option<Vec<Signal>>,
    /// The path as given, `{pid}` not filled in; `None` means the default. See [`Options::expand_socket_path`].
    pub socket_path: Option<String>,
    /// How long a forked child lives before its manhole is bound.
    pub reinstall_delay: Duration,
    /// Names that the prompt knows, each with the expression that it stands for, in the order given.
    pub locals: Vec<(String, String)>,
    /// Whether the values of `locals` are objects of Python's, as in `PYTHONMANHOLE`, and not expressions: they are then spelled as such.
    pub locals_are_objects: bool,
    /// End with the process instead of keeping it until the client leaves.
    pub daemon_connection: bool,
    /// Redirect descriptor 2 as well as 1.
    pub redirect_stderr: bool,
    /// What is done with a client's lines.
    pub connection_handler: Handler,
    /// A listener that is not ready after this long is worth a warning.
    pub start_timeout: Duration,
    /// Write a dump to the log when this signal comes.
    pub dump_on: Option<Signal>,
    /// Programs that the host executes inherit the preload.
    pub children: bool,
    /// How long `oneshot_on` waits for its client; `None` means for ever.
    pub oneshot_timeout: Option<Duration>,
    /// How long a call at the prompt may take before the prompt comes back; `None` means for ever.
    pub timeout: Option<Duration>,
    /// How long a client waits for the lock of the Python interpreter; `None` means for ever.
    pub gil_timeout: Option<Duration>,
    /// Which prompt a client gets.
    pub prompt: Prompt,
    /// When the host's output goes to the client.
    pub redirect: Redirect,
}

/// Where the log goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// A descriptor of the host, not negative.
    Descriptor(i32),
    /// A file to append to.
    Path(String),
}

/// Whether a thread of ours listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Thread {
    /// Always, from the installation on.
    Always,
    /// Never: something else has to start the serving.
    Never,
    /// From the moment on that one is needed.
    Auto,
}

/// What is done with a client's lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handler {
    /// Dump, greeting, prompt, answers.
    Repl,
    /// Each line runs; nothing is sent back.
    Exec,
}

/// Which prompt a client gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prompt {
    /// Python's where the process runs Python, else the native one.
    Auto,
    /// Python's.
    Python,
    /// The native one.
    Native,
}

/// When the host's output goes to the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Redirect {
    /// While a line runs host code.
    Line,
    /// From the greeting to the end of the session.
    Session,
    /// For the whole session, to both places.
    Tee,
    /// Only what the console's own thread prints.
    Thread,
    /// Never.
    Off,
}

impl Default for Options {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl Options {
    /// What holds where nothing is said.
    pub const DEFAULT: Options = Options {
        verbose: false,
        verbose_destination: Destination::Descriptor(2),
        strict: true,
        patch_fork: true,
        activate_on: None,
        oneshot_on: None,
        thread: Thread::Auto,
        sigmask: None,
        socket_path: None,
        reinstall_delay: Duration::from_millis(500),
        locals: Vec::new(),
        locals_are_objects: false,
        daemon_connection: false,
        redirect_stderr: true,
        connection_handler: Handler::Repl,
        start_timeout: Duration::from_millis(500),
        dump_on: None,
        children: true,
        oneshot_timeout: None,
        timeout: Some(Duration::from_secs(10)),
        gil_timeout: Some(Duration::from_secs(2)),
        prompt: Prompt::Auto,
        redirect: Redirect::Line,
    };

    /// The path of the socket in the process `pid`. No longer than [`SOCKET_PATH_LIMIT`] bytes if the options were parsed.
    pub fn expand_socket_path(&self, pid: u32) -> String {
        expand(self.socket_path.as_deref().unwrap_or(DEFAULT_SOCKET_PATH), pid)
    }

    /// Whether each process has a path of its own, which a forked child needs.
    pub fn path_has_pid(&self) -> bool {
        self.socket_path.as_ref().is_none_or(|path| path.contains("{pid}"))
    }

    /// Whether forked children get a manhole of their own: wanted, nothing else starts it, and the path is not shared.
    #[inline]
    pub fn patches_fork(&self) -> bool {
        self.patch_fork && self.activate_on.is_none() && self.oneshot_on.is_none() && self.path_has_pid()
    }

    /// What the log says about the consequences of these options, a line each.
    pub fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if self.patch_fork && !self.patches_fork() {
            notes.push(format!("Not patching os.fork and os.forkpty. {}", self.why_fork_is_not_patched()));
        }
        notes
    }

    /// Of options by which it is wanted, and all the same not done.
    fn why_fork_is_not_patched(&self) -> String {
        let by_signal =
            |how: &str, signal: Signal| format!("{how} is done by signal {} (SIG{signal})", signal.number());
        if let Some(signal) = self.activate_on {
            return by_signal("Activation", signal);
        }
        if let Some(signal) = self.oneshot_on {
            return by_signal("Oneshot activation", signal);
        }
        let path = self.socket_path.as_deref().unwrap_or("");
        format!("Using user socket path {}", crate::one_line(path))
    }

    /// The options as the text of `MANHOLE`: those that differ from their defaults, in the order of [`TABLE`].
    /// Parsing it gives the same options.
    pub fn to_text(&self) -> String {
        let defaults = Self::default();
        let mut text = String::new();
        for row in &TABLE {
            let value = row.show(self);
            if value == row.show(&defaults) {
                continue;
            }
            if !text.is_empty() {
                text.push_str(", ");
            }
            text.push_str(row.name);
            text.push('=');
            text.push_str(&value);
        }
        text
    }

    /// The first pair of options that exclude each other: the two names and why.
    pub(crate) fn conflict(&self) -> Option<([&'static str; 2], String)> {
        let signals = [("activate_on", self.activate_on), ("oneshot_on", self.oneshot_on), ("dump_on", self.dump_on)];
        for (index, (name, signal)) in signals.iter().enumerate() {
            for (other, same) in signals.iter().skip(index.saturating_add(1)) {
                if let Some(signal) = signal.filter(|_| signal == same) {
                    let mut reason = format!("{name} and {other} cannot both be {signal}");
                    if other == &"oneshot_on" {
                        // As python-manhole says it.
                        reason = format!(
                            "You cannot do activation of the Manhole thread on the same signal that you want to do \
                             oneshot activation ! {reason}"
                        );
                    }
                    return Some(([name, other], reason));
                }
            }
        }
        None
    }
}

pub(crate) fn expand(path: &str, pid: u32) -> String {
    path.replace("{pid}", &pid.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse;

    fn options(text: &str) -> Options {
        match parse(text) {
            Ok(Setting::Install(options)) => options,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn socket_paths() {
        for (text, path, own) in [
            ("", "/tmp/manhole-4711", true),
            ("socket_path='/run/x.sock'", "/run/x.sock", false),
            ("socket_path='/run/{pid}/{pid}'", "/run/4711/4711", true),
        ] {
            let options = options(text);
            assert_eq!(options.expand_socket_path(4711), path, "{text}");
            assert_eq!(options.path_has_pid(), own, "{text}");
        }
    }

    #[test]
    fn notes_say_why_fork_is_not_patched() {
        for (text, patches, note) in [
            ("", true, None),
            ("socket_path='/x-{pid}'", true, None),
            ("patch_fork=False", false, None),
            ("patch_fork=False, activate_on=12", false, None),
            (
                "activate_on='USR2'",
                false,
                Some("Not patching os.fork and os.forkpty. Activation is done by signal 12 (SIGUSR2)"),
            ),
            (
                "oneshot_on='USR1', socket_path='/x'",
                false,
                Some("Not patching os.fork and os.forkpty. Oneshot activation is done by signal 10 (SIGUSR1)"),
            ),
            (
                "socket_path='/tmp/one\\ntwo'",
                false,
                Some("Not patching os.fork and os.forkpty. Using user socket path /tmp/one\\ntwo"),
            ),
        ] {
            let options = options(text);
            assert_eq!(options.patches_fork(), patches, "{text}");
            assert_eq!(options.notes(), note.map(str::to_owned).into_iter().collect::<Vec<_>>(), "{text}");
        }
    }

    #[test]
    fn text_of_options() {
        for (given, text) in [
            ("", ""),
            ("verbose=False, strict=True", ""),
            (
                "True, 'a\\nb', oneshot_on='sigusr2', timeout=1.50",
                r#"verbose=True, verbose_destination="a\nb", oneshot_on="USR2", timeout=1.5"#,
            ),
            ("sigmask=(10, 'USR2'), locals={'k': '&x'}", r#"sigmask=["USR1", "USR2"], locals={"k": "&x"}"#),
            ("oneshot_timeout=3, timeout=None", "oneshot_timeout=3, timeout=None"),
        ] {
            assert_eq!(options(given).to_text(), text, "{given}");
        }
    }
}

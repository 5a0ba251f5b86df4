//! The command line: flags, their checks, and the help text.
//!
//! Runs in the client before anything else; it looks at the file system only to tell a socket's path from a typing error.

use std::ffi::OsString;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};

use crate::signal;

const AFTER_HELP: &str = "\
Examples:
  manhole-cli 4711                     all threads' stacks, then a prompt
  manhole-cli -c 'bt all' 4711         run one command, print its answer
  manhole-cli --json -c 'info fds' 4711
  echo 'info maps' | manhole-cli 4711  commands from a pipe
  manhole-cli -USR2 4711               open a manhole that waits for SIGUSR2
  manhole-cli /run/app.sock            a manhole with its own socket_path
  manhole-cli --list                   which manholes are there

At the prompt:
  Tab completes; the arrows and Ctrl-R recall lines (~/.manhole_history);
  Ctrl-C stops a running command, or clears the line; Ctrl-D leaves.
  The process goes on when you leave.

Exit status:
  0  the session ended: by you, by the end of input, or by the process
  1  an error: no such process for the signal, or one that the signal
     would end; a peer that is not the process asked for; a connection
     that broke under a command
  2  wrong usage
  3  a command (of -c, or of --json) was answered with an error
  5  no manhole answered in time";

/// Connects to the manhole of a process: shows the stacks of its threads and opens a prompt inside it.
#[derive(Debug, Parser)]
#[command(name = "manhole-cli", version, after_help = AFTER_HELP, max_term_width = 100)]
struct Flags {
    /// The process: its pid, or the path of its socket (DIR/manhole-PID, or any other existing socket). With --list: the directory to list, if not /tmp
    #[arg(value_name = "PID|PATH", required_unless_present = "list")]
    target: Option<OsString>,

    /// Wait at most so many seconds for the manhole to open and to greet (commands may run for as long as they need)
    #[arg(short, long, value_name = "SECONDS", default_value = "1", value_parser = seconds)]
    timeout: Duration,

    /// First send SIGUSR1 to the process; also spelled -USR1
    #[arg(short = '1', long = "USR1", group = "send")]
    usr1: bool,

    /// First send SIGUSR2 to the process; also spelled -USR2
    #[arg(short = '2', long = "USR2", group = "send")]
    usr2: bool,

    /// First send this signal to the process: a number, or a name with or without SIG, in any case
    #[arg(short, long, value_name = "SIGNAL", group = "send", value_parser = signal::number_of, allow_hyphen_values = true)]
    signal: Option<i32>,

    /// Send the signal even when the process has no handler for it and would end or stop by it
    #[arg(short, long, requires = "send")]
    force: bool,

    /// Run this command and print its answer; may be given several times
    #[arg(short, long, value_name = "COMMAND", allow_hyphen_values = true, conflicts_with = "raw")]
    command: Vec<String>,

    /// Print answers as data: one JSON document per line and command (of -c, or of standard input)
    #[arg(long, conflicts_with = "raw")]
    json: bool,

    /// Copy bytes both ways, as nc -U does: no line editing, no frames
    #[arg(long)]
    raw: bool,

    /// List the manholes in /tmp that answer, and remove your own sockets whose processes are gone
    #[arg(long, conflicts_with_all = ["raw", "command", "json", "send"])]
    list: bool,
}

/// What the user asked for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// Connect to one manhole.
    Connect(Connect),
    /// List the manholes of a directory, waiting at most `timeout` for each.
    List {
        /// Where the sockets are.
        directory: PathBuf,
        /// The longest wait for one of them.
        timeout: Duration,
    },
}

/// A connection to make, and what to do with it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Connect {
    /// Which process or socket.
    pub(crate) target: Target,
    /// Bound of connecting and of the first words.
    pub(crate) timeout: Duration,
    /// Sent before connecting.
    pub(crate) signal: Option<i32>,
    /// The signal is sent whatever it does to the process.
    pub(crate) force: bool,
    /// Commands of `-c`.
    pub(crate) commands: Vec<String>,
    /// Answers as data.
    pub(crate) json: bool,
    /// Bytes only.
    pub(crate) raw: bool,
}

/// The manhole that is meant.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Target {
    /// The path as given, which is then the only one tried.
    pub(crate) path: Option<PathBuf>,
    /// The process as this namespace numbers it, when the words told.
    pub(crate) pid: Option<i32>,
}

/// Reads the command line `arguments` (program name first).
///
/// # Errors
/// clap's own: its text and exit status are for the user (`--help` and `--version` are among them).
pub(crate) fn parse(arguments: impl Iterator<Item = OsString>) -> Result<Request, clap::Error> {
    let flags = Flags::try_parse_from(long_options_of_upstream(arguments))?;
    if flags.list {
        return Ok(Request::List {
            directory: flags.target.map_or_else(|| PathBuf::from("/tmp"), PathBuf::from),
            timeout: flags.timeout,
        });
    }
    let usage = |text: String| Flags::command().error(ErrorKind::ValueValidation, text);
    let target = target(&flags.target.unwrap_or_default()).map_err(usage)?;
    let signal = flags.signal.or(flags.usr1.then_some(libc::SIGUSR1)).or(flags.usr2.then_some(libc::SIGUSR2));
    if signal.is_some() && target.pid.is_none() {
        return Err(usage(
            "a signal is sent to a process: give its PID, or a path that ends in manhole-PID".to_owned(),
        ));
    }
    Ok(Request::Connect(Connect {
        target,
        timeout: flags.timeout,
        signal,
        force: flags.force,
        commands: flags.command,
        json: flags.json,
        raw: flags.raw,
    }))
}

/// Rewrites `-USR1` and `-USR2`, which clap would read as bundles of short flags; values of other flags stay.
fn long_options_of_upstream(arguments: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut words = Vec::new();
    let mut is_value = true; // the program's name
    let mut only_operands = false;
    for word in arguments {
        let text = word.to_str().unwrap_or_default();
        if is_value || only_operands {
            is_value = false;
        } else {
            match text {
                "--" => only_operands = true,
                "-USR1" | "-USR2" => {
                    words.push(OsString::from(format!("-{text}")));
                    continue;
                }
                "-c" | "--command" | "-s" | "--signal" | "-t" | "--timeout" => is_value = true,
                _ => {}
            }
        }
        words.push(word);
    }
    words
}

fn seconds(text: &str) -> Result<Duration, String> {
    text.trim()
        .parse::<f64>()
        .ok()
        .filter(|seconds| (0.0..=1e9).contains(seconds))
        .map(Duration::from_secs_f64)
        .ok_or_else(|| "give a number of seconds, such as 5 or 0.5".to_owned())
}

/// `PID`, `DIR/manhole-PID`, or the path of a socket that exists.
fn target(word: &OsString) -> Result<Target, String> {
    let path = Path::new(word);
    let text = word.to_string_lossy();
    let digits = match text.rsplit_once("/manhole-") {
        Some((_, digits)) => digits,
        None => text.as_ref(),
    };
    let number = (!digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
        .then(|| digits.parse::<i32>().ok().filter(|pid| *pid > 0));
    match number {
        Some(Some(pid)) if digits.len() == text.len() => Ok(Target { path: None, pid: Some(pid) }),
        Some(Some(pid)) => Ok(Target { path: Some(path.to_owned()), pid: Some(behind_proc_root(path).unwrap_or(pid)) }),
        Some(None) => Err(format!("{digits} is no pid")),
        None => match std::fs::metadata(path) {
            Ok(found) if found.file_type().is_socket() => {
                Ok(Target { path: Some(path.to_owned()), pid: behind_proc_root(path) })
            }
            Ok(_) => Err(format!("{text:?} is not a socket: give a PID or the path of a manhole")),
            Err(error) if text.contains('/') => Err(format!("{text:?}: {error}")),
            Err(_) => Err(format!(
                "{text:?} is neither a PID nor the path of a manhole's socket; `manhole-cli --list` shows what is there"
            )),
        },
    }
}

/// The pid in `/proc/PID/root/...`: whoever goes through there means that process, whatever its own namespace calls it.
fn behind_proc_root(path: &Path) -> Option<i32> {
    let rest = path.to_str()?.strip_prefix("/proc/")?;
    let (pid, rest) = rest.split_once('/')?;
    rest.starts_with("root/").then(|| pid.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(words: &[&str]) -> Result<Request, clap::Error> {
        parse(std::iter::once("manhole-cli").chain(words.iter().copied()).map(OsString::from))
    }

    fn connect(words: &[&str]) -> Connect {
        match parsed(words).unwrap() {
            Request::Connect(connect) => connect,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_pid_alone() {
        let connect = connect(&["4711"]);
        assert_eq!(connect.target, Target { path: None, pid: Some(4711) });
        assert_eq!(connect.timeout, Duration::from_secs(1));
        assert_eq!(connect.signal, None);
        assert!(connect.commands.is_empty() && !connect.json && !connect.raw);
    }

    #[test]
    fn a_path_is_kept_as_given() {
        let connect = connect(&["/var/x/manhole-12"]);
        assert_eq!(connect.target.path, Some(PathBuf::from("/var/x/manhole-12")));
        assert_eq!(connect.target.pid, Some(12));
    }

    #[test]
    fn through_proc_root_the_outer_pid_counts() {
        let connect = connect(&["/proc/500/root/tmp/manhole-7"]);
        assert_eq!(connect.target.pid, Some(500));
    }

    #[test]
    fn an_existing_socket_of_any_name() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("app.sock");
        let _listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let connect = connect(&[path.to_str().unwrap()]);
        assert_eq!(connect.target, Target { path: Some(path), pid: None });
    }

    #[test]
    fn the_signals_of_upstream() {
        for words in [["-1", "7"], ["-USR1", "7"], ["--USR1", "7"], ["-sUsR1", "7"]] {
            assert_eq!(connect(&words).signal, Some(libc::SIGUSR1), "{words:?}");
        }
        assert_eq!(connect(&["7", "-USR2"]).signal, Some(libc::SIGUSR2));
        assert_eq!(connect(&["-s", "12", "7"]).signal, Some(libc::SIGUSR2));
        assert!(!connect(&["-2", "7"]).force && connect(&["-2f", "7"]).force && connect(&["7", "--force", "-1"]).force);
    }

    #[test]
    fn commands_may_look_like_flags() {
        let connect = connect(&["-c", "-USR1", "-c", "-1 + 2", "7"]);
        assert_eq!(connect.commands, ["-USR1", "-1 + 2"]);
        assert_eq!(connect.signal, None);
    }

    #[test]
    fn a_listing_of_another_directory() {
        let listing = parsed(&["--list", "/run", "-t", "0.5"]).unwrap();
        let expected = Request::List { directory: PathBuf::from("/run"), timeout: Duration::from_millis(500) };
        assert_eq!(listing, expected);
        assert!(
            matches!(parsed(&["--list"]).unwrap(), Request::List { directory, .. } if directory == Path::new("/tmp"))
        );
    }

    #[test]
    fn wrong_usage_is_named() {
        for (words, piece) in [
            (&[][..], "PID|PATH"),
            (&["abc"], "neither a PID"),
            (&["0"], "0 is no pid"),
            (&["99999999999"], "is no pid"),
            (&["/no/such/socket"], "No such file"),
            (&["/etc/passwd"], "not a socket"),
            (&["-1", "-2", "7"], "cannot be used with"),
            (&["-f", "7"], "required arguments"),
            (&["-s", "FOO", "7"], "no signal is called"),
            (&["-s", "-9", "7"], "no signal is called"),
            (&["-t", "-1", "7"], "a value is required"),
            (&["-t", "nan", "7"], "number of seconds"),
            (&["--raw", "-c", "bt", "7"], "cannot be used with"),
            (&["--json", "--raw", "7"], "cannot be used with"),
            (&["--list", "-c", "x"], "cannot be used with"),
        ] {
            let error = parsed(words).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{words:?}");
            let text = error.to_string();
            assert!(text.contains(piece), "{words:?}: {text}");
        }
    }

    #[test]
    fn the_help_names_everything() {
        let error = parsed(&["--help"]).unwrap_err();
        assert_eq!(error.exit_code(), 0);
        let text = error.to_string();
        for piece in [
            "-t, --timeout",
            "-USR1",
            "-s, --signal",
            "-f, --force",
            "-c, --command",
            "--json",
            "--raw",
            "--list",
            "Exit status",
        ] {
            assert!(text.contains(piece), "{piece} is missing in {text}");
        }
    }

    #[test]
    fn the_manual_page_names_every_flag() {
        let page = include_str!("../../packaging/man/manhole-cli.1").replace('\\', "");
        for flag in Flags::command().get_arguments() {
            let flag = flag.get_long().map(|long| format!("--{long}"));
            assert!(flag.as_ref().is_none_or(|flag| page.contains(flag)), "{flag:?}");
        }
    }
}

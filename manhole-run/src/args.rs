//! The command line: a flag per option of the manhole, built from the one table of options. Runs in the launcher.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use manhole_options::{Kind, Row, TABLE};

const ABOUT: &str = "Start PROGRAM with a manhole in it.

Once it runs, `manhole-cli PID` or `nc -U /tmp/manhole-PID` shows the stacks of all its threads and opens a prompt \
inside it. PROGRAM itself is not changed; it keeps the pid, the descriptors and the terminal of manhole-run.";

const AFTER: &str = "The options of the manhole are those of the environment variable MANHOLE; flags override \
--options, which overrides a MANHOLE that is inherited. MANHOLE=off keeps the manhole closed.

A process that is running already cannot be entered yet: it must have been started with manhole-run. Programs that \
PROGRAM executes have manholes too, unless --no-children is given.

No manhole can be in: statically linked programs, programs for another machine or C library (musl), and programs that \
gain privileges when they start (setuid, setgid, file capabilities). manhole-run says so and does not start them.

Exit status: that of PROGRAM; 2 when an option is wrong, 125 when no manhole can be in PROGRAM, 126 when PROGRAM \
cannot be executed, 127 when it is not found.

Examples:
  manhole-run ./server --port 8080
  manhole-run --oneshot-on USR2 --socket-path '/run/manhole-{pid}.sock' -- ./server
  manhole-run --options 'verbose=True, locals={\"pool\": \"&g_pool\"}' ./server
  manhole-run --check ./server";

const SHORT_AFTER: &str = "Try --help for all that can be set.";

/// What the command line asks for.
#[derive(Debug, PartialEq)]
pub(crate) struct Request {
    /// `PROGRAM` and its arguments; empty only with `check`.
    pub(crate) command: Vec<OsString>,
    /// The value of `--options`.
    pub(crate) options: Option<String>,
    /// The options that have flags of their own here, in the order of the table, with the words given.
    pub(crate) flags: Vec<(&'static str, Vec<String>)>,
    /// The value of `--lib`.
    pub(crate) library: Option<PathBuf>,
    /// Say what would be done, do not do it.
    pub(crate) check: bool,
}

/// Parses the command line. `Err` is an error message or, as clap has it, the text of `--help`.
pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Request, Box<clap::Error>> {
    let matches = command().try_get_matches_from(arguments)?;
    Ok(Request {
        command: matches.get_many::<OsString>("command").map(|words| words.cloned().collect()).unwrap_or_default(),
        options: matches.get_one::<String>("options").cloned(),
        flags: TABLE.iter().filter_map(|row| Some((row.name, words(&matches, row)?))).collect(),
        library: matches.get_one::<PathBuf>("lib").cloned(),
        check: matches.get_flag("check"),
    })
}

/// The flag of an option: `oneshot_on` is `--oneshot-on`.
pub(crate) fn flag(name: &str) -> String {
    name.replace('_', "-")
}

/// The words that the command line has for an option, if it names it.
fn words(matches: &ArgMatches, row: &Row) -> Option<Vec<String>> {
    let given = |id: &str| matches.value_source(id) == Some(ValueSource::CommandLine);
    if row.kind == Kind::Bool {
        return if given(row.name) {
            Some(vec!["true".to_owned()])
        } else {
            given(&negative(row.name)).then(|| vec!["false".to_owned()])
        };
    }
    let words = matches.get_many::<String>(row.name)?;
    Some(words.cloned().collect())
}

fn negative(name: &str) -> String {
    format!("no_{name}")
}

fn command() -> Command {
    let mut command = Command::new("manhole-run")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Start PROGRAM with a manhole in it")
        .long_about(ABOUT)
        .after_help(SHORT_AFTER)
        .after_long_help(AFTER)
        .override_usage("manhole-run [OPTIONS] [--] PROGRAM [ARGS]...")
        .args_override_self(true)
        .arg(
            Arg::new("command")
                .value_names(["PROGRAM", "ARGS"])
                .help("The program, found as a shell finds it, and its arguments")
                .value_parser(value_parser!(OsString))
                .num_args(1..)
                .trailing_var_arg(true)
                .required_unless_present("check"),
        )
        .arg(
            Arg::new("options")
                .short('o')
                .long("options")
                .value_name("TEXT")
                .help("Options as in MANHOLE: 'verbose=True, oneshot_on=\"USR2\"', or 'off'"),
        )
        .arg(
            Arg::new("lib")
                .long("lib")
                .value_name("PATH")
                .value_parser(value_parser!(PathBuf))
                .help("The libmanhole.so to load, or its directory [default: $MANHOLE_LIB, else near manhole-run]"),
        )
        .arg(
            Arg::new("check")
                .long("check")
                .visible_alias("dry-run")
                .action(ArgAction::SetTrue)
                .help("Check everything and print what would be set, without starting PROGRAM"),
        );
    for row in &TABLE {
        command = if row.kind == Kind::Bool { command.args(switches(row)) } else { command.arg(valued(row)) };
    }
    command
}

/// `--verbose` and `--no-verbose`: the one that changes the default is shown, the other is there to override an
/// inherited MANHOLE.
fn switches(row: &'static Row) -> [Arg; 2] {
    let on_by_default = row.default_text() == "True";
    let off = negative(row.name);
    let switch = |id: &str| {
        Arg::new(id.to_owned())
            .long(flag(id))
            .alias(id.to_owned())
            .action(ArgAction::SetTrue)
            .help_heading("Options of the manhole")
    };
    [
        switch(row.name).overrides_with(off.clone()).hide(on_by_default).help(sentence(row.help)),
        switch(&off).overrides_with(row.name).hide(!on_by_default).help(format!("Switch off: {}", row.help)),
    ]
}

fn valued(row: &'static Row) -> Arg {
    let name = match row.kind {
        Kind::Signal => "SIGNAL",
        Kind::Signals => "SIGNAL,...",
        Kind::Seconds | Kind::SecondsOrNone => "SECONDS",
        Kind::SocketPath => "PATH",
        Kind::Destination => "FD|PATH",
        Kind::Names => "NAME=EXPRESSION",
        Kind::BoolOrAuto => "true|false|auto",
        Kind::Bool | Kind::Choice(_) => "WORD",
    };
    let help = match row.default_text().as_str() {
        "None" | "{}" => sentence(row.help),
        default => {
            let word = default.trim_matches('"').to_lowercase();
            format!("{} [default: {word}]", sentence(row.help))
        }
    };
    let arg = Arg::new(row.name)
        .long(flag(row.name))
        .alias(row.name)
        .value_name(name)
        .help(help)
        .allow_hyphen_values(true)
        .help_heading("Options of the manhole");
    match row.kind {
        // Each occurrence adds a name.
        Kind::Names => arg.action(ArgAction::Append),
        Kind::Choice(words) => arg.value_parser(PossibleValuesParser::new(words)),
        _ => arg,
    }
}

/// With a capital, as the rest of the help has it.
fn sentence(help: &str) -> String {
    let mut letters = help.chars();
    match letters.next() {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(words: &[&str]) -> Result<Request, Box<clap::Error>> {
        parse(["manhole-run"].iter().chain(words).map(OsString::from))
    }

    #[test]
    fn the_definition_is_consistent() {
        command().debug_assert();
    }

    #[test]
    fn the_program_keeps_its_own_flags() {
        for (words, command, flags) in [
            (&["ls", "-l", "--verbose"][..], &["ls", "-l", "--verbose"][..], 0),
            (&["--verbose", "ls", "--help"], &["ls", "--help"], 1),
            (&["--", "ls", "--", "x"], &["ls", "--", "x"], 0),
            (&["--", "-odd", "-x"], &["-odd", "-x"], 0),
            (&["ls", "--", "--check"], &["ls", "--", "--check"], 0),
        ] {
            let request = request(words).unwrap();
            assert_eq!(request.command, command, "{words:?}");
            assert_eq!(request.flags.len(), flags, "{words:?}");
            assert!(!request.check);
        }
    }

    #[test]
    fn flags_become_words() {
        for (words, name, expected) in [
            (&["--verbose"][..], "verbose", &["true"][..]),
            (&["--verbose", "--no-verbose"], "verbose", &["false"]),
            (&["--no-verbose", "--verbose"], "verbose", &["true"]),
            (&["--no-children"], "children", &["false"]),
            (&["--oneshot-on", "USR2"], "oneshot_on", &["USR2"]),
            (&["--oneshot_on=USR2"], "oneshot_on", &["USR2"]),
            (&["--oneshot-on", "USR1", "--oneshot-on", "USR2"], "oneshot_on", &["USR2"]),
            (&["--locals", "a=1", "--locals", "b=2"], "locals", &["a=1", "b=2"]),
            (&["--reinstall-delay", "-1"], "reinstall_delay", &["-1"]),
            (&["--prompt", "native"], "prompt", &["native"]),
        ] {
            let words: Vec<_> = words.iter().copied().chain(["ls"]).collect();
            let request = request(&words).unwrap();
            let expected = expected.iter().map(|word| (*word).to_owned()).collect();
            assert_eq!(request.flags, [(name, expected)], "{words:?}");
            assert_eq!(request.command, ["ls"]);
        }
    }

    #[test]
    fn command_lines_that_are_refused() {
        for words in [
            &[][..],
            &["--bogus", "ls"],
            &["--oneshoton", "USR2", "ls"],
            &["--prompt", "perl", "ls"],
            &["--options"],
            &["--verbose"],
        ] {
            let error = request(words).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{words:?}");
        }
        assert!(request(&["--check"]).is_ok());
    }

    #[test]
    fn help_names_every_option() {
        let help = command().render_long_help().to_string();
        for row in &TABLE {
            let shown = match row.default_text().as_str() {
                "True" if row.kind == Kind::Bool => format!("--no-{}", flag(row.name)),
                _ => format!("--{}", flag(row.name)),
            };
            assert!(help.contains(&shown), "{shown}");
            assert!(help.contains("cannot be entered yet"));
        }
    }

    #[test]
    fn the_manual_page_names_every_flag() {
        let page = include_str!("../../packaging/man/manhole-run.1").replace('\\', "");
        let mut named = 0;
        for flag in command().get_arguments().filter(|flag| !flag.is_hide_set()).filter_map(Arg::get_long) {
            assert!(page.contains(&format!("--{flag}")), "{flag}");
            named += 1;
        }
        assert!(named > TABLE.len(), "{named}");
    }
}

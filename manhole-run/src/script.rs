//! The first line of a script: which interpreter it names, and what `env` makes of it. Runs in the launcher; pure.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

/// The interpreter of a script and the one argument that the kernel passes to it.
#[derive(Debug, PartialEq)]
pub(crate) struct Interpreter {
    pub(crate) path: PathBuf,
    pub(crate) argument: Option<OsString>,
}

/// What `env` does with its argument.
#[derive(Debug, PartialEq)]
pub(crate) enum EnvCommand {
    /// Runs this command with our environment; a `PATH` that it sets comes with it.
    Runs(OsString, Option<OsString>),
    /// Takes this away from the environment, so that no preload reaches the command.
    Strips(String),
    /// Something that only `env` itself can judge.
    Unclear,
}

/// Reads the first line, as the kernel does (execve(2)), from the first bytes of a file. `None` if it is no script.
pub(crate) fn interpreter(start: &[u8]) -> Option<Interpreter> {
    let line = start
        .strip_prefix(b"#!")?
        .split(|byte| *byte == b'\n')
        .next()?;
    let line = trimmed(line);
    let end = line
        .iter()
        .position(|byte| is_blank(*byte))
        .unwrap_or(line.len());
    let (path, rest) = line.split_at_checked(end)?;
    let argument = trimmed(rest);
    (!path.is_empty()).then(|| Interpreter {
        path: OsStr::from_bytes(path).into(),
        argument: (!argument.is_empty()).then(|| OsStr::from_bytes(argument).to_owned()),
    })
}

/// What `#!/usr/bin/env ARGUMENT` runs. Understands plain names, `-S`, assignments and the options that matter here.
pub(crate) fn env_command(argument: &OsStr) -> EnvCommand {
    let argument = argument.as_bytes();
    let words = match split_option(argument) {
        Some(string) => split(string),
        // The kernel passes one argument only: env sees it whole.
        None => vec![argument.to_vec()],
    };
    let mut words = words.into_iter();
    let mut path = None;
    while let Some(word) = words.next() {
        match word.as_slice() {
            b"-" | b"-i" | b"--ignore-environment" => {
                return EnvCommand::Strips("clears the environment".to_owned());
            }
            b"-u" | b"--unset" => match words.next() {
                Some(name) if name == b"LD_PRELOAD" => return unset(),
                _ => {}
            },
            b"-uLD_PRELOAD" | b"--unset=LD_PRELOAD" => return unset(),
            b"--" | b"-v" | b"--debug" => {}
            _ if word.starts_with(b"-u") || word.starts_with(b"--unset=") => {}
            _ if word.starts_with(b"-") => return EnvCommand::Unclear,
            _ if word.starts_with(b"LD_PRELOAD=") => {
                return EnvCommand::Strips("sets LD_PRELOAD anew".to_owned());
            }
            _ if word.starts_with(b"PATH=") => {
                path = word.get(5..).map(|path| OsString::from_vec(path.to_vec()));
            }
            _ if word.contains(&b'=') => {}
            _ => return EnvCommand::Runs(OsString::from_vec(word), path),
        }
    }
    EnvCommand::Unclear
}

fn unset() -> EnvCommand {
    EnvCommand::Strips("unsets LD_PRELOAD".to_owned())
}

/// The string behind `-S`, `-vS` or `--split-string`.
fn split_option(argument: &[u8]) -> Option<&[u8]> {
    ["-vS", "-S", "--split-string=", "--split-string "]
        .iter()
        .find_map(|option| argument.strip_prefix(option.as_bytes()))
}

/// Splits at blanks outside quotes. Escapes and `${NAME}` are not undone: names of programs hardly have them.
fn split(string: &[u8]) -> Vec<Vec<u8>> {
    let mut words = Vec::new();
    let mut word: Option<Vec<u8>> = None;
    let mut quote = None;
    for &byte in string {
        match byte {
            b'"' | b'\'' if quote.is_none() => {
                quote = Some(byte);
                word.get_or_insert_default();
            }
            _ if quote == Some(byte) => quote = None,
            _ if quote.is_none() && is_blank(byte) => words.extend(word.take()),
            _ => word.get_or_insert_default().push(byte),
        }
    }
    words.extend(word);
    words
}

fn trimmed(bytes: &[u8]) -> &[u8] {
    let start = bytes.iter().position(|byte| !is_blank(*byte));
    let end = bytes.iter().rposition(|byte| !is_blank(*byte));
    match (start, end) {
        (Some(start), Some(end)) => bytes.get(start..=end).unwrap_or_default(),
        _ => &[],
    }
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_lines() {
        for (line, path, argument) in [
            ("#!/bin/sh\necho", Some("/bin/sh"), None),
            ("#! \t/bin/sh  -e x \n", Some("/bin/sh"), Some("-e x")),
            (
                "#!/usr/bin/env python3",
                Some("/usr/bin/env"),
                Some("python3"),
            ),
            ("#!", None, None),
            ("#!  \n/bin/sh", None, None),
            ("#/bin/sh", None, None),
            ("", None, None),
        ] {
            let read = interpreter(line.as_bytes());
            let expected = path.map(|path| Interpreter {
                path: path.into(),
                argument: argument.map(OsString::from),
            });
            assert_eq!(read, expected, "{line:?}");
        }
    }

    #[test]
    fn commands_of_env() {
        let runs = |name: &str| EnvCommand::Runs(name.into(), None);
        for (argument, expected) in [
            ("python3", runs("python3")),
            ("python3 -u", runs("python3 -u")),
            ("-S python3 -u", runs("python3")),
            ("-Spython3", runs("python3")),
            ("-S -v A=1 B='x y' \"my prog\" -i", runs("my prog")),
            ("-vS -u HOME --unset=X -uY node", runs("node")),
            ("--split-string=node --flag", runs("node")),
            (
                "-S PATH=/opt/bin node",
                EnvCommand::Runs("node".into(), Some("/opt/bin".into())),
            ),
            ("-i", EnvCommand::Strips("clears the environment".into())),
            (
                "-S -i python3",
                EnvCommand::Strips("clears the environment".into()),
            ),
            (
                "-S - python3",
                EnvCommand::Strips("clears the environment".into()),
            ),
            (
                "-S -u LD_PRELOAD sh",
                EnvCommand::Strips("unsets LD_PRELOAD".into()),
            ),
            (
                "-S LD_PRELOAD= sh",
                EnvCommand::Strips("sets LD_PRELOAD anew".into()),
            ),
            ("-S --chdir=/ sh", EnvCommand::Unclear),
            ("-S", EnvCommand::Unclear),
        ] {
            assert_eq!(env_command(OsStr::new(argument)), expected, "{argument}");
        }
    }
}

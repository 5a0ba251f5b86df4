//! The steps of a launch, in order; nothing happens to the outside before the last one. Runs in the launcher.

use std::ffi::{CString, OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use manhole_options::{OPTIONS_VARIABLE, Setting};
use nix::errno::Errno;
use nix::unistd::execve;

use crate::announce;
use crate::args::{self, Request};
use crate::environment::Environment;
use crate::library::{self, LIBRARY_VARIABLE, Library};
use crate::preload;
use crate::program::{self, Program, SHELL};
use crate::refusal::{NOT_EXECUTABLE, NOT_FOUND, Refusal};
use crate::settings::{self, Settings};

/// Runs the launcher. Returns only if the program is not started: a code to exit with, or why.
pub(crate) fn run(arguments: impl IntoIterator<Item = OsString>) -> Result<i32, Refusal> {
    let request = match args::parse(arguments) {
        Ok(request) => request,
        Err(message) => {
            // Nobody is left to be told if this fails.
            let _ = message.print();
            return Ok(message.exit_code());
        }
    };
    let mut environment = Environment::new(std::env::vars_os());
    let settings = settings::settle(&request, environment.get(OPTIONS_VARIABLE))?;
    let library = find_library(&request, &environment)?;
    let program = match request.command.first() {
        Some(name) => Some(program::find(name, &environment, &library)?),
        None => None,
    };
    preload::apply(&mut environment, &library.path, settings.text.as_deref());
    for warning in program.iter().flat_map(|program| &program.warnings) {
        eprintln!("manhole-run: warning: {warning}");
    }
    match program {
        Some(program) if !request.check => {
            announce::on_terminal(&settings.setting);
            Err(execute(&program, &request.command, &environment))
        }
        program => {
            report(program.as_ref(), &settings, &environment);
            Ok(0)
        }
    }
}

fn find_library(request: &Request, environment: &Environment) -> Result<Library, Refusal> {
    let variable = environment.get(LIBRARY_VARIABLE).filter(|path| !path.is_empty());
    let asked = match (&request.library, variable) {
        (Some(path), _) => Some(("--lib", path.as_path())),
        (None, Some(path)) => Some((LIBRARY_VARIABLE, Path::new(path))),
        (None, None) => None,
    };
    let own = std::env::current_exe().ok();
    library::find(asked, own.as_deref().and_then(Path::parent))
}

/// Prints what `--check` is for: the variables as a shell takes them, and what they will do.
fn report(program: Option<&Program>, settings: &Settings, environment: &Environment) {
    if let Some(program) = program {
        println!("# program: {}", program.path.display());
        for interpreter in &program.interpreters {
            println!("# run by: {}", interpreter.display());
        }
    }
    match &settings.setting {
        Setting::Off => println!("# manhole: off"),
        Setting::Install(options) => {
            let path = options.socket_path.as_deref();
            println!("# socket: {}", path.unwrap_or("/tmp/manhole-{pid}"));
            if let Some(how) = announce::opened_by(options, "PID") {
                println!("# {how}");
            }
            for note in options.notes() {
                println!("# {note}");
            }
        }
    }
    for name in preload::variables() {
        if let Some(value) = environment.get(name) {
            println!("{name}={}", shell_quoted(value));
        }
    }
}

fn shell_quoted(value: &OsStr) -> String {
    let text = value.to_string_lossy();
    let plain = |character: char| character.is_ascii_alphanumeric() || "/._-:=,+@".contains(character);
    if !text.is_empty() && text.chars().all(plain) {
        return text.into_owned();
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// Becomes the program. Returns only if that fails.
fn execute(program: &Program, command: &[OsString], environment: &Environment) -> Refusal {
    let shown = program.path.display().to_string();
    let strings: Result<(Vec<CString>, Vec<CString>), _> =
        c_strings(command.iter().cloned()).and_then(|command| Ok((command, c_strings(environment.strings())?)));
    let Ok((arguments, variables)) = strings else {
        return Refusal::new(NOT_EXECUTABLE, "an argument contains a NUL byte");
    };
    let error = match execute_file(&program.path, &arguments, &variables) {
        // As execvp(3): what the kernel does not know is a script for the shell.
        Errno::ENOEXEC => {
            let script = c_strings([SHELL.into(), program.path.clone().into_os_string()]);
            let rest = arguments.iter().skip(1).cloned();
            let arguments: Vec<_> = script.unwrap_or_default().into_iter().chain(rest).collect();
            execute_file(Path::new(SHELL), &arguments, &variables)
        }
        error => error,
    };
    let code = if error == Errno::ENOENT { NOT_FOUND } else { NOT_EXECUTABLE };
    Refusal::new(code, format!("{shown}: {}", error.desc()))
}

fn execute_file(path: &Path, arguments: &[CString], variables: &[CString]) -> Errno {
    match CString::new(path.as_os_str().as_bytes()) {
        Ok(path) => match execve(&path, arguments, variables) {
            Err(error) => error,
            Ok(never) => match never {},
        },
        Err(_) => Errno::EINVAL,
    }
}

fn c_strings(strings: impl IntoIterator<Item = OsString>) -> Result<Vec<CString>, std::ffi::NulError> {
    strings.into_iter().map(|string| CString::new(string.into_vec())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_quoted_for_a_shell() {
        for (value, quoted) in [("/a/b.so:c", "/a/b.so:c"), ("", "''"), ("x y", "'x y'"), ("it's", "'it'\\''s'")] {
            assert_eq!(shell_quoted(OsStr::new(value)), quoted);
        }
    }
}

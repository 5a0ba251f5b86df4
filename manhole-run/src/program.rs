//! From the name of a program to the ELF files that will run, through scripts and `env`, each of them checked. Runs in
//! the launcher.

use std::ffi::OsStr;
use std::fs::File;
use std::path::{Path, PathBuf};

use crate::environment::Environment;
use crate::library::Library;
use crate::privilege;
use crate::refusal::{NO_MANHOLE, NOT_EXECUTABLE, NOT_FOUND, Refusal};
use crate::script::{EnvCommand, Interpreter, env_command, interpreter};
use crate::search::{self, Problem};
use crate::target;

/// The kernel follows this many scripts whose interpreter is a script (`BINPRM_MAX_RECURSION` in its exec.c).
const MOST_SCRIPTS: usize = 4;

/// The shell that execvp(3) gives files to which the kernel does not know.
pub(crate) const SHELL: &str = "/bin/sh";

/// A program that can have a manhole.
#[derive(Debug, PartialEq)]
pub(crate) struct Program {
    /// The file to execute.
    pub(crate) path: PathBuf,
    /// The interpreters that run it, outermost script first; empty for an ELF program.
    pub(crate) interpreters: Vec<PathBuf>,
    /// What the user should know although the program is started.
    pub(crate) warnings: Vec<String>,
}

/// Finds the program `name` and checks it and all that will run it.
pub(crate) fn find(
    name: &OsStr,
    environment: &Environment,
    library: &Library,
) -> Result<Program, Refusal> {
    let path = search::find(name, environment.get("PATH"))?;
    let mut program = Program {
        path: path.clone(),
        interpreters: Vec::new(),
        warnings: Vec::new(),
    };
    let mut walk = Walk {
        environment,
        library,
        program: &mut program,
        scripts: 0,
    };
    let mut next = walk.check(&path).map(|then| then.map(|then| (path, then)));
    while let Some((current, then)) = next? {
        let (script, found) = walk.follow(&current, then)?;
        let Some(found) = found else { break };
        next = walk
            .check(&found)
            .map(|then| then.map(|then| (found, then)))
            .map_err(|refusal| refusal.within(&script));
    }
    Ok(program)
}

/// What runs next.
enum Then {
    Interpreter(Interpreter),
    Command(EnvCommand),
    Shell,
}

struct Walk<'a> {
    environment: &'a Environment,
    library: &'a Library,
    program: &'a mut Program,
    scripts: usize,
}

impl Walk<'_> {
    /// Checks one file. `Some` if something else will run it.
    fn check(&mut self, path: &Path) -> Result<Option<Then>, Refusal> {
        let start = match File::open(path).and_then(|mut file| target::beginning(&mut file)) {
            Ok(start) => start,
            Err(error) => {
                let shown = path.display();
                self.program.warnings.push(format!(
                    "cannot tell whether a manhole can be in {shown}: it cannot be read ({error})"
                ));
                return Ok(None);
            }
        };
        if let Some(interpreter) = interpreter(&start) {
            return Ok(Some(Then::Interpreter(interpreter)));
        }
        if start.starts_with(b"\x7fELF") {
            privilege::check(path)?;
            let examined = target::examine(path, &start, self.library)?;
            self.program.warnings.extend(examined.warning);
            return Ok(None);
        }
        if !self.program.interpreters.is_empty() {
            let reason = format!("{} is neither a program nor a script", path.display());
            return Err(Refusal::new(NOT_EXECUTABLE, reason));
        }
        if start.contains(&0) {
            // Registered with the kernel (binfmt_misc), perhaps.
            let shown = path.display();
            let warning =
                format!("cannot tell whether a manhole can be in {shown}: it is no ELF file");
            self.program.warnings.push(warning);
            return Ok(None);
        }
        Ok(Some(Then::Shell))
    }

    /// The file that runs `current`, found and recorded, and the words for its messages. No file if `env` alone knows.
    fn follow(&mut self, current: &Path, then: Then) -> Result<(String, Option<PathBuf>), Refusal> {
        let shown = current.display();
        match then {
            Then::Shell => {
                self.program.interpreters.push(SHELL.into());
                Ok((format!("{shown} is run by {SHELL}"), Some(SHELL.into())))
            }
            Then::Interpreter(Interpreter { path, argument }) => {
                self.scripts = self.scripts.saturating_add(1);
                let script = format!("{shown} is a script for {}", path.display());
                if self.scripts > MOST_SCRIPTS {
                    let reason = format!("more than {MOST_SCRIPTS} scripts run each other");
                    return Err(Refusal::new(NOT_EXECUTABLE, reason).within(&script));
                }
                let found = self.interpreter(&path, &script)?;
                match argument.filter(|_| path.file_name() == Some(OsStr::new("env"))) {
                    None => Ok((script, Some(found))),
                    Some(argument) => {
                        // env itself is a program too, and it starts the next one.
                        self.check(&found)
                            .map_err(|refusal| refusal.within(&script))?;
                        self.follow(current, Then::Command(env_command(&argument)))
                    }
                }
            }
            Then::Command(EnvCommand::Unclear) => Ok((String::new(), None)),
            Then::Command(EnvCommand::Strips(what)) => {
                let reason = format!(
                    "{shown} is a script whose env {what}: no preload reaches its interpreter"
                );
                Err(Refusal::new(NO_MANHOLE, reason).remedy(
                    "change its first line, or run its interpreter with manhole-run yourself",
                ))
            }
            Then::Command(EnvCommand::Runs(name, path)) => {
                let script = format!("{shown} is a script for {}", name.to_string_lossy());
                let path = path.as_deref().or_else(|| self.environment.get("PATH"));
                let found = search::find(&name, path).map_err(|refusal| refusal.within(&script))?;
                self.program.interpreters.push(found.clone());
                Ok((script, Some(found)))
            }
        }
    }

    fn interpreter(&mut self, path: &Path, script: &str) -> Result<PathBuf, Refusal> {
        match search::executable(path) {
            Ok(()) => {
                self.program.interpreters.push(path.to_owned());
                Ok(path.to_owned())
            }
            Err(Problem::Missing) => {
                let reason = format!("{script}, which does not exist");
                Err(Refusal::new(NOT_FOUND, reason))
            }
            Err(problem) => Err(problem.refusal(&path.to_string_lossy()).within(script)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::tests::{compile, library};
    use std::ffi::OsString;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    fn write(path: &Path, text: &str) {
        fs::write(path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// A directory with programs and scripts, and a way to look them up.
    struct House {
        root: tempfile::TempDir,
        library: Library,
        environment: Environment,
    }

    impl House {
        fn new() -> Self {
            let root = tempfile::tempdir().unwrap();
            let main = "int main(void) { return 0; }";
            compile(root.path(), "dynamic", main, &[]);
            compile(root.path(), "static", main, &["-static"]);
            let path = format!("{}:/usr/bin:/bin", root.path().display());
            let environment = Environment::new([(OsString::from("PATH"), OsString::from(path))]);
            let library = library(root.path());
            Self {
                root,
                library,
                environment,
            }
        }

        fn find(&self, name: &str) -> Result<Program, Refusal> {
            find(OsStr::new(name), &self.environment, &self.library)
        }

        /// Writes a script; `@` in its text stands for the directory.
        fn script(&self, name: &str, text: &str) -> PathBuf {
            let path = self.root.path().join(name);
            write(
                &path,
                &text.replace('@', &self.root.path().display().to_string()),
            );
            path
        }
    }

    #[test]
    fn programs_and_scripts_that_pass() {
        let house = House::new();
        let at = |name: &str| house.root.path().join(name);
        for (name, text, interpreters) in [
            ("dynamic", "", vec![]),
            ("direct", "#!@/dynamic -x\n", vec![at("dynamic")]),
            ("chain", "#!@/direct", vec![at("direct"), at("dynamic")]),
            (
                "by-env",
                "#!/usr/bin/env dynamic\n",
                vec!["/usr/bin/env".into(), at("dynamic")],
            ),
            (
                "by-env-s",
                "#!/usr/bin/env -S A=1 dynamic -u\n",
                vec!["/usr/bin/env".into(), at("dynamic")],
            ),
            (
                "env-unclear",
                "#!/usr/bin/env -S --chdir=/ dynamic\n",
                vec!["/usr/bin/env".into()],
            ),
            ("no-line", "echo hello\n", vec![SHELL.into()]),
            ("empty", "", vec![SHELL.into()]),
        ] {
            if name != "dynamic" {
                house.script(name, text);
            }
            let program = house.find(name).unwrap();
            assert_eq!(program.path, at(name));
            assert_eq!(program.interpreters, interpreters, "{name}");
            assert_eq!(program.warnings, [""; 0], "{name}");
        }
    }

    #[test]
    fn refusals_name_the_whole_chain() {
        let house = House::new();
        house.script("blob", "#!@/other-blob");
        write(&house.root.path().join("other-blob"), "a\0b");
        for (name, text, code, said) in [
            ("static", "", NO_MANHOLE, "static is statically linked"),
            (
                "one",
                "#!@/static",
                NO_MANHOLE,
                "one is a script for @/static: @/static is statically",
            ),
            (
                "two",
                "#!@/one",
                NO_MANHOLE,
                "one is a script for @/static: @/static is statically",
            ),
            (
                "by-env",
                "#!/usr/bin/env static",
                NO_MANHOLE,
                "by-env is a script for static: @/static is statically",
            ),
            (
                "lost",
                "#!/nowhere/sh",
                NOT_FOUND,
                "lost is a script for /nowhere/sh, which does not exist",
            ),
            (
                "lost-env",
                "#!/usr/bin/env nowhere",
                NOT_FOUND,
                "script for nowhere: nowhere: command not found",
            ),
            (
                "words",
                "#!/usr/bin/env dynamic -u",
                NOT_FOUND,
                "command not found",
            ),
            (
                "stripped",
                "#!/usr/bin/env -S -i dynamic",
                NO_MANHOLE,
                "whose env clears the environment",
            ),
            (
                "folder",
                "#!/usr",
                NOT_EXECUTABLE,
                "script for /usr: /usr: is a directory",
            ),
            ("loop", "#!@/loop", NOT_EXECUTABLE, "more than 4 scripts"),
            (
                "blob-script",
                "#!@/other-blob",
                NOT_EXECUTABLE,
                "neither a program nor a script",
            ),
        ] {
            if name != "static" {
                house.script(name, text);
            }
            let refusal = house.find(name).unwrap_err();
            let said = said.replace('@', &house.root.path().display().to_string());
            assert_eq!(refusal.code, code, "{name}: {refusal}");
            assert!(refusal.reason.contains(&said), "{name}: {refusal}");
        }
    }

    #[test]
    fn what_cannot_be_judged_is_started_with_a_warning() {
        let house = House::new();
        write(&house.root.path().join("blob"), "a\0b");
        let program = house.find("blob").unwrap();
        assert!(
            program.warnings[0].contains("no ELF file"),
            "{:?}",
            program.warnings
        );
    }
}

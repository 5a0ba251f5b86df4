//! Finds a program as execvp(3) does. Runs in the launcher.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, CWD, accessat};
use rustix::io::Errno;

use crate::refusal::{NOT_EXECUTABLE, NOT_FOUND, Refusal};

/// What glibc searches when `PATH` is not set (`_CS_PATH`).
const DEFAULT_PATH: &str = "/bin:/usr/bin";

/// The file of the program `name`: `name` itself if it contains a slash, else the first executable one in `path`.
pub(crate) fn find(name: &OsStr, path: Option<&OsStr>) -> Result<PathBuf, Refusal> {
    let shown = name.to_string_lossy();
    if name.is_empty() {
        return Err(Refusal::new(NOT_FOUND, "the program's name is empty"));
    }
    if name.as_bytes().contains(&b'/') {
        return match executable(Path::new(name)) {
            Ok(()) => Ok(name.into()),
            Err(problem) => Err(problem.refusal(&shown)),
        };
    }
    let mut found = None;
    for directory in std::env::split_paths(path.unwrap_or(OsStr::new(DEFAULT_PATH))) {
        // An empty entry is the current directory, which a slash must name for execve.
        let directory = if directory.as_os_str().is_empty() {
            PathBuf::from(".")
        } else {
            directory
        };
        let candidate = directory.join(name);
        match executable(&candidate) {
            Ok(()) => return Ok(candidate),
            Err(Problem::Missing) => {}
            Err(problem) => {
                found.get_or_insert((candidate, problem));
            }
        }
    }
    Err(match found {
        Some((candidate, problem)) => problem.refusal(&candidate.to_string_lossy()),
        None => {
            let refusal = Refusal::new(NOT_FOUND, format!("{shown}: command not found"));
            if Path::new(name).is_file() {
                refusal.remedy(format!(
                    "it is in this directory, which is not in PATH: ./{shown}"
                ))
            } else {
                refusal
            }
        }
    })
}

/// Why a file cannot be executed.
pub(crate) enum Problem {
    Missing,
    Directory,
    Special,
    NoPermission,
    Other(Errno),
}

impl Problem {
    pub(crate) fn refusal(&self, shown: &str) -> Refusal {
        let not_executable = |what: &str| Refusal::new(NOT_EXECUTABLE, format!("{shown}: {what}"));
        match self {
            Self::Missing => Refusal::new(NOT_FOUND, format!("{shown}: no such file")),
            Self::Directory => not_executable("is a directory"),
            Self::Special => not_executable("is no regular file"),
            Self::NoPermission => {
                not_executable("permission denied").remedy("may it be executed? (chmod +x)")
            }
            Self::Other(error) => not_executable(&error.to_string()),
        }
    }
}

/// Whether the kernel would execute this file for us, as far as permissions go.
pub(crate) fn executable(path: &Path) -> Result<(), Problem> {
    let metadata = std::fs::metadata(path).map_err(|error| {
        match error.raw_os_error().map(Errno::from_raw_os_error) {
            Some(Errno::NOENT | Errno::NOTDIR) => Problem::Missing,
            Some(Errno::ACCESS) => Problem::NoPermission,
            Some(other) => Problem::Other(other),
            None => Problem::Missing,
        }
    })?;
    if metadata.is_dir() {
        return Err(Problem::Directory);
    }
    if !metadata.is_file() {
        return Err(Problem::Special);
    }
    match accessat(CWD, path, Access::EXEC_OK, AtFlags::EACCESS) {
        Ok(()) => Ok(()),
        Err(Errno::ACCESS) => Err(Problem::NoPermission),
        Err(other) => Err(Problem::Other(other)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    fn file(directory: &Path, name: &str, mode: u32) {
        fs::create_dir_all(directory).unwrap();
        let path = directory.join(name);
        fs::write(&path, "").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn the_first_executable_file_in_the_path_counts() {
        let root = tempfile::tempdir().unwrap();
        let [one, two, three] = ["one", "two", "three"].map(|name| root.path().join(name));
        file(&one, "prog", 0o644);
        fs::create_dir_all(two.join("prog")).unwrap();
        file(&three, "prog", 0o755);
        file(&one, "plain", 0o644);
        let path = std::env::join_paths([&root.path().join("none"), &one, &two, &three]).unwrap();
        let find = |name: &str| find(OsStr::new(name), Some(&path));
        assert_eq!(find("prog"), Ok(three.join("prog")));
        let refusal = find("plain").unwrap_err();
        assert_eq!(refusal.code, NOT_EXECUTABLE);
        assert!(
            refusal.reason.ends_with("one/plain: permission denied"),
            "{refusal}"
        );
        assert_eq!(find("missing").unwrap_err().code, NOT_FOUND);
        assert_eq!(find("").unwrap_err().code, NOT_FOUND);
    }

    #[test]
    fn a_slash_names_the_file_itself() {
        let root = tempfile::tempdir().unwrap();
        file(root.path(), "prog", 0o755);
        file(root.path(), "plain", 0o644);
        let nowhere = OsStr::new("/nowhere");
        for (name, code, said) in [
            ("missing", NOT_FOUND, "no such file"),
            ("plain", NOT_EXECUTABLE, "permission denied"),
            ("plain/below", NOT_FOUND, "no such file"),
            ("", NOT_EXECUTABLE, "is a directory"),
        ] {
            let refusal = find(root.path().join(name).as_os_str(), Some(nowhere)).unwrap_err();
            assert_eq!(refusal.code, code, "{refusal}");
            assert!(refusal.reason.ends_with(said), "{refusal}");
        }
        let prog = root.path().join("prog");
        assert_eq!(find(prog.as_os_str(), Some(nowhere)), Ok(prog));
    }

    #[test]
    fn without_a_path_the_system_directories_are_searched() {
        assert!(find(OsStr::new("sh"), None).is_ok());
    }
}

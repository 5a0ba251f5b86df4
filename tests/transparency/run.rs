//! One run of a program in a directory of its own, and what is left of it: what it said, how it ended, its files. Runs in the test process.

use std::collections::BTreeMap;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use manhole_tests::wait_for;

use super::visits::Visits;
use super::{BARE, Way, prepare};

/// Where a run takes place: always at the same path, and empty.
pub(super) struct Place {
    _kept: tempfile::TempDir,
    pub(super) directory: PathBuf,
    pub(super) sockets: PathBuf,
}

impl Place {
    pub(super) fn new() -> Place {
        let kept = tempfile::tempdir().expect("a directory");
        // A server that becomes another user has its files and its socket in here.
        let open = |path: &Path, mode| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode));
        open(kept.path(), 0o755).expect("chmod");
        let (directory, sockets) = (kept.path().join("run"), kept.path().join("sockets"));
        std::fs::create_dir(&sockets).and_then(|()| open(&sockets, 0o1777)).expect("a directory for sockets");
        let place = Place { _kept: kept, directory, sockets };
        place.clear();
        place
    }

    /// Empties it.
    pub(super) fn clear(&self) {
        if self.directory.exists() {
            std::fs::remove_dir_all(&self.directory).expect("remove what the last run has left");
        }
        std::fs::create_dir(&self.directory).expect("a directory to run in");
    }

    /// A command that runs here.
    pub(super) fn command(&self, program: impl AsRef<std::ffi::OsStr>, way: Way) -> Command {
        let mut command = Command::new(program);
        prepare(&mut command, way, &self.sockets);
        command.current_dir(&self.directory).env("HOME", &self.directory).env("TMPDIR", &self.directory);
        command
    }
}

/// What is compared, by name.
pub(super) type Outcome = BTreeMap<String, String>;

/// How a process has ended, in words.
pub(super) fn ended(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        _ => format!("{status:?}"),
    }
}

/// Kills a group of processes when it goes out of scope.
struct Group(Child);

impl Drop for Group {
    fn drop(&mut self) {
        if matches!(self.0.try_wait(), Ok(None)) {
            let group = nix::unistd::Pid::from_raw(i32::try_from(self.0.id()).expect("a pid"));
            let _ = nix::sys::signal::killpg(group, nix::sys::signal::Signal::SIGKILL);
            let _ = self.0.wait();
        }
    }
}

/// Runs a command to its end: `output` is what it has said on both streams, `status` how it has ended.
///
/// # Panics
/// When it does not end in time, or nobody could visit what was to be visited.
pub(super) fn to_the_end(place: &Place, way: Way, mut command: Command, limit: Duration) -> Outcome {
    let said = tempfile::NamedTempFile::new().expect("a file for its output");
    command.stdin(Stdio::null()).stdout(appending(said.path())).stderr(appending(said.path())).process_group(0);
    let visits = way.is_visited.then(|| Visits::of(&place.sockets));
    let mut group = Group(command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}")));
    let status = wait_for(&format!("the end of {command:?} {}", way.name), limit, || group.0.try_wait().expect("wait"));
    let dumps = visits.map(Visits::end);
    let text = String::from_utf8_lossy(&std::fs::read(said.path()).expect("its output")).into_owned();
    assert_ne!(dumps, Some(0), "{command:?} {}: nobody could visit it: {text}", way.name);
    let mut outcome = Outcome::new();
    outcome.insert("status".into(), ended(status));
    outcome.insert("output".into(), text);
    outcome.extend(files(&place.directory).into_iter().map(|(name, content)| (format!("file {name}"), content)));
    outcome
}

fn appending(path: &Path) -> Stdio {
    std::fs::OpenOptions::new().append(true).open(path).map(Stdio::from).expect("open the file for its output")
}

/// All that is below a directory, by its name there: kind, mode and content.
pub(super) fn files(directory: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut left = vec![directory.to_owned()];
    while let Some(path) = left.pop() {
        for entry in std::fs::read_dir(&path).into_iter().flatten().flatten() {
            let path = entry.path();
            let Ok(data) = path.symlink_metadata() else { continue };
            let kind = data.file_type();
            let content = if kind.is_symlink() {
                format!("link to {}", std::fs::read_link(&path).unwrap_or_default().display())
            } else if kind.is_dir() {
                left.push(path.clone());
                "directory".to_owned()
            } else if kind.is_file() {
                let bytes = std::fs::read(&path).unwrap_or_default();
                format!("{:o} {}", data.permissions().mode() & 0o7777, readable(&bytes))
            } else {
                format!("fifo {} socket {}", kind.is_fifo(), kind.is_socket())
            };
            found.insert(path.strip_prefix(directory).unwrap_or(&path).display().to_string(), content);
        }
    }
    found
}

/// Text as it is; other bytes by their length and a sum.
fn readable(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.contains('\0') => text.to_owned(),
        _ => {
            use std::hash::{DefaultHasher, Hasher};
            let mut hasher = DefaultHasher::new();
            hasher.write(bytes);
            format!("{} bytes, sum {:x}", bytes.len(), hasher.finish())
        }
    }
}

/// Runs something without a manhole twice, then in each of the ways, and compares. `varies` names the parts that the program varies by itself,
/// by a piece of the part's name: of those only the presence counts.
///
/// # Panics
/// When there is a difference.
pub(super) fn is_the_same(ways: &[Way], varies: &[&str], run: impl Fn(&Place, Way) -> Outcome) {
    let place = Place::new();
    let once = |way| {
        place.clear();
        let mut outcome = run(&place, way);
        for (name, part) in &mut outcome {
            if varies.iter().any(|piece| name.contains(piece)) {
                part.clear();
            }
        }
        outcome
    };
    let bare = once(BARE);
    let varied = differences(&bare, &once(BARE));
    assert!(varied.is_empty(), "this varies by itself, so it says nothing about us:\n{varied}");
    let found: String = ways
        .iter()
        .map(|&way| (way, differences(&bare, &once(way))))
        .filter(|(_, differences)| !differences.is_empty())
        .map(|(way, differences)| format!("{}:\n{differences}", way.name))
        .collect();
    assert!(found.is_empty(), "{found}");
}

/// The parts that are not the same, with their first lines that differ.
fn differences(before: &Outcome, after: &Outcome) -> String {
    let names: std::collections::BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let mut text = String::new();
    for name in names {
        match (before.get(name), after.get(name)) {
            (Some(a), Some(b)) if a == b => {}
            (Some(a), Some(b)) => text += &format!("  {name}:\n{}", lines_that_differ(a, b)),
            (a, _) => text += &format!("  {name}: {}\n", if a.is_some() { "is missing" } else { "is new" }),
        }
    }
    text
}

/// What is between the common beginning and the common end.
fn lines_that_differ(before: &str, after: &str) -> String {
    let (a, b): (Vec<&str>, Vec<&str>) = (before.lines().collect(), after.lines().collect());
    let start = a.iter().zip(&b).take_while(|(x, y)| x == y).count();
    let end = a.iter().skip(start).rev().zip(b.iter().skip(start).rev()).take_while(|(x, y)| x == y).count();
    let part = |lines: &[&str], mark: char| -> String {
        let differing = lines.iter().skip(start).take(lines.len() - start - end).take(40);
        differing.map(|line| format!("    {mark} {line}\n")).collect()
    };
    part(&a, '-') + &part(&b, '+')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_shown() {
        let outcome = |text: &str| Outcome::from([("output".to_owned(), text.to_owned())]);
        assert_eq!(differences(&outcome("a\nb\nc"), &outcome("a\nb\nc")), "");
        assert_eq!(differences(&outcome("a\nb\nc"), &outcome("a\nx\nc")), "  output:\n    - b\n    + x\n");
        assert_eq!(differences(&outcome("a"), &Outcome::new()), "  output: is missing\n");
    }
}

//! Where the socket of a process may be: the paths to try, best first.
//!
//! Runs in the client, anew before each round of attempts, because the process may open its manhole meanwhile. Connects to nothing.

use std::path::{Path, PathBuf};

use manhole_options::Setting;

use crate::args::Target;
use crate::{process, sockets};

/// The path that messages speak of: the given one, or the usual one.
pub(crate) fn usual_path(target: &Target) -> PathBuf {
    match (&target.path, target.pid) {
        (Some(path), _) => path.clone(),
        (None, pid) => PathBuf::from(format!("/tmp/manhole-{}", pid.unwrap_or_default())),
    }
}

/// All paths to try. A given path is the only one; for a PID the usual path comes first, and the others count only
/// when nothing answers there: the process's own /tmp, its `socket_path`, its listening sockets.
pub(crate) fn candidates(target: &Target) -> Vec<PathBuf> {
    let usual = usual_path(target);
    let (None, Some(pid)) = (&target.path, target.pid) else {
        return vec![usual];
    };
    let own_pid = process::status(pid).and_then(|status| status.own_pid()).unwrap_or(pid);
    let mut paths = vec![usual, seen_by(pid, Path::new(&format!("/tmp/manhole-{own_pid}")))];
    if let Some(path) = process::options(pid).and_then(|options| socket_path(&options, own_pid)) {
        paths.push(seen_by(pid, Path::new(&path)));
    }
    for path in sockets::of_manholes(pid, own_pid) {
        let seen = seen_by(pid, &path);
        if !paths.contains(&seen) {
            paths.push(seen);
        }
    }
    paths
}

/// A path of the process as this process can reach it: through the other's root, or its working directory.
fn seen_by(pid: i32, path: &Path) -> PathBuf {
    match path.strip_prefix("/") {
        Ok(inner) => PathBuf::from(format!("/proc/{pid}/root")).join(inner),
        Err(_) => PathBuf::from(format!("/proc/{pid}/cwd")).join(path),
    }
}

/// The `socket_path` that the options set for process `pid`.
fn socket_path(options: &Setting, pid: i32) -> Option<String> {
    match options {
        Setting::Install(options) if options.socket_path.is_some() => {
            Some(options.expand_socket_path(u32::try_from(pid).ok()?))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_given_path_is_the_only_one() {
        let target = Target { path: Some(PathBuf::from("/x/manhole-7")), pid: Some(7) };
        assert_eq!(candidates(&target), [PathBuf::from("/x/manhole-7")]);
    }

    #[test]
    fn a_pid_is_looked_for_in_its_own_namespace_too() {
        let pid = std::process::id() as i32;
        let paths = candidates(&Target { path: None, pid: Some(pid) });
        let own = process::status(pid).unwrap().own_pid().unwrap();
        assert_eq!(paths[0], PathBuf::from(format!("/tmp/manhole-{pid}")));
        assert_eq!(paths[1], PathBuf::from(format!("/proc/{pid}/root/tmp/manhole-{own}")));
    }

    #[test]
    fn the_option_in_its_spellings() {
        for (text, path) in [
            ("socket_path='/run/a b.sock'", Some("/run/a b.sock")),
            ("verbose=True, socket_path = \"/run/{pid}\",", Some("/run/7")),
            (r"socket_path='/it\'s'", Some("/it's")),
            ("socket_path=None", None),
            ("socket_path='/open", None),
            ("verbose=True", None),
            ("", None),
        ] {
            let options = manhole_options::parse(text).ok();
            assert_eq!(options.and_then(|options| socket_path(&options, 7)).as_deref(), path, "{text}");
        }
    }

    #[test]
    fn relative_paths_go_through_the_working_directory() {
        assert_eq!(seen_by(5, Path::new("a.sock")), Path::new("/proc/5/cwd/a.sock"));
        assert_eq!(seen_by(5, Path::new("/a.sock")), Path::new("/proc/5/root/a.sock"));
    }
}

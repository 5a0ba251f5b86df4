//! `--list`: the manholes of a directory that answer; removes sockets that surely nobody will open again.
//!
//! Runs in the client. It connects to each manhole as a probe, which takes nobody's turn at the prompt.

use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::errno::Errno;

use crate::args::Target;
use crate::failure::Failure;
use crate::handshake::{self, Opening};
use crate::{connect, leftover, peer, process, visible};

/// Prints a table, or says that there is none.
///
/// # Errors
/// Status 1 when the directory cannot be read.
pub(crate) fn run(directory: &Path, timeout: Duration) -> Result<(), Failure> {
    let mut sockets = sockets(directory)?;
    sockets.sort();
    let mut rows = Vec::new();
    let mut forbidden = 0_u32;
    for (pid, path) in sockets {
        match connect::attempt(&path, connect::Introduction::Probe) {
            Ok(stream) => rows.push(row(pid, &path, &stream, timeout)),
            Err(Errno::ECONNREFUSED) => {
                if let Some(text) = leftover::remove(&path, pid) {
                    eprintln!("{text}");
                }
            }
            Err(Errno::EACCES | Errno::EPERM) => forbidden = forbidden.saturating_add(1),
            Err(Errno::EAGAIN) => rows.push(Row::silent(pid, &path)),
            Err(_) => {}
        }
    }
    if rows.is_empty() {
        eprintln!("no manhole answers in {}", directory.display());
    } else {
        println!("{:>10} {:>7}  {:<8} PROGRAM", "PID", "UID", "ANSWERS");
        for row in rows {
            let program = visible::on_terminal(&row.program).into_owned();
            println!("{:>10} {:>7}  {:<8} {program}", row.pid, row.uid, row.answers);
        }
    }
    if forbidden > 0 {
        eprintln!("{forbidden} more may be entered only by other users (or root)");
    }
    Ok(())
}

struct Row {
    pid: i32,
    uid: String,
    answers: &'static str,
    program: String,
}

impl Row {
    fn silent(pid: i32, path: &Path) -> Self {
        let uid = std::fs::symlink_metadata(path).map(|file| file.uid().to_string());
        Self { pid, uid: uid.unwrap_or_default(), answers: "no", program: process::program(pid).unwrap_or_default() }
    }
}

/// Connected: who is it, and does it speak?
fn row(pid: i32, path: &Path, stream: &std::os::unix::net::UnixStream, timeout: Duration) -> Row {
    let Ok(peer) = peer::credentials(stream) else {
        return Row::silent(pid, path);
    };
    let shown = if peer.pid == 0 { pid } else { peer.pid };
    let target = Target { path: Some(path.to_owned()), pid: Some(pid) };
    let mut doubt = peer::check(peer, &target, path).err();
    let (answers, program) = match handshake::read(stream, timeout) {
        Opening::Structured { hello, .. } => {
            doubt = doubt.or_else(|| peer::check_hello(hello.pid, peer, &target).unwrap_or_else(Some));
            ("yes", Some(hello.program))
        }
        Opening::Text(_) => ("text", None),
        Opening::Closed => ("refuses", None),
        Opening::Silent => ("no", None),
    };
    if let Some(reason) = doubt {
        eprintln!("{}: {reason}", path.display());
    }
    Row {
        pid: shown,
        uid: peer.uid.to_string(),
        answers,
        program: program.or_else(|| process::program(shown)).unwrap_or_default(),
    }
}

/// `manhole-PID` sockets with their pids.
fn sockets(directory: &Path) -> Result<Vec<(i32, PathBuf)>, Failure> {
    let entries = std::fs::read_dir(directory)
        .map_err(|error| Failure::error(format!("cannot read {}: {error}", directory.display())))?;
    Ok(entries
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let name = entry.file_name();
            let digits = name.to_str()?.strip_prefix("manhole-")?;
            let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
            let pid = digits.parse().ok().filter(|pid| is_number && *pid > 0)?;
            entry.file_type().ok()?.is_socket().then(|| (pid, entry.path()))
        })
        .collect())
}

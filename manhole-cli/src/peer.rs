//! Is the one who answers the one who was asked for?
//!
//! Runs in the client on each connection that succeeds. Anyone may put a socket at /tmp/manhole-N, and a forked child may
//! hold the listener of a parent that is gone; the kernel's peer credentials (those of the process that called listen(2))
//! and the pid in the hello tell.

use std::os::unix::net::UnixStream;

use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};

use crate::args::Target;
use crate::process;

/// Who listens, as the kernel says; pid 0 is a process that this pid namespace does not show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Peer {
    /// The listener's pid in our namespace.
    pub(crate) pid: i32,
    /// Its effective uid when it began to listen.
    pub(crate) uid: u32,
}

/// The credentials behind a connection.
///
/// # Errors
/// The text of getsockopt's error.
pub(crate) fn credentials(stream: &UnixStream) -> Result<Peer, String> {
    getsockopt(stream, PeerCredentials)
        .map(|credentials| Peer {
            pid: credentials.pid(),
            uid: credentials.uid(),
        })
        .map_err(|error| format!("cannot read the credentials of the peer: {error}"))
}

/// Checks the kernel's word against what was asked for. A path that names no process is taken as is.
///
/// # Errors
/// Why the peer is not the process that was asked for.
pub(crate) fn check(peer: Peer, target: &Target) -> Result<(), String> {
    let Some(asked) = target.pid else {
        return Ok(());
    };
    let behind = process::status(peer.pid);
    // Below a shared /tmp a name may carry the pid that the process has in its own namespace.
    let is_inner_name =
        target.path.is_some() && behind.as_ref().and_then(|status| status.own_pid()) == Some(asked);
    if peer.pid != asked && peer.pid != 0 && !is_inner_name {
        return Err(format!(
            "the socket belongs to process {} ({}), not to process {asked}; if that is the one you want: manhole-cli {}",
            peer.pid,
            process::program(peer.pid).unwrap_or_else(|| "gone".to_owned()),
            peer.pid
        ));
    }
    if peer.pid == asked && !process::exists(asked) {
        return Err(format!(
            "process {asked} is gone; another process, probably a child of it, holds its socket and answers there"
        ));
    }
    let mut owners = match (&behind, process::status(asked)) {
        (Some(status), _) if peer.pid != 0 => status.uids.clone(),
        (_, Some(status)) => status.uids,
        _ => vec![nix::unistd::geteuid().as_raw()],
    };
    owners.push(0);
    if owners.contains(&peer.uid) {
        Ok(())
    } else {
        Err(format!(
            "the socket was opened by {}, but process {asked} belongs to {}: this is not its manhole",
            process::user(peer.uid),
            process::user(owners.get(1).copied().unwrap_or_default())
        ))
    }
}

/// Checks the pid that the process itself told: a child which inherited the listener passes the kernel's check.
///
/// # Errors
/// Who answers instead.
pub(crate) fn check_hello(told: i32, peer: Peer, target: &Target) -> Result<(), String> {
    let pid = if peer.pid == 0 {
        target.pid.unwrap_or(0)
    } else {
        peer.pid
    };
    match process::status(pid).and_then(|status| status.own_pid()) {
        Some(own) if own != told => Err(format!(
            "process {told} answers on the socket of process {pid}: a child that holds its parent's listener"
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(pid: i32) -> Target {
        Target {
            path: None,
            pid: Some(pid),
        }
    }

    fn myself() -> Peer {
        Peer {
            pid: std::process::id() as i32,
            uid: nix::unistd::geteuid().as_raw(),
        }
    }

    #[test]
    fn the_process_itself_passes() {
        let peer = myself();
        assert_eq!(check(peer, &asked(peer.pid)), Ok(()));
        assert_eq!(check_hello(peer.pid, peer, &asked(peer.pid)), Ok(()));
    }

    #[test]
    fn another_process_or_user_is_refused() {
        let peer = myself();
        let reason = check(peer, &asked(1)).unwrap_err();
        assert!(reason.contains("not to process 1"), "{reason}");
        let stranger = Peer { uid: 4242, ..peer };
        let reason = check(stranger, &asked(peer.pid)).unwrap_err();
        assert!(reason.contains("uid 4242"), "{reason}");
        let rooted = Peer { uid: 0, ..peer };
        assert_eq!(check(rooted, &asked(peer.pid)), Ok(()));
    }

    #[test]
    fn a_dead_listener_is_refused() {
        let gone = Peer {
            pid: i32::MAX - 1,
            uid: 0,
        };
        let reason = check(gone, &asked(gone.pid)).unwrap_err();
        assert!(reason.contains("is gone"), "{reason}");
    }

    #[test]
    fn a_child_that_answers_is_refused() {
        let peer = myself();
        let reason = check_hello(peer.pid + 1, peer, &asked(peer.pid)).unwrap_err();
        assert!(reason.contains("a child"), "{reason}");
    }

    #[test]
    fn a_path_without_a_pid_asks_for_nobody() {
        let anyone = Target {
            path: Some("/x".into()),
            pid: None,
        };
        assert_eq!(check(Peer { pid: 1, uid: 4242 }, &anyone), Ok(()));
    }
}

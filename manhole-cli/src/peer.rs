//! Is the one who answers the one who was asked for?
//!
//! Runs in the client on each connection that succeeds. Anyone may put a socket at /tmp/manhole-N, and a forked child may
//! hold the listener of a parent that is gone; the kernel's peer credentials (those of the process that called listen(2))
//! and the pid in the hello tell.

use std::os::unix::net::UnixStream;
use std::path::Path;

use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};

use crate::args::Target;
use crate::{leftover, process, sockets};

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
        .map(|credentials| Peer { pid: credentials.pid(), uid: credentials.uid() })
        .map_err(|error| format!("cannot read the credentials of the peer: {error}"))
}

/// Checks the kernel's word against what was asked for; `path` is where the connection was made. A path that names no
/// process is taken as is.
///
/// # Errors
/// Why the peer is not the process that was asked for.
pub(crate) fn check(peer: Peer, target: &Target, path: &Path) -> Result<(), String> {
    let Some(asked) = target.pid else {
        return Ok(());
    };
    let behind = process::status(peer.pid);
    // Below a shared /tmp a name may carry the pid that the process has in its own namespace.
    let is_inner_name = target.path.is_some() && behind.as_ref().and_then(|status| status.own_pid()) == Some(asked);
    if peer.pid == 0 && target.path.is_none() {
        return Err(format!(
            "a process of another pid namespace, which cannot be seen from here, answers there, not process {asked}; \
             if that is the one you want: manhole-cli {}",
            path.display()
        ));
    }
    if peer.pid != asked && peer.pid != 0 && !is_inner_name {
        return Err(format!(
            "the socket belongs to process {} ({}), not to process {asked}; if that is the one you want: manhole-cli {}",
            peer.pid,
            process::program(peer.pid).unwrap_or_else(|| "gone".to_owned()),
            peer.pid
        ));
    }
    if peer.pid == asked {
        is_alive(asked, path)?;
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

/// Whether the process that has the pid of the listener is the listener: the kernel keeps the number of a dead one, whose
/// socket lives on in its children, and may give that number to another process.
fn is_alive(pid: i32, path: &Path) -> Result<(), String> {
    let who = |holders: &[i32]| {
        let shown = |pid: &i32| format!("{pid} ({})", process::program(*pid).unwrap_or_default());
        match holders {
            [] => "another process, probably a child of it, holds its socket and answers there".to_owned(),
            [one] => format!("process {} holds its socket and answers there", shown(one)),
            many => {
                let many: Vec<String> = many.iter().map(shown).collect();
                format!("one of the processes {} answers there, which hold its socket", many.join(", "))
            }
        }
    };
    let own = i32::try_from(std::process::id()).unwrap_or(0);
    if !process::exists(pid) {
        return Err(format!("process {pid} is gone; {}", who(&sockets::holders(own, path))));
    }
    // A clock that was set meanwhile makes a socket look old too: then its process holds it, and all is well.
    if leftover::is_older_than(path, pid) && sockets::may_be_seen(pid) {
        let holders = sockets::holders(pid, path);
        if !holders.is_empty() && !holders.contains(&pid) {
            return Err(format!(
                "the process that made this socket is gone, and its pid has been given to another one, process {pid} \
                 ({}), since; {}",
                process::program(pid).unwrap_or_default(),
                who(&holders)
            ));
        }
    }
    Ok(())
}

/// Checks the pid that the process itself told: a child which inherited the listener passes the kernel's check. Gives a
/// warning when the two cannot be compared.
///
/// # Errors
/// Who answers instead.
pub(crate) fn check_hello(told: i32, peer: Peer, target: &Target) -> Result<Option<String>, String> {
    let own_pid = |pid| process::status(pid).and_then(|status| status.own_pid());
    if peer.pid == 0 {
        return match target.pid {
            // The number in the path is one of the other namespace.
            Some(asked) if told != asked && own_pid(asked) != Some(told) => {
                Err(format!("process {told} of another pid namespace answers on the socket of process {asked}"))
            }
            _ => Ok(Some(format!(
                "the process that answers is one of another pid namespace, which cannot be seen from here; it calls itself {told}"
            ))),
        };
    }
    match own_pid(peer.pid) {
        Some(own) if own != told => Err(format!(
            "process {told} answers on the socket of process {}: a child that holds its parent's listener",
            peer.pid
        )),
        None if told != peer.pid => Ok(Some(format!(
            "the socket was made by process {}, which cannot be seen (any more); the one that answers calls itself {told}",
            peer.pid
        ))),
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(pid: i32) -> Target {
        Target { path: None, pid: Some(pid) }
    }

    fn nowhere() -> &'static Path {
        Path::new("/no/such/socket")
    }

    fn myself() -> Peer {
        Peer { pid: std::process::id() as i32, uid: nix::unistd::geteuid().as_raw() }
    }

    #[test]
    fn the_process_itself_passes() {
        let peer = myself();
        assert_eq!(check(peer, &asked(peer.pid), nowhere()), Ok(()));
        assert_eq!(check_hello(peer.pid, peer, &asked(peer.pid)), Ok(None));
    }

    #[test]
    fn another_process_or_user_is_refused() {
        let peer = myself();
        let reason = check(peer, &asked(1), nowhere()).unwrap_err();
        assert!(reason.contains("not to process 1"), "{reason}");
        let stranger = Peer { uid: 4242, ..peer };
        let reason = check(stranger, &asked(peer.pid), nowhere()).unwrap_err();
        assert!(reason.contains("uid 4242"), "{reason}");
        let rooted = Peer { uid: 0, ..peer };
        assert_eq!(check(rooted, &asked(peer.pid), nowhere()), Ok(()));
    }

    #[test]
    fn a_dead_listener_is_refused() {
        let gone = Peer { pid: i32::MAX - 1, uid: 0 };
        let reason = check(gone, &asked(gone.pid), nowhere()).unwrap_err();
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
        let anyone = Target { path: Some("/x".into()), pid: None };
        assert_eq!(check(Peer { pid: 1, uid: 4242 }, &anyone, nowhere()), Ok(()));
    }

    #[test]
    fn a_process_that_cannot_be_seen() {
        let hidden = Peer { pid: 0, uid: nix::unistd::geteuid().as_raw() };
        let pid = std::process::id() as i32;
        let reason = check(hidden, &asked(pid), nowhere()).unwrap_err();
        assert!(reason.contains("another pid namespace") && reason.contains("/no/such/socket"), "{reason}");
        let by_path = Target { path: Some("/x/manhole-7".into()), pid: Some(7) };
        let warning = check_hello(7, hidden, &by_path).unwrap().unwrap();
        assert!(warning.contains("calls itself 7"), "{warning}");
        let reason = check_hello(8, hidden, &by_path).unwrap_err();
        assert!(reason.contains("process 8 of another"), "{reason}");
        let gone = Peer { pid: i32::MAX - 1, uid: 0 };
        assert!(check_hello(8, gone, &Target { path: Some("/x".into()), pid: None }).unwrap().is_some());
    }
}

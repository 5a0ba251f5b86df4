//! Peer credentials -> allowed, or the reason why not.
//!
//! Context: the agent's thread, at each accept.

use core::fmt;

use crate::sys::socket::Peer;
use crate::sys::{fd, process};

/// What the kernel shows for a user that has no number in this user namespace (user_namespaces(7)).
const OVERFLOW_UID: u32 = 65534;

/// Why a client may not come in.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    peer: Peer,
    euid: u32,
    unmapped: bool,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Peer { pid, uid, gid } = self.peer;
        write!(f, "Can't accept client with PID:{pid} UID:{uid} GID:{gid}. ")?;
        if self.unmapped {
            f.write_str("Its user has no number in this user namespace, so nobody knows who it is.")
        } else {
            write!(f, "It doesn't match the current EUID:{} or ROOT.", self.euid)
        }
    }
}

/// Lets in root and the user that the process acts for now (its effective uid may have changed since it started).
pub(crate) fn check(peer: Peer) -> Result<(), Refusal> {
    decide(peer, process::euid(), all_users_mapped)
}

fn decide(peer: Peer, euid: u32, all_users_mapped: impl FnOnce() -> bool) -> Result<(), Refusal> {
    if peer.uid == 0 {
        return Ok(());
    }
    if peer.uid != euid {
        return Err(Refusal { peer, euid, unmapped: false });
    }
    if peer.uid == OVERFLOW_UID && !all_users_mapped() {
        return Err(Refusal { peer, euid, unmapped: true });
    }
    Ok(())
}

/// Whether every user id has a number here, so that 65534 can only be the user of that number.
fn all_users_mapped() -> bool {
    let map = fd::read_file(c"/proc/self/uid_map", 4096).unwrap_or_default();
    let map = String::from_utf8_lossy(&map);
    map.split_ascii_whitespace().collect::<Vec<_>>() == ["0", "0", "4294967295"]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owner_and_root_come_in_and_nobody_else() {
        let peer = |uid| Peer { pid: 1, uid, gid: 1 };
        assert_eq!(decide(peer(0), 1000, || true), Ok(()));
        assert_eq!(decide(peer(1000), 1000, || true), Ok(()));
        assert!(decide(peer(1001), 1000, || true).is_err());
        assert!(decide(peer(1000), 0, || true).is_err());
        assert_eq!(decide(peer(OVERFLOW_UID), OVERFLOW_UID, || true), Ok(()));
        let unmapped = decide(peer(OVERFLOW_UID), OVERFLOW_UID, || false).unwrap_err();
        assert!(unmapped.to_string().contains("user namespace"));
    }
}

//! Programs that gain privileges when they start: the loader ignores LD_PRELOAD in them (AT_SECURE, getauxval(3)).
//! Runs in the launcher.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::unistd::{Gid, Uid};
use rustix::fs::{StatVfsMountFlags, getxattr, statvfs};

use crate::refusal::{NO_MANHOLE, Refusal};

const SETUID: u32 = 0o4000;
const SETGID: u32 = 0o2000;
/// Without this bit, the setgid bit means mandatory locking and has no effect on an exec.
const GROUP_EXECUTE: u32 = 0o010;

/// Who starts the program.
#[derive(Clone, Copy)]
struct Starter {
    uid: u32,
    gid: u32,
}

/// Refuses the program if it would gain privileges, started by us.
pub(crate) fn check(path: &Path) -> Result<(), Refusal> {
    let starter = Starter {
        uid: Uid::current().as_raw(),
        gid: Gid::current().as_raw(),
    };
    let Ok(metadata) = fs::metadata(path) else {
        return Ok(()); // The exec will say why.
    };
    let capable = has_capabilities(path);
    match gain(&metadata, capable, starter) {
        Some((reason, remedy)) if !gains_are_off(path) => {
            let reason = format!(
                "{} {reason}: the dynamic loader preloads nothing into programs that gain privileges",
                path.display()
            );
            Err(Refusal::new(NO_MANHOLE, reason).remedy(remedy))
        }
        _ => Ok(()),
    }
}

/// What the program gains, and how to start it without that.
fn gain(metadata: &Metadata, capable: bool, starter: Starter) -> Option<(String, String)> {
    let mode = metadata.mode();
    let (owner, group) = (metadata.uid(), metadata.gid());
    if mode & SETUID != 0 && owner != starter.uid {
        let reason = format!("is setuid to uid {owner}");
        let remedy =
            format!("start manhole-run itself as that user: sudo -u '#{owner}' manhole-run ...");
        return Some((reason, remedy));
    }
    if mode & SETGID != 0 && mode & GROUP_EXECUTE != 0 && group != starter.gid {
        let reason = format!("is setgid to gid {group}");
        let remedy =
            format!("start manhole-run itself in that group: sudo -g '#{group}' manhole-run ...");
        return Some((reason, remedy));
    }
    if capable && starter.uid != 0 {
        let reason = "has file capabilities".to_owned();
        let remedy = "start manhole-run as root, or give the capabilities from outside (setpriv --ambient-caps, \
                      systemd's AmbientCapabilities=) to a copy without them";
        return Some((reason, remedy.to_owned()));
    }
    None
}

fn has_capabilities(path: &Path) -> bool {
    let mut value = [0_u8; 64];
    getxattr(path, "security.capability", &mut value[..]).is_ok_and(|length| length > 0)
}

/// The file system or the process forbids such gains (mount(8) nosuid, prctl(2) PR_SET_NO_NEW_PRIVS).
fn gains_are_off(path: &Path) -> bool {
    statvfs(path).is_ok_and(|found| found.f_flag.contains(StatVfsMountFlags::NOSUID))
        || fs::read_to_string("/proc/self/status")
            .is_ok_and(|status| status.lines().any(|line| line == "NoNewPrivs:\t1"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn gains_depend_on_the_starter() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("file");
        fs::write(&path, "").unwrap();
        let own = fs::metadata(&path).unwrap();
        let (uid, gid) = (own.uid(), own.gid());
        for (mode, capable, other_uid, other_gid, said) in [
            (0o755, false, true, true, None),
            (0o4755, false, true, false, Some("is setuid")),
            (0o4755, false, false, true, None),
            (0o2755, false, false, true, Some("is setgid")),
            (0o2745, false, false, true, None),
            (0o2755, false, true, false, None),
            (0o755, true, true, false, Some("has file capabilities")),
        ] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let metadata = fs::metadata(&path).unwrap();
            // The other user is never root, whose gains from capabilities do not count.
            let starter = Starter {
                uid: if other_uid { uid + 1 } else { uid },
                gid: if other_gid { gid + 1 } else { gid },
            };
            let gain = gain(&metadata, capable, starter).map(|(reason, _)| reason);
            match (gain, said) {
                (None, None) => {}
                (Some(reason), Some(said)) => assert!(reason.starts_with(said), "{reason}"),
                (gain, _) => panic!("{mode:o}: {gain:?}, expected {said:?}"),
            }
        }
        let root_user = Starter { uid: 0, gid };
        if uid == 0 {
            assert_eq!(gain(&own, true, root_user), None);
        }
    }

    #[test]
    fn a_plain_file_has_no_capabilities() {
        let own = std::env::current_exe().unwrap();
        assert!(!has_capabilities(&own));
        assert_eq!(check(&own), Ok(()));
    }
}

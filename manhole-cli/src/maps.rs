//! What /proc/PID/maps tells: which files are mapped where, and the marks that the agent leaves there for clients.
//!
//! Runs in the client; only reads.

use std::fs;

use crate::process;

/// One line of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mapping {
    /// The first address.
    pub(crate) start: u64,
    /// The address behind the last.
    pub(crate) end: u64,
    /// Where in the file it begins.
    pub(crate) offset: u64,
    /// The file's inode, 0 where there is none.
    pub(crate) inode: u64,
    /// The file as the process sees it, or a name in brackets, or nothing.
    pub(crate) path: String,
}

/// The mappings of `pid`; nothing when they may not be read. A zombie or a kernel thread has none.
pub(crate) fn of(pid: i32) -> Option<Vec<Mapping>> {
    let mut text = fs::read(format!("/proc/{pid}/maps")).ok()?;
    if text.is_empty() {
        // The first thread may have ended before the others.
        let others =
            process::tids(pid).into_iter().filter_map(|tid| fs::read(format!("/proc/{pid}/task/{tid}/maps")).ok());
        text = others.into_iter().find(|text| !text.is_empty()).unwrap_or_default();
    }
    Some(String::from_utf8_lossy(&text).lines().filter_map(parse).collect())
}

/// `START-END PERMISSIONS OFFSET DEVICE INODE   PATH`; the path may hold spaces.
fn parse(line: &str) -> Option<Mapping> {
    let mut columns = line.splitn(6, ' ');
    let (start, end) = columns.next()?.split_once('-')?;
    let offset = columns.nth(1)?;
    let inode = columns.nth(1)?;
    Some(Mapping {
        start: u64::from_str_radix(start, 16).ok()?,
        end: u64::from_str_radix(end, 16).ok()?,
        offset: u64::from_str_radix(offset, 16).ok()?,
        inode: inode.parse().ok()?,
        path: columns.next().unwrap_or_default().trim_start().to_owned(),
    })
}

/// Whether the agent is loaded.
pub(crate) fn have_library(mappings: &[Mapping]) -> bool {
    mappings.iter().any(|mapping| mapping.path.contains("libmanhole.so"))
}

/// The handler with which the host has replaced the agent's for `signal`: its address, as the agent has published it in
/// the name of a mapping.
pub(crate) fn successor(mappings: &[Mapping], signal: i32) -> Option<u64> {
    // The agent may map a later mark before it removes an earlier one, and the kernel places later ones lower.
    mappings.iter().find_map(|mapping| mark(&mapping.path).filter(|(number, _)| *number == signal)).map(|found| found.1)
}

/// `/memfd:manhole:SIGNAL=ADDRESS (deleted)`.
fn mark(path: &str) -> Option<(i32, u64)> {
    let name = path.strip_prefix("/memfd:manhole:")?;
    let (signal, address) = name.strip_suffix(" (deleted)").unwrap_or(name).split_once('=')?;
    let address = u64::from_str_radix(address.trim_start_matches("0x"), 16).ok()?;
    // 0 and 1 are SIG_DFL and SIG_IGN, which the masks of the process tell.
    (address > 1).then_some((signal.parse().ok()?, address))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_every_kind() {
        let line =
            "7f00-7f10 r-xp 00001000 fe:01 4711                       /usr/lib/with space/libmanhole.so (deleted)";
        let mapping = parse(line).unwrap();
        assert_eq!((mapping.start, mapping.end, mapping.offset, mapping.inode), (0x7f00, 0x7f10, 0x1000, 4711));
        assert!(have_library(&[mapping]));
        let anonymous = parse("7f00-7f10 rw-p 00000000 00:00 0 ").unwrap();
        assert_eq!((anonymous.inode, anonymous.path.as_str()), (0, ""));
        assert!(!have_library(&[anonymous]));
        assert_eq!(parse("nonsense"), None);
        assert!(of(std::process::id() as i32).unwrap().len() > 5);
    }

    #[test]
    fn marks_name_signal_and_handler() {
        for (path, expected) in [
            ("/memfd:manhole:12=55d0c0ffee10 (deleted)", Some((12, 0x55d0_c0ff_ee10))),
            ("/memfd:manhole:23=0x10", Some((23, 16))),
            ("/memfd:manhole:12=1 (deleted)", None),
            ("/memfd:manhole:12 (deleted)", None),
            ("/memfd:manhole:x=10 (deleted)", None),
            ("/tmp/memfd:manhole:12=10", None),
        ] {
            assert_eq!(mark(path), expected, "{path}");
        }
        let line = "7f00-7f10 r--s 00000000 00:01 9   /memfd:manhole:12=55 (deleted)";
        let mappings = [parse(line).unwrap()];
        assert_eq!((successor(&mappings, 12), successor(&mappings, 10)), (Some(0x55), None));
    }
}

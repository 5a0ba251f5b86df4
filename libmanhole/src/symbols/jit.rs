//! Names of compiled code that is in no file: what a JIT compiler writes to `/tmp/perf-PID.map` for perf(1) (Linux,
//! tools/perf/Documentation/jit-interface.txt). Each line is the start and the size of a function, in hexadecimal, and its name.
//!
//! Context: the agent's thread. The file is the process's own, in its own root. It lies in a directory that anybody may write to: it is believed only as a
//! regular file of the process's user, no link, that has been written to since the process began. Names stay in the file until they
//! are asked for.

use core::time::Duration;
use std::ffi::CString;

use super::budget;
use super::regular_file::RegularFile;
use crate::sys::{fd, process};

/// Of a longer file only the end is read, in bytes: what is compiled last is what runs.
const LONGEST: u64 = 64 << 20;

/// How much is read at a time.
const PIECE: usize = 256 << 10;

/// Functions that are known at the same time; of more, only the last ones.
const MOST: usize = 1 << 20;

/// The longest name, in bytes.
const NAME: usize = 512;

/// How often the file is looked at again.
const OFTEN: Duration = Duration::from_millis(200);

/// A function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    start: u64,
    size: u32,
    /// How long the line is from the name on.
    length: u16,
    /// Where the name stands in the file. What stands later is newer.
    name: u64,
}

/// What the file says.
#[derive(Default)]
pub(super) struct Jit {
    file: Option<RegularFile>,
    /// By start, then by age.
    entries: Vec<Entry>,
    /// For each entry the greatest end of it and all before.
    reach: Vec<u64>,
    /// Up to where the file was read: behind a whole line.
    read: u64,
    /// When it was looked at.
    looked: Option<Duration>,
}

/// A function by its address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Function {
    pub(super) name: String,
    pub(super) start: u64,
    pub(super) size: u64,
    /// The file that says so.
    pub(super) object: String,
}

impl Jit {
    /// The function at this address; `problem` gets what is wrong with the file.
    pub(super) fn function(&mut self, address: u64, problem: &mut dyn FnMut(String)) -> Option<Function> {
        let now = process::monotonic();
        if self.looked.is_none_or(|looked| now.saturating_sub(looked) >= OFTEN) {
            self.looked = Some(now);
            let path = format!("/tmp/perf-{}.map", process::pid());
            if let Err(reason) = self.look(path.as_bytes(), process::euid(), started()) {
                problem(format!("{path} {reason}"));
            }
        }
        let entry = self.newest(address)?;
        let file = self.file.as_ref()?;
        let mut name = vec![0; usize::from(entry.length)];
        file.read(entry.name, &mut name).ok()?;
        let name = String::from_utf8_lossy(&name).chars().map(|c| if c.is_control() { '?' } else { c }).collect();
        let object = format!("/tmp/perf-{}.map", process::pid());
        Some(Function { name, start: entry.start, size: u64::from(entry.size), object })
    }

    /// The newest function that covers the address: memory is used again.
    fn newest(&self, address: u64) -> Option<Entry> {
        let mut at = self.entries.partition_point(|entry| entry.start <= address);
        let mut newest: Option<Entry> = None;
        while let Some(index) = at.checked_sub(1) {
            at = index;
            let entry = *self.entries.get(index)?;
            if *self.reach.get(index)? <= address {
                break;
            }
            let covers = address.wrapping_sub(entry.start) < u64::from(entry.size);
            if covers && newest.is_none_or(|known| known.name < entry.name) {
                newest = Some(entry);
            }
        }
        newest
    }

    /// Reads what is new in the file. A file that is not there is no problem.
    fn look(&mut self, path: &[u8], owner: u32, since: Option<Duration>) -> Result<(), String> {
        let name = CString::new(path).map_err(|_| "is no path".to_owned())?;
        let Ok(seen) = fd::stat_link(&name) else {
            *self = Jit { looked: self.looked, ..Jit::default() };
            return Ok(());
        };
        let refused = match () {
            () if !seen.is_regular() => Some("is not a regular file"),
            () if seen.uid != owner => Some("belongs to another user"),
            () if since.is_some_and(|since| seen.modified < since) => Some("is older than the process"),
            () => None,
        };
        if let Some(reason) = refused {
            *self = Jit { looked: self.looked, ..Jit::default() };
            return Err(format!("is not believed: it {reason}"));
        }
        let is_same = self.file.as_ref().is_some_and(|file| file.identity() == seen.identity && seen.size >= self.read);
        if is_same && self.file.as_ref().is_some_and(|file| file.size() == seen.size) {
            return Ok(());
        }
        if !is_same {
            *self = Jit { looked: self.looked, ..Jit::default() };
        }
        let file = RegularFile::open(path)?;
        if file.identity() != seen.identity {
            return Err("was replaced at this moment".to_owned());
        }
        if file.size() - self.read.min(file.size()) > LONGEST {
            self.entries.clear();
            // The piece of a line that it begins with is no line, but for one chance that is left to it.
            self.read = file.size() - LONGEST;
        }
        // What is kept of a line is no longer than the line.
        budget::check("compiled code", file.size().saturating_sub(self.read))?;
        let result = self.read_on(&file);
        self.file = Some(file);
        self.sort();
        result
    }

    /// Reads whole lines from where it ended before.
    fn read_on(&mut self, file: &RegularFile) -> Result<(), String> {
        let mut piece = Vec::new();
        while self.read < file.size() {
            let length = (file.size() - self.read).min(PIECE as u64) as usize;
            piece.resize(length, 0);
            file.read(self.read, &mut piece)?;
            let Some(last) = piece.iter().rposition(|byte| *byte == b'\n') else {
                // A line that is not whole yet; one that fills a piece is none.
                if length < PIECE {
                    break;
                }
                self.read += length as u64;
                continue;
            };
            let mut at = self.read;
            for line in piece.get(..last).unwrap_or_default().split(|byte| *byte == b'\n') {
                self.entries.extend(entry(line, at));
                at += line.len() as u64 + 1;
            }
            self.read += last as u64 + 1;
            if self.entries.len() > 2 * MOST {
                self.forget_the_oldest();
            }
        }
        Ok(())
    }

    fn forget_the_oldest(&mut self) {
        if self.entries.len() > MOST {
            self.entries.sort_unstable_by_key(|entry| entry.name);
            self.entries.drain(..self.entries.len() - MOST);
        }
    }

    fn sort(&mut self) {
        self.forget_the_oldest();
        self.entries.sort_unstable_by_key(|entry| (entry.start, entry.name));
        let reach = self.entries.iter().scan(0, |most: &mut u64, entry| {
            *most = entry.start.saturating_add(u64::from(entry.size)).max(*most);
            Some(*most)
        });
        self.reach = reach.collect();
    }
}

/// The function of a line that stands at `at` in the file; `None` for what is none.
fn entry(line: &[u8], at: u64) -> Option<Entry> {
    let (start, rest) = split(line)?;
    let (size, name) = split(rest)?;
    let size = number(size).filter(|size| *size != 0)?;
    let length = name.len().min(NAME);
    let is_one = length != 0 && !name.starts_with(b" ");
    is_one.then_some(Entry {
        start: number(start)?,
        size: u32::try_from(size).unwrap_or(u32::MAX),
        length: length as u16,
        name: at + (line.len() - name.len()) as u64,
    })
}

fn split(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let blank = text.iter().position(|byte| *byte == b' ')?;
    Some((text.get(..blank)?, text.get(blank + 1..)?))
}

/// Hexadecimal, with or without `0x`.
fn number(digits: &[u8]) -> Option<u64> {
    let digits = core::str::from_utf8(digits).ok()?;
    let digits = digits.strip_prefix("0x").unwrap_or(digits);
    // `from_str_radix` takes a sign.
    digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| u64::from_str_radix(digits, 16).ok())?
}

/// When the process began, since 1970, a little early; `None` where the kernel does not tell.
fn started() -> Option<Duration> {
    // USER_HZ of x86_64.
    const TICKS: u64 = 100;
    const LITTLE: Duration = Duration::from_secs(2);
    let stat = fd::read_file(c"/proc/self/stat", 4096).ok()?;
    let behind = stat.iter().rposition(|&byte| byte == b')')?;
    // Field 22; the second one is in the parentheses.
    let ticks: u64 =
        core::str::from_utf8(stat.get(behind + 2..)?).ok()?.split_ascii_whitespace().nth(19)?.parse().ok()?;
    let uptime = fd::read_file(c"/proc/uptime", 128).ok()?;
    let uptime: f64 = core::str::from_utf8(&uptime).ok()?.split_ascii_whitespace().next()?.parse().ok()?;
    let age = Duration::try_from_secs_f64(uptime).ok()?.saturating_sub(Duration::from_millis(ticks * 1000 / TICKS));
    Some(process::realtime().saturating_sub(age).saturating_sub(LITTLE))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn looked(path: &std::path::Path, jit: &mut Jit) -> Result<(), String> {
        jit.look(path.to_str().unwrap().as_bytes(), process::euid(), started())
    }

    fn name(jit: &Jit, address: u64) -> Option<u64> {
        jit.newest(address).map(|entry| entry.start)
    }

    #[test]
    fn lines() {
        let line = b"7fb368006d80 338 JS:*innermost /tmp/njs/a.js:1:19";
        assert_eq!(entry(line, 100), Some(Entry { start: 0x7fb3_6800_6d80, size: 0x338, length: 32, name: 117 }));
        assert!(entry(b"0x10 0x8 f(int, long)", 0).is_some_and(|entry| (entry.start, entry.size) == (16, 8)));
        for wrong in ["", "10", "10 8", "10 8 ", "10  8 f", "x 8 f", "10 0 f", "+10 8 f", "-1 8 f", "10 8  f"] {
            assert_eq!(entry(wrong.as_bytes(), 0), None, "{wrong:?}");
        }
    }

    #[test]
    fn the_newest_wins_and_what_is_new_is_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("map");
        let mut file = std::fs::File::create(&path).unwrap();
        writeln!(file, "1000 100 old\n2000 10 other\n1080 10 inner").unwrap();
        let mut jit = Jit::default();
        looked(&path, &mut jit).unwrap();
        assert_eq!(
            (name(&jit, 0x1000), name(&jit, 0x1084), name(&jit, 0x10ff)),
            (Some(0x1000), Some(0x1080), Some(0x1000))
        );
        assert_eq!((name(&jit, 0x1100), name(&jit, 0xfff), name(&jit, 0x2010)), (None, None, None));
        // A line that is not whole is read when it is.
        write!(file, "1040 100 ne").unwrap();
        looked(&path, &mut jit).unwrap();
        assert_eq!(name(&jit, 0x1084), Some(0x1080));
        writeln!(file, "w").unwrap();
        looked(&path, &mut jit).unwrap();
        assert_eq!((name(&jit, 0x1084), name(&jit, 0x103f), jit.entries.len()), (Some(0x1040), Some(0x1000), 4));
        // Another file in its place.
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, "3000 10 f\n").unwrap();
        looked(&path, &mut jit).unwrap();
        assert_eq!((name(&jit, 0x1084), name(&jit, 0x3000)), (None, Some(0x3000)));
        std::fs::remove_file(&path).unwrap();
        looked(&path, &mut jit).unwrap();
        assert!(jit.entries.is_empty());
    }

    #[test]
    fn whose_file_is_believed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("map");
        std::fs::write(&path, "1000 100 f\n").unwrap();
        let mut jit = Jit::default();
        let text = path.to_str().unwrap().as_bytes();
        assert!(jit.look(text, process::euid() + 1, started()).unwrap_err().contains("another user"));
        let late = process::realtime() + Duration::from_secs(60);
        assert!(jit.look(text, process::euid(), Some(late)).unwrap_err().contains("older than the process"));
        let link = directory.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(looked(&link, &mut jit).unwrap_err().contains("not a regular file"));
        assert!(jit.entries.is_empty() && looked(&path, &mut jit).is_ok() && jit.entries.len() == 1);
    }

    #[test]
    fn garbage_and_lines_without_end() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("map");
        let mut bytes = vec![b'a'; 3 * PIECE];
        bytes.extend_from_slice(b"\n1000 100 f\n\xff\xfe\0 \n");
        std::fs::write(&path, &bytes).unwrap();
        let mut jit = Jit::default();
        looked(&path, &mut jit).unwrap();
        assert_eq!((jit.entries.len(), name(&jit, 0x1000)), (1, Some(0x1000)));
    }
}

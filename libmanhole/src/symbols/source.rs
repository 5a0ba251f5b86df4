//! Lines of source files.
//!
//! Context: the agent's thread. The files belong to whoever; only regular ones of moderate size are read.

use std::collections::BTreeMap;

use super::archive;
use super::encodings::Encoding;
use super::regular_file::RegularFile;

/// A source file past this size is a generated one; it is not shown.
const FILE_LIMIT: u64 = 8 << 20;
/// What the cache may hold before it is emptied.
const CACHE_LIMIT: usize = 32 << 20;

/// The files read so far, those that cannot be read included.
#[derive(Default)]
pub(super) struct Sources {
    files: BTreeMap<String, Option<Source>>,
    size: usize,
    /// Whether they are Python's, which may say what encoding they have.
    of_python: bool,
}

struct Source {
    text: Vec<u8>,
    /// Where each line starts.
    starts: Vec<u32>,
    encoding: Encoding,
}

impl Sources {
    pub(super) fn of_python() -> Sources {
        Sources { of_python: true, ..Sources::default() }
    }

    /// The line (counted from 1) without surrounding blanks.
    pub(super) fn line(&mut self, file: &str, line: u32) -> Option<String> {
        self.whole_line(file, line).map(|line| line.trim().to_owned())
    }

    /// The line (counted from 1) as it stands there.
    pub(super) fn whole_line(&mut self, file: &str, line: u32) -> Option<String> {
        if !self.files.contains_key(file) {
            let source = Source::read(file, self.of_python);
            let size = source.as_ref().map_or(0, |source| source.text.len() + source.starts.len() * 4);
            if self.size.saturating_add(size) > CACHE_LIMIT {
                self.files.clear();
                self.size = 0;
            }
            self.size += size;
            self.files.insert(file.to_owned(), source);
        }
        self.files.get(file)?.as_ref()?.line(line)
    }
}

impl Source {
    /// A relative path (`-ffile-prefix-map`) would mean whatever the host's directory holds; it is not opened.
    fn read(path: &str, of_python: bool) -> Option<Source> {
        if !path.starts_with('/') {
            return None;
        }
        let text = match RegularFile::open(path.as_bytes()) {
            Ok(file) if file.size() > FILE_LIMIT => return None,
            Ok(file) => file.bytes(0, file.size()).ok()?,
            Err(_) if of_python => archive::read(path, FILE_LIMIT)?,
            Err(_) => return None,
        };
        let ends = text.iter().enumerate().filter(|&(_, &byte)| byte == b'\n').map(|(at, _)| at as u32 + 1);
        // Behind the last line's end is none.
        let starts = core::iter::once(0).chain(ends).filter(|&start| (start as usize) < text.len()).collect();
        let encoding = if of_python { Encoding::of(&text) } else { Encoding::Utf8 };
        Some(Source { text, starts, encoding })
    }

    fn line(&self, line: u32) -> Option<String> {
        let index = usize::try_from(line.checked_sub(1)?).ok()?;
        let start = *self.starts.get(index)? as usize;
        let end = self.starts.get(index.checked_add(1)?).map_or(self.text.len(), |&end| end as usize);
        Some(self.encoding.text(self.text.get(start..end)?)?.trim_end_matches(['\n', '\r']).to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_trimmed_and_counted_from_one() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.c");
        std::fs::write(&path, "one\n\ttwo  \r\nlast").unwrap();
        let path = path.to_str().unwrap();
        let mut sources = Sources::default();
        let lines: Vec<Option<String>> = (0..=4).map(|line| sources.line(path, line)).collect();
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(lines, [None, text("one"), text("two"), text("last"), None]);
        let path = directory.path().join("b.c");
        std::fs::write(&path, "one\n\n").unwrap();
        let lines: Vec<Option<String>> = (1..=3).map(|line| sources.line(path.to_str().unwrap(), line)).collect();
        assert_eq!(lines, [text("one"), text(""), None]);
    }

    #[test]
    fn what_is_no_regular_file_is_not_opened() {
        let directory = tempfile::tempdir().unwrap();
        let fifo = directory.path().join("fifo");
        assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
        let large = directory.path().join("large");
        std::fs::File::create(&large).unwrap().set_len(FILE_LIMIT + 1).unwrap();
        let mut sources = Sources::default();
        for path in [fifo.to_str().unwrap(), large.to_str().unwrap(), "/dev/zero", "/", "Cargo.toml", "/none\0such"] {
            assert_eq!(sources.line(path, 1), None, "{path}");
        }
    }
}

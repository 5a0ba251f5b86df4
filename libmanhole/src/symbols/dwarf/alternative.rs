//! The file in which dwz has put what several files share.
//!
//! Context: the agent's thread. It is believed when its build id is the one that the referring file names.

use crate::symbols::elf::{ElfFile, string_at};

/// Where the shared files are installed.
const PLACES: [&str; 2] = ["/usr/lib/debug/.dwz", "/usr/lib/debug"];

/// The file that `file` refers to; `None` where it refers to none.
pub(super) fn find(file: &ElfFile) -> Option<Result<ElfFile, String>> {
    let (path, id) = match link(file)? {
        Ok(link) => link,
        Err(problem) => return Some(Err(problem)),
    };
    let shown = String::from_utf8_lossy(&path).into_owned();
    let mut problem = format!("{shown}, which dwz has made, is not there");
    for candidate in candidates(file, &path, &id) {
        match ElfFile::open(&candidate) {
            Ok(found) if found.build_id == id => return Some(Ok(found)),
            Ok(_) => problem = format!("{shown}, which dwz has made, is another one"),
            Err(_) => {}
        }
    }
    Some(Err(problem))
}

/// A path and the build id of what stands there.
type Link = (Vec<u8>, Vec<u8>);

/// The path and the build id in `.gnu_debugaltlink` (GNU) or `.debug_sup` (DWARF 5, 7.3.6).
fn link(file: &ElfFile) -> Option<Result<Link, String>> {
    const LIMIT: u64 = 8192;
    let corrupt = || Some(Err("the link to the file that dwz has made is corrupt".to_owned()));
    let read = |name: &[u8]| {
        let section = file.section(name).filter(|section| section.size <= LIMIT)?;
        file.content(section).ok()
    };
    if let Some(bytes) = read(b".gnu_debugaltlink") {
        let path = string_at(&bytes, 0).filter(|path| !path.is_empty());
        let id = path.and_then(|path| bytes.get(path.len() + 1..)).filter(|id| !id.is_empty());
        return path.zip(id).map(|(path, id)| Ok((path.to_vec(), id.to_vec()))).or_else(corrupt);
    }
    let bytes = read(b".debug_sup")?;
    // Version, whether this file is itself the shared one, its path, the length of the id (below 128), the id.
    if bytes.get(2) != Some(&0) {
        return None;
    }
    let path = string_at(&bytes, 3).filter(|path| !path.is_empty());
    let id = path.and_then(|path| {
        let (&len, rest) = bytes.get(3 + path.len() + 1..)?.split_first()?;
        rest.get(..usize::from(len)).filter(|id| !id.is_empty())
    });
    path.zip(id).map(|(path, id)| Ok((path.to_vec(), id.to_vec()))).or_else(corrupt)
}

/// The paths to look at, in order.
fn candidates(file: &ElfFile, path: &[u8], id: &[u8]) -> Vec<Vec<u8>> {
    let mut paths = Vec::new();
    if path.starts_with(b"/") {
        paths.push(path.to_vec());
    } else {
        // Relative to the file itself, not to a link that leads to it.
        let parents = [file.real_path(), Some(file.path.clone())];
        for parent in parents.iter().flatten().filter_map(|path| directory(path)) {
            paths.push([parent, b"/", path].concat());
        }
    }
    if let Some(name) = path.rsplit(|&byte| byte == b'/').next() {
        paths.extend(PLACES.iter().map(|place| [place.as_bytes(), b"/", name].concat()));
    }
    if let Some((first, rest)) = id.split_first() {
        let rest: String = rest.iter().map(|byte| format!("{byte:02x}")).collect();
        paths.push(format!("/usr/lib/debug/.build-id/{first:02x}/{rest}.debug").into_bytes());
    }
    paths
}

/// What stands before the last slash.
pub(super) fn directory(path: &[u8]) -> Option<&[u8]> {
    path.get(..path.iter().rposition(|&byte| byte == b'/')?)
}

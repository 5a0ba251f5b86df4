//! A code address of another process in words: function, offset and module.
//!
//! Runs in the client; only reads, and only symbol tables: no debug information is needed to name a function.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use object::read::ReadCache;
use object::{Object, ObjectSegment, ObjectSymbol, SymbolKind};

use crate::maps::Mapping;
use crate::visible;

/// The longest name worth a line; mangled names can grow exponentially.
const LONGEST_NAME: usize = 500;

/// `FUNCTION+OFFSET in MODULE`, or what of it can be found out.
pub(crate) fn of(pid: i32, address: u64, mappings: &[Mapping]) -> String {
    let Some(mapping) = mappings.iter().find(|mapping| (mapping.start..mapping.end).contains(&address)) else {
        return format!("{address:#x}, where nothing is mapped any more");
    };
    if mapping.inode == 0 {
        return format!("{address:#x}, in memory that comes from no file");
    }
    let offset = address.saturating_sub(mapping.start).saturating_add(mapping.offset);
    let name = open(pid, mapping).and_then(|file| function(file, offset));
    let place = name.unwrap_or_else(|| format!("{offset:#x}"));
    // Files and their symbols may be called anything.
    visible::on_terminal(&format!("{place} in {}", mapping.path)).replace('\n', "\\n")
}

/// The file that is mapped, not one that has taken its name since.
fn open(pid: i32, mapping: &Mapping) -> Option<File> {
    let path = Path::new(&mapping.path);
    let seen = PathBuf::from(format!("/proc/{pid}/root")).join(path.strip_prefix("/").ok()?);
    // The first one is the mapped file whatever became of its name, but asks for a capability.
    let ways = [PathBuf::from(format!("/proc/{pid}/map_files/{:x}-{:x}", mapping.start, mapping.end)), seen];
    ways.iter().find_map(|way| {
        let is_it = |found: std::fs::Metadata| found.is_file() && found.ino() == mapping.inode;
        // Asked before, as opening a device could do anything.
        is_it(std::fs::metadata(way).ok()?).then(|| File::open(way).ok()).flatten()
    })
}

/// The function whose code the file has at `offset`, and how far inside it that is.
fn function(file: File, offset: u64) -> Option<String> {
    let cache = ReadCache::new(file);
    let elf = object::File::parse(&cache).ok()?;
    let address = elf.segments().find_map(|segment| {
        let (start, size) = segment.file_range();
        let inside = offset.checked_sub(start).filter(|inside| *inside < size)?;
        segment.address().checked_add(inside)
    })?;
    let mut best: Option<(u64, u64, String)> = None;
    for symbol in elf.symbols().chain(elf.dynamic_symbols()) {
        let is_near = symbol.is_definition() && symbol.kind() == SymbolKind::Text;
        let Some(inside) = address.checked_sub(symbol.address()).filter(|_| is_near) else { continue };
        // Code written in assembly often has no size; it reaches to the next symbol.
        let is_inside = inside < symbol.size() || symbol.size() == 0;
        let is_better =
            best.as_ref().is_none_or(|(other, size, _)| inside < *other || (inside == *other && *size == 0));
        if is_inside
            && is_better
            && let Ok(name) = symbol.name()
        {
            best = Some((inside, symbol.size(), name.to_owned()));
        }
    }
    best.map(|(inside, _, name)| format!("{}+{inside:#x}", demangled(&name)))
}

/// The name as its author wrote it, without parameters.
fn demangled(name: &str) -> Cow<'_, str> {
    // The older scheme of Rust looks like C++'s, but for its hash.
    if (name.starts_with("_R") || name.contains("17h"))
        && let Ok(rust) = rustc_demangle::try_demangle(name)
    {
        return bounded(|text| write!(text, "{rust:#}")).map_or(Cow::Borrowed(name), Cow::Owned);
    }
    let options = cpp_demangle::DemangleOptions::new().no_params().no_return_type();
    let symbol = name.starts_with("_Z").then(|| cpp_demangle::Symbol::new(name).ok()).flatten();
    let cpp = symbol.and_then(|symbol| bounded(|text| symbol.structured_demangle(text, &options)));
    cpp.map_or(Cow::Borrowed(name), Cow::Owned)
}

fn bounded(print: impl FnOnce(&mut Bounded) -> std::fmt::Result) -> Option<String> {
    let mut text = Bounded(String::new());
    print(&mut text).ok()?;
    Some(text.0)
}

struct Bounded(String);

impl std::fmt::Write for Bounded {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        if self.0.len().saturating_add(text.len()) > LONGEST_NAME {
            return Err(std::fmt::Error);
        }
        self.0.push_str(text);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::maps;

    #[inline(never)]
    fn somewhere() -> u64 {
        std::hint::black_box(7)
    }

    #[test]
    fn a_function_of_this_program() {
        let pid = std::process::id() as i32;
        let mappings = maps::of(pid).unwrap();
        let text = of(pid, somewhere as *const () as u64, &mappings);
        let program = std::env::current_exe().unwrap();
        assert!(text.contains("naming::tests::somewhere+0x0 in "), "{text}");
        assert!(text.ends_with(&program.display().to_string()), "{text}");
    }

    #[test]
    fn addresses_without_a_name() {
        let pid = std::process::id() as i32;
        let mappings = maps::of(pid).unwrap();
        assert!(of(pid, 0x10, &mappings).contains("nothing is mapped"));
        let stack = &somewhere() as *const u64 as u64;
        assert!(of(pid, stack, &mappings).contains("no file"));
    }

    #[test]
    fn names_of_both_languages() {
        for (raw, name) in [
            ("main", "main"),
            ("_ZN3app7Service6on_usrEi", "app::Service::on_usr"),
            ("_ZN4core3fmt5write17h0123456789abcdefE", "core::fmt::write"),
            ("_Znonsense", "_Znonsense"),
        ] {
            assert_eq!(demangled(raw), name);
        }
    }
}

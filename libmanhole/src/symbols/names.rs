//! Names as people wrote them: Rust and C++ names demangled.
//!
//! Context: pure. Mangled names come from files, so the output is bounded.

use core::fmt::{self, Write as _};

use cpp_demangle::DemangleOptions;

/// The longest name worth showing, in bytes; mangled names can expand exponentially.
const LIMIT: usize = 16 << 10;

/// How deep a C++ name is followed. The parser tries each level in several ways, so corrupt names take time that grows exponentially with
/// it: seconds at its own limit of 96, some milliseconds here. Of 180,000 names of LLVM and other libraries one in a thousand is deeper.
const DEPTH: u32 = 56;

/// The name without parameter list, hash and symbol version, template arguments kept: what a stack shows.
pub(super) fn shown(raw: &[u8]) -> String {
    let name = without_version(raw);
    demangled(name).unwrap_or_else(|| String::from_utf8_lossy(name).into_owned())
}

/// The same for a linkage name out of DWARF; `None` for one in a mangling that is not understood.
pub(super) fn of_linkage(raw: &[u8]) -> Option<String> {
    demangled(raw).or_else(|| (!is_mangled(raw)).then(|| String::from_utf8_lossy(raw).into_owned()))
}

/// A mangled name with its parameter list.
pub(super) fn in_full(raw: &[u8]) -> Option<String> {
    let name = core::str::from_utf8(without_version(raw)).ok()?;
    rust(name).or_else(|| cpp(name, DemangleOptions::new().no_return_type()))
}

fn demangled(name: &[u8]) -> Option<String> {
    let name = core::str::from_utf8(name).ok()?;
    rust(name).or_else(|| cpp(name, DemangleOptions::new().no_params().no_return_type()))
}

/// Whether `wanted` is this symbol's name: as in the table, as shown, or in full with its parameters.
pub(super) fn matches(raw: &[u8], wanted: &str, hint: &str) -> bool {
    if without_version(raw) == wanted.as_bytes() || raw == wanted.as_bytes() {
        return true;
    }
    if !is_mangled(raw) || !contains(raw, hint.as_bytes()) {
        return false;
    }
    let full = || cpp(&String::from_utf8_lossy(without_version(raw)), DemangleOptions::new().no_return_type());
    shown(raw) == wanted || full().is_some_and(|full| full == wanted)
}

/// A piece of text that every mangled form of a name which starts with (or is) `text` holds literally; may be empty.
pub(super) fn hint(text: &str) -> &str {
    // `std` has abbreviations, operators and special names are not spelled out.
    const NOT_LITERAL: [&str; 6] = ["std", "operator", "string", "allocator", "basic_string", "anonymous"];
    // Neither have parameters and template arguments: `int` is one letter.
    let scoped = text.rsplit("(anonymous namespace)::").next().unwrap_or(text);
    let plain = scoped.split(['<', '(']).next().unwrap_or(scoped);
    if plain.contains("operator") || plain.contains('{') || plain.contains(' ') {
        return "";
    }
    plain
        .split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
        .filter(|word| !NOT_LITERAL.iter().any(|special| special.starts_with(word)))
        .max_by_key(|word| word.len())
        .unwrap_or("")
}

/// Whether the name is in the scheme of C++ or Rust.
pub(super) fn is_mangled(raw: &[u8]) -> bool {
    raw.starts_with(b"_Z") || raw.starts_with(b"_R") || raw.starts_with(b"___Z")
}

/// Whether `part` occurs in `whole`.
pub(super) fn contains(whole: &[u8], part: &[u8]) -> bool {
    part.is_empty() || whole.windows(part.len()).any(|window| window == part)
}

/// `name@VERSION` and `name@@VERSION` of GNU symbol versions.
pub(super) fn without_version(raw: &[u8]) -> &[u8] {
    match raw.iter().position(|&byte| byte == b'@') {
        Some(at) if at > 0 => raw.get(..at).unwrap_or(raw),
        _ => raw,
    }
}

fn rust(name: &str) -> Option<String> {
    // The older scheme looks like C++'s but for the hash `17h…` at the end; elsewhere C++ is meant.
    let is_rust = name.starts_with("_R") || (name.starts_with("_ZN") && name.contains("17h"));
    if !is_rust {
        return None;
    }
    let demangled = rustc_demangle::try_demangle(name).ok()?;
    bounded(|out| write!(out, "{demangled:#}"))
}

fn cpp(name: &str, options: DemangleOptions) -> Option<String> {
    if !name.starts_with("_Z") && !name.starts_with("___Z") {
        return None;
    }
    let bounds = cpp_demangle::ParseOptions::default().recursion_limit(DEPTH);
    let symbol = cpp_demangle::Symbol::new_with_options(name, &bounds).ok()?;
    bounded(|out| symbol.structured_demangle(out, &options))
        .filter(|text| !text.is_empty())
        .map(as_gdb_spells)
        .map(table)
}

/// The tables of classes as gdb and c++filt call them.
fn table(text: String) -> String {
    let inner = |open: &str| text.strip_prefix(open)?.strip_suffix(")}");
    match (inner("{vtable("), inner("{vtt(")) {
        (Some(class), _) => format!("vtable for {class}"),
        (_, Some(class)) => format!("VTT for {class}"),
        _ => text,
    }
}

/// Integers as template arguments the way gdb and c++filt write them, and no traces of empty argument packs.
fn as_gdb_spells(mut text: String) -> String {
    const TYPES: [(&str, &str); 6] = [
        ("(int)", ""),
        ("(unsigned int)", "u"),
        ("(long)", "l"),
        ("(unsigned long)", "ul"),
        ("(long long)", "ll"),
        ("(unsigned long long)", "ull"),
    ];
    for (kind, suffix) in TYPES {
        let mut from = 0;
        while let Some(at) = text.get(from..).and_then(|rest| rest.find(kind)).map(|at| at + from) {
            let digits = at + kind.len();
            let number = text.get(digits..).unwrap_or_default();
            let length = number.find(|c: char| !c.is_ascii_digit() && c != '-').unwrap_or(number.len());
            if length > 0 {
                text.insert_str(digits + length, suffix);
                text.replace_range(at..digits, "");
            }
            from = at + 1;
        }
    }
    for (kind, value) in [("(bool)0", "false"), ("(bool)1", "true"), (", , ", ", "), (", , ", ", "), (", >", ">")] {
        if text.contains(kind) {
            text = text.replace(kind, value);
        }
    }
    text
}

fn bounded(print: impl FnOnce(&mut Bounded) -> fmt::Result) -> Option<String> {
    let mut out = Bounded(String::new());
    print(&mut out).ok()?;
    Some(out.0)
}

/// Text that refuses to grow past [`LIMIT`].
struct Bounded(String);

impl fmt::Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.0.len().saturating_add(text.len()) > LIMIT {
            return Err(fmt::Error);
        }
        self.0.push_str(text);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn names_as_people_wrote_them() {
        for (raw, expected) in [
            ("main", "main"),
            ("clock_nanosleep@@GLIBC_2.17", "clock_nanosleep"),
            ("memcpy@GLIBC_2.2.5", "memcpy"),
            ("foo.constprop.0", "foo.constprop.0"),
            ("_ZN3foo3bar17h0123456789abcdefE", "foo::bar"),
            (
                "_ZN4core3ptr42drop_in_place$LT$alloc..string..String$GT$17h0123456789abcdefE",
                "core::ptr::drop_in_place<alloc::string::String>",
            ),
            ("_RNvC6_123foo3bar", "123foo::bar"),
            ("_ZN2ns1fEi", "ns::f"),
            ("_ZNK2ns3BoxIiLi3EEclEi", "ns::Box<int, 3>::operator()"),
            ("_ZNK2ns3BoxIiLi3EEltERKS1_", "ns::Box<int, 3>::operator<"),
            ("_ZNK2ns3BoxIiLi3EEcvbEv", "ns::Box<int, 3>::operator bool"),
            ("_ZN2ns3BoxIiLi3EEC4Ei", "ns::Box<int, 3>::Box"),
            ("_ZN2ns3BoxIiLi3EED2Ev", "ns::Box<int, 3>::~Box"),
            ("_ZN12_GLOBAL__N_16Hidden3getEi", "(anonymous namespace)::Hidden::get"),
            ("_Z1fILm0EEvv", "f<0ul>"),
            ("_Z1fILb1EEvv", "f<true>"),
            ("_ZNSt6vectorIiSaIiEE9push_backERKi", "std::vector<int, std::allocator<int> >::push_back"),
            ("_Z", "_Z"),
            ("_ZN", "_ZN"),
            ("_R", "_R"),
            ("@", "@"),
            ("", ""),
        ] {
            assert_eq!(shown(raw.as_bytes()), expected, "{raw}");
        }
        assert_eq!(shown(b"a\xffb"), "a\u{fffd}b");
        assert_eq!(of_linkage(b"_ZSt14__relocate_a_1Iwhatever"), None);
        assert_eq!(of_linkage(b"__GI_abort").as_deref(), Some("__GI_abort"));
    }

    #[test]
    fn a_name_matches_in_three_spellings() {
        let matches = |raw: &str, wanted: &str| matches(raw.as_bytes(), wanted, hint(wanted));
        assert!(matches("_ZN2ns1fEi", "_ZN2ns1fEi"));
        assert!(matches("_ZN2ns1fEi", "ns::f"));
        assert!(matches("_ZN2ns1fEi", "ns::f(int)"));
        assert!(matches("_ZNSt6vectorIiSaIiEE9push_backERKi", "std::vector<int, std::allocator<int> >::push_back"));
        assert!(matches("memcpy@@GLIBC_2.14", "memcpy"));
        assert!(matches("_ZN12_GLOBAL__N_16Hidden3getEi", "(anonymous namespace)::Hidden::get(int)"));
        assert!(!matches("_ZN2ns1fEi", "f"));
        assert!(!matches("memcpy", "memcp"));
    }

    #[test]
    fn what_can_be_read_in_many_ways_is_given_up() {
        let start = Instant::now();
        for piece in ["IL1f", "L1fI", "IS_", "ISt1f", "C1I", "ILS_I", "ILS_IL1f"] {
            for count in 1..40 {
                for end in ["", "E", "S@"] {
                    let name = format!("_Z1f{}{end}", piece.repeat(count));
                    assert!(shown(name.as_bytes()).len() <= LIMIT);
                    assert!(start.elapsed() < Duration::from_secs(20), "{name}");
                }
            }
        }
    }

    #[test]
    fn what_expands_without_end_is_not_shown() {
        let bomb = format!("_Z1fI{}EvT_", "St4pairI".repeat(40) + "iiE");
        assert!(shown(bomb.as_bytes()).len() <= LIMIT);
    }
}

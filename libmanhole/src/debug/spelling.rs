//! When two spellings of a name mean the same: blanks, template arguments that were left out.
//!
//! Context: pure.

use super::canonical;

/// The name without what may be spelled differently: blanks, but for one between words.
pub(super) fn normal(name: &str) -> String {
    let name = canonical::name(name);
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut out = String::with_capacity(name.len());
    let mut blank = false;
    for c in name.chars() {
        if c.is_whitespace() {
            blank = true;
            continue;
        }
        if blank && is_word(c) && out.chars().next_back().is_some_and(is_word) {
            out.push(' ');
        }
        blank = false;
        out.push(c);
    }
    out
}

/// The name without the arguments of its template.
pub(super) fn base(name: &str) -> &str {
    if name.starts_with("operator") {
        return name;
    }
    match name.find('<') {
        Some(at) if at > 0 => name.get(..at).unwrap_or(name).trim_end(),
        _ => name,
    }
}

/// A number by which names with the same base are found: FNV-1a (draft-eastlake-fnv), blanks left out.
pub(super) fn hash(name: &str) -> u32 {
    let bytes = base(name).bytes().filter(|byte| !byte.is_ascii_whitespace());
    bytes.fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

/// How well a name fits what was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fit {
    Same,
    /// The last template arguments were left out, or all.
    Shortened,
    No,
}

/// Compares a name with the one that is wanted; both [`normal`].
pub(super) fn fit(name: &str, wanted: &str) -> Fit {
    if name == wanted {
        return Fit::Same;
    }
    let (name_base, wanted_base) = (base(name), base(wanted));
    if name_base != wanted_base || name == name_base {
        return Fit::No;
    }
    if wanted == wanted_base {
        return Fit::Shortened;
    }
    let Some(arguments) = wanted.strip_suffix('>') else { return Fit::No };
    match name.strip_prefix(arguments) {
        Some(rest) if rest.starts_with(',') => Fit::Shortened,
        _ => Fit::No,
    }
}

/// Cuts a whole name at the `::` that stand outside of brackets: `ns::f<a::b>(c::d)` has the parts `ns` and `f<a::b>(c::d)`.
pub(super) fn parts(name: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut start) = (Vec::new(), 0usize, 0);
    let bytes = name.as_bytes();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let operator = name.get(start..at).is_some_and(|part| part.starts_with("operator"));
        match byte {
            b'<' | b'(' | b'[' | b'{' if !operator || *byte == b'(' => depth += 1,
            b'>' | b')' | b']' | b'}' if !operator || *byte == b')' => depth = depth.saturating_sub(1),
            b':' if depth == 0 && bytes.get(at + 1) == Some(&b':') => {
                parts.extend(name.get(start..at));
                at += 1;
                start = at + 1;
            }
            _ => {}
        }
        at += 1;
    }
    parts.extend(name.get(start..));
    parts
}

/// A function's name without its parameters, and whether it had any.
pub(super) fn without_parameters(name: &str) -> (&str, bool) {
    const ANONYMOUS: &str = "(anonymous namespace)";
    let mut from = 0;
    while let Some(rest) = name.get(from..) {
        let Some(at) = rest.find('(') else { return (name, false) };
        if rest.get(at..).is_some_and(|rest| rest.starts_with(ANONYMOUS)) {
            from += at + ANONYMOUS.len();
        } else if rest.get(..at).is_some_and(|before| before.ends_with("operator")) {
            from += at + 2;
        } else {
            return (name.get(..from + at).unwrap_or(name), true);
        }
    }
    (name, false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_and_missing_arguments_do_not_matter() {
        let fits = |name: &str, wanted: &str| fit(&normal(name), &normal(wanted));
        let vector = "vector<int, std::allocator<int> >";
        assert_eq!(fits(vector, "vector<int,std::allocator<int>>"), Fit::Same);
        assert_eq!(fits(vector, "vector<int>"), Fit::Shortened);
        assert_eq!(fits(vector, "vector"), Fit::Shortened);
        assert_eq!(fits(vector, "vector<in>"), Fit::No);
        assert_eq!(fits("long unsigned int", "long  unsigned int"), Fit::Same);
        assert_eq!(fits("longint", "long int"), Fit::No);
        assert_eq!(fits("conn", "con"), Fit::No);
        assert_eq!(hash("vector <int>"), hash("vector"));
    }

    #[test]
    fn parts_of_a_whole_name() {
        assert_eq!(parts("ns::f<a::b>(c::d)"), ["ns", "f<a::b>(c::d)"]);
        assert_eq!(parts("(anonymous namespace)::x"), ["(anonymous namespace)", "x"]);
        assert_eq!(parts("a::operator<"), ["a", "operator<"]);
        assert_eq!(parts("x"), ["x"]);
        assert_eq!(without_parameters("(anonymous namespace)::f(int)"), ("(anonymous namespace)::f", true));
        assert_eq!(without_parameters("a::operator()(int)"), ("a::operator()", true));
        assert_eq!(without_parameters("x"), ("x", false));
    }
}

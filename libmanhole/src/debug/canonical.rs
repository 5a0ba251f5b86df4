//! One spelling of C++ names with template arguments, where compilers have several: gdb's. `vector<const long unsigned int *>` is
//! `vector<unsigned long const*>`.
//!
//! Context: pure.

use std::borrow::Cow;

/// Brackets in brackets that are followed.
const DEPTH: u32 = 64;

/// The name with its template arguments in one spelling.
pub(super) fn name(name: &str) -> Cow<'_, str> {
    if !name.contains('<') || name.contains("operator") {
        return Cow::Borrowed(name);
    }
    respelled(name, DEPTH).map_or(Cow::Borrowed(name), Cow::Owned)
}

/// `None`: it is not understood, and stays as it is.
fn respelled(name: &str, depth: u32) -> Option<String> {
    let depth = depth.checked_sub(1)?;
    let Some((head, rest)) = name.split_once('<') else { return Some(name.to_owned()) };
    let (arguments, behind) = inside(rest)?;
    let mut spelled = Vec::new();
    for one in arguments {
        spelled.push(argument(one.trim(), depth)?);
    }
    let list = spelled.join(", ");
    let gap = if list.ends_with('>') { " " } else { "" };
    Some(format!("{}<{list}{gap}>{}", head.trim_end(), respelled(behind, depth)?))
}

/// The arguments up to the `>` that ends them, and what stands behind it.
fn inside(text: &str) -> Option<(Vec<&str>, &str)> {
    let (mut arguments, mut start, mut open) = (Vec::new(), 0, 0_u32);
    for (at, character) in text.char_indices() {
        match character {
            '<' | '(' | '[' | '{' => open = open.checked_add(1)?,
            '>' if open == 0 => {
                let last = text.get(start..at)?;
                if !(last.trim().is_empty() && arguments.is_empty()) {
                    arguments.push(last);
                }
                return Some((arguments, text.get(at + 1..)?));
            }
            '>' | ')' | ']' | '}' => open = open.checked_sub(1)?,
            ',' if open == 0 => {
                arguments.push(text.get(start..at)?);
                start = at + 1;
            }
            _ => {}
        }
    }
    None
}

/// One argument: a type, or a value, which stays as it is.
fn argument(text: &str, depth: u32) -> Option<String> {
    let (mut is_const, mut is_volatile, mut rest) = (false, false, text);
    let mut words: Vec<&str> = Vec::new();
    loop {
        let end = rest.find(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_')).unwrap_or(rest.len());
        let (word, behind) = rest.split_at_checked(end)?;
        match word {
            "const" => is_const = true,
            "volatile" => is_volatile = true,
            "unsigned" | "signed" | "long" | "short" | "int" | "char" | "double" | "float" | "bool" | "void" => {
                words.push(word);
            }
            _ => break,
        }
        rest = behind.trim_start();
    }
    let (base, behind) = match builtin(&words) {
        Some(base) => (base, rest),
        None if words.is_empty() => {
            let end = end_of_name(rest);
            let (base, behind) = rest.split_at_checked(end)?;
            if base.is_empty() {
                return Some(text.to_owned());
            }
            (respelled(base.trim_end(), depth)?, behind)
        }
        None => return None,
    };
    let qualifiers = format!("{}{}", if is_const { " const" } else { "" }, if is_volatile { " volatile" } else { "" });
    let behind = behind.trim();
    // Pointers and references stand close, a function's or an array's parts do not.
    let is_close = behind.is_empty() || behind.starts_with(['*', '&']);
    let behind = if behind.contains('(') { behind.to_owned() } else { behind.replace(" *", "*").replace(" &", "&") };
    Some(format!("{base}{qualifiers}{}{behind}", if is_close { "" } else { " " }))
}

/// Where a name ends: before what makes a pointer, an array or a function of it.
fn end_of_name(text: &str) -> usize {
    let mut open = 0_i32;
    let mut before = ' ';
    for (at, character) in text.char_indices() {
        match character {
            '<' | '{' => open += 1,
            '>' | '}' => open -= 1,
            // `(anonymous namespace)::x`, `{lambda(int)#1}`.
            '(' if open == 0 && text.get(at..).is_some_and(|rest| rest.starts_with("(anonymous namespace)")) => {
                open += 1
            }
            ')' if open > 0 && before == 'e' => open -= 1,
            '*' | '&' | '(' | '[' if open == 0 => return at,
            ' ' if open == 0
                && text.get(at..).is_some_and(|rest| rest.trim_start().starts_with(['*', '&', '(', '['])) =>
            {
                return at;
            }
            _ => {}
        }
        before = character;
    }
    text.len()
}

/// The type that the words of a builtin one make, in any order.
fn builtin(words: &[&str]) -> Option<String> {
    let count = |wanted: &str| words.iter().filter(|word| **word == wanted).count();
    let unsigned = if count("unsigned") > 0 { "unsigned " } else { "" };
    let base = match (count("char"), count("short"), count("long"), count("double"), count("int")) {
        (1, 0, 0, 0, 0) if count("signed") > 0 => return Some("signed char".to_owned()),
        (1, 0, 0, 0, 0) => "char",
        (0, 1, 0, 0, _) => "short",
        (0, 0, 2, 0, _) => "long long",
        (0, 0, 1, 1, 0) => "long double",
        (0, 0, 1, 0, _) => "long",
        (0, 0, 0, 1, 0) => "double",
        (0, 0, 0, 0, 1) => "int",
        (0, 0, 0, 0, 0) => match words {
            ["unsigned" | "signed"] => "int",
            [only @ ("float" | "bool" | "void")] => only,
            _ => return None,
        },
        _ => return None,
    };
    Some(format!("{unsigned}{base}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_spelling_of_each() {
        for (given, expected) in [
            ("vector<int, std::allocator<int> >", "vector<int, std::allocator<int> >"),
            ("vector<int, std::allocator<int>>", "vector<int, std::allocator<int> >"),
            ("a<long unsigned int>", "a<unsigned long>"),
            ("a<const char *>", "a<char const*>"),
            ("a<char const*>", "a<char const*>"),
            ("pair<const std::basic_string<char>, ns::B>", "pair<std::basic_string<char> const, ns::B>"),
            ("pair<std::basic_string<char> const, ns::B>", "pair<std::basic_string<char> const, ns::B>"),
            ("a<const volatile short int &>", "a<short const volatile&>"),
            ("a<b<const long int>, 5u, (E)1>::c<unsigned>", "a<b<long const>, 5u, (E)1>::c<unsigned int>"),
            ("f<int (int)>", "f<int (int)>"),
            ("f<void (*)(const int &)>", "f<void (*)(const int &)>"),
            ("f<int [3]>", "f<int [3]>"),
            ("a<(anonymous namespace)::b *>", "a<(anonymous namespace)::b*>"),
            ("a<>", "a<>"),
            ("a<unsigned char>", "a<unsigned char>"),
            ("a<long long unsigned int>", "a<unsigned long long>"),
            ("a<b*const>", "a<b*const>"),
            ("operator< <int>", "operator< <int>"),
            ("a<b", "a<b"),
            ("plain", "plain"),
            ("Vec<u8, Global>", "Vec<u8, Global>"),
            ("Cell<*const u8>", "Cell<*const u8>"),
        ] {
            assert_eq!(name(given), expected, "{given}");
        }
    }

    #[test]
    fn deep_names_end() {
        let deep = format!("{}int{}", "a<".repeat(100_000), ">".repeat(100_000));
        assert_eq!(name(&deep), deep);
    }
}

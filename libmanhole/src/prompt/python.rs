//! Python that is typed at the native prompt: answered, not run.
//!
//! Context: the agent's thread. Pure.

use super::line::Meaning;
use crate::render::quote::short;

/// What the line means, if it is Python.
pub(super) fn meaning(line: &str) -> Option<Meaning<'_>> {
    // With a blank it is gdb's.
    if let Some(arguments) = call_of(line, "print").filter(|_| line.starts_with("print(")) {
        // print(1 + 2) is gdb's print as well: only strings make it Python's.
        return literals(arguments).map(Meaning::Say);
    }
    if call_of(line, "raise SystemExit").is_some()
        || call_of(line, "sys.exit").is_some()
        || call_of(line, "exit").is_some()
    {
        return Some(Meaning::Quit);
    }
    is_python(line).then(|| {
        Meaning::Refused(format!(
            "\"{}\" is Python, and this is the native prompt: it runs no Python; bt all shows the stacks, help the commands",
            short(line, 40)
        ))
    })
}

/// The text between the parentheses of a call of `name` that is the whole line.
fn call_of<'t>(line: &'t str, name: &str) -> Option<&'t str> {
    line.strip_prefix(name)?.trim_start().strip_prefix('(')?.strip_suffix(')')
}

fn is_python(line: &str) -> bool {
    const STARTS: [&str; 16] = [
        "import ", "from ", "def ", "class ", "lambda ", "lambda:", "for ", "with ", "raise ", "async ", "try:",
        "assert ", "del ", "global ", "yield ", "@",
    ];
    const WORDS: [&str; 4] = ["None", "True", "False", "pass"];
    STARTS.iter().any(|start| line.starts_with(start))
        || WORDS.contains(&line)
        || (line.ends_with(':') && (line.starts_with("if ") || line.starts_with("while ")))
}

/// The text of string literals with commas between them, joined as print() does; `None` for anything else.
fn literals(mut text: &str) -> Option<String> {
    let mut said: Vec<String> = Vec::new();
    loop {
        text = text.trim();
        let quote = text.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
        let (literal, rest) = literal(text.get(1..)?, quote)?;
        said.push(literal);
        match rest.trim_start() {
            "" => return Some(said.join(" ")),
            rest => text = rest.strip_prefix(',')?,
        }
    }
}

/// The text of a literal up to its closing quote, and what follows.
fn literal(text: &str, quote: char) -> Option<(String, &str)> {
    let mut said = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => match characters.next()?.1 {
                'n' => said.push('\n'),
                't' => said.push('\t'),
                '\\' => said.push('\\'),
                '\'' => said.push('\''),
                '"' => said.push('"'),
                other => said.extend(['\\', other]),
            },
            character if character == quote => return Some((said, text.get(at.saturating_add(1)..)?)),
            character => said.push(character),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn printed_strings_come_back() {
        let say = |line: &str| match meaning(line) {
            Some(Meaning::Say(text)) => Some(text),
            _ => None,
        };
        assert_eq!(say("print('FOOBAR')").as_deref(), Some("FOOBAR"));
        assert_eq!(say("print(\"a\", 'b\\n')").as_deref(), Some("a b\n"));
        assert_eq!(say("print('it\\'s')").as_deref(), Some("it's"));
        assert_eq!(say("print(1+2)"), None);
        assert_eq!(say("print('A' + 1)"), None);
        assert_eq!(say("print('open)"), None);
        assert_eq!(say("print()"), None);
        assert_eq!(say("print ('a')"), None);
    }

    #[test]
    fn python_is_recognised_and_c_is_not() {
        for line in
            ["import os", "from os import path", "def f():", "for x in y:", "raise ValueError(1)", "None", "if x:"]
        {
            assert!(matches!(meaning(line), Some(Meaning::Refused(_))), "{line}");
        }
        for line in ["important", "frame 3", "f(3)", "define", "while_count", "a ? b : c"] {
            assert_eq!(meaning(line), None, "{line}");
        }
        assert_eq!(meaning("raise SystemExit(0)"), Some(Meaning::Quit));
    }
}

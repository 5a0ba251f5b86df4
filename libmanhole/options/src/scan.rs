//! A cursor over the text: one character of look-ahead, blanks and comments, names. Pure.

use std::ops::Range;

/// Where in the text the parser is. It moves forward only, so parsing takes time proportional to the text.
pub(crate) struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    pub(crate) fn at(&self) -> usize {
        self.at
    }

    pub(crate) fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or("")
    }

    pub(crate) fn since(&self, start: usize) -> &'a str {
        self.text.get(start..self.at).unwrap_or("")
    }

    pub(crate) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    /// The character after the next one.
    pub(crate) fn peek_second(&self) -> Option<char> {
        self.rest().chars().nth(1)
    }

    pub(crate) fn next(&mut self) -> Option<char> {
        let character = self.peek()?;
        self.at = self.at.saturating_add(character.len_utf8());
        Some(character)
    }

    /// Moves past `expected` if the text goes on with it.
    pub(crate) fn take(&mut self, expected: &str) -> bool {
        let found = self.rest().starts_with(expected);
        if found {
            self.at = self.at.saturating_add(expected.len());
        }
        found
    }

    /// Moves `length` bytes on, to a place that a look-ahead has reached.
    pub(crate) fn skip(&mut self, length: usize) {
        self.at = self.at.saturating_add(length);
    }

    pub(crate) fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> &'a str {
        let start = self.at;
        while self.peek().is_some_and(&wanted) {
            self.next();
        }
        self.since(start)
    }

    /// Where the next character stands; empty at the end of the text.
    pub(crate) fn here(&self) -> Range<usize> {
        let length = self.peek().map_or(0, char::len_utf8);
        self.at..self.at.saturating_add(length)
    }

    /// Skips what Python skips inside parentheses: blanks, line ends, comments, and a backslash before a line end.
    pub(crate) fn skip_blank(&mut self) {
        loop {
            match self.peek() {
                Some(' ' | '\t' | '\x0c' | '\r' | '\n') => {
                    self.next();
                }
                Some('#') => {
                    self.take_while(|character| character != '\n');
                }
                Some('\\')
                    if self.rest().starts_with("\\\n") || self.rest().starts_with("\\\r\n") =>
                {
                    self.next();
                }
                _ => return,
            }
        }
    }

    /// A name such as `verbose` or `None`, if one starts here.
    pub(crate) fn take_name(&mut self) -> Option<&'a str> {
        self.peek().filter(|first| begins_name(*first))?;
        Some(self.take_while(continues_name))
    }
}

fn begins_name(character: char) -> bool {
    character == '_' || character.is_alphabetic()
}

pub(crate) fn continues_name(character: char) -> bool {
    character == '_' || character.is_alphanumeric()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_comments_and_continuations_are_skipped() {
        for text in [
            " \t\r\n\x0cx",
            "# comment, with 'quotes'\nx",
            "\\\nx",
            "\\\r\n #\n#\nx",
            "x",
        ] {
            let mut cursor = Cursor::new(text);
            cursor.skip_blank();
            assert_eq!(cursor.rest(), "x", "{text:?}");
        }
        let mut cursor = Cursor::new("\\x");
        cursor.skip_blank();
        assert_eq!(cursor.rest(), "\\x");
    }

    #[test]
    fn names() {
        for (text, name) in [
            ("ab_1=2", Some("ab_1")),
            ("_x", Some("_x")),
            ("1a", None),
            ("é(", Some("é")),
            ("", None),
        ] {
            assert_eq!(Cursor::new(text).take_name(), name, "{text:?}");
        }
    }
}

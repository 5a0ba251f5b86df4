//! The encoding that a source file of Python's declares (PEP 263), and lines in it as text.
//!
//! Context: the agent's thread. Pure. What is not known here is not guessed: its lines are shown where all their letters are ASCII's, else not.

/// How the bytes of a source mean letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    Utf8,
    /// ISO 8859-1: each byte is the letter of that number.
    Latin1,
    /// ISO 8859-15, which differs from that in eight letters.
    Latin9,
    /// Windows' code page 1252, which has letters where ISO 8859-1 has controls.
    Windows1252,
    /// One that is not known here.
    Other,
}

/// The letters of code page 1252 from 0x80 on; a blank where it has none.
const WINDOWS: [char; 32] = [
    '€', ' ', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', ' ', 'Ž', ' ', ' ', '‘', '’', '“', '”', '•', '–',
    '—', '˜', '™', 'š', '›', 'œ', ' ', 'ž', 'Ÿ',
];

impl Encoding {
    /// What one of the first two lines declares, in a comment; UTF-8 where none does.
    pub(super) fn of(source: &[u8]) -> Encoding {
        if source.starts_with(b"\xef\xbb\xbf") {
            return Encoding::Utf8;
        }
        for line in source.split(|&byte| byte == b'\n').take(2) {
            let line = line.trim_ascii_start();
            if !line.is_empty() && !line.starts_with(b"#") {
                break;
            }
            if let Some(name) = declared(line) {
                return Encoding::named(name);
            }
        }
        Encoding::Utf8
    }

    fn named(name: &[u8]) -> Encoding {
        let name = String::from_utf8_lossy(name).to_ascii_lowercase().replace('_', "-");
        // Editors name the ends of lines, too.
        let name = ["-unix", "-dos", "-mac"].iter().find_map(|ends| name.strip_suffix(ends)).unwrap_or(&name);
        match name {
            "utf-8" | "utf8" | "u8" | "utf" | "utf-8-sig" | "ascii" | "us-ascii" => Encoding::Utf8,
            "latin-1" | "latin1" | "l1" | "iso-8859-1" | "iso8859-1" | "iso-latin-1" | "8859" | "cp819" => {
                Encoding::Latin1
            }
            "iso-8859-15" | "iso8859-15" | "latin-9" | "latin9" | "l9" => Encoding::Latin9,
            "cp1252" | "windows-1252" | "1252" => Encoding::Windows1252,
            _ => Encoding::Other,
        }
    }

    /// The bytes as text.
    pub(super) fn text(self, bytes: &[u8]) -> Option<String> {
        match self {
            _ if bytes.is_ascii() => String::from_utf8(bytes.to_vec()).ok(),
            Encoding::Utf8 => Some(String::from_utf8_lossy(bytes).into_owned()),
            Encoding::Other => None,
            _ => bytes.iter().map(|&byte| self.letter(byte)).collect(),
        }
    }

    fn letter(self, byte: u8) -> Option<char> {
        match (self, byte) {
            (Encoding::Latin9, 0xa4) => Some('€'),
            (Encoding::Latin9, 0xa6) => Some('Š'),
            (Encoding::Latin9, 0xa8) => Some('š'),
            (Encoding::Latin9, 0xb4) => Some('Ž'),
            (Encoding::Latin9, 0xb8) => Some('ž'),
            (Encoding::Latin9, 0xbc) => Some('Œ'),
            (Encoding::Latin9, 0xbd) => Some('œ'),
            (Encoding::Latin9, 0xbe) => Some('Ÿ'),
            (Encoding::Windows1252, 0x80..=0x9f) => {
                WINDOWS.get(usize::from(byte & 0x1f)).copied().filter(|&letter| letter != ' ')
            }
            _ => Some(char::from(byte)),
        }
    }
}

/// The name behind `coding:` or `coding=`.
fn declared(comment: &[u8]) -> Option<&[u8]> {
    const WORD: &[u8] = b"coding";
    let is_of_name = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    comment.windows(WORD.len()).enumerate().filter(|(_, word)| *word == WORD).find_map(|(at, _)| {
        let rest = comment.get(at.checked_add(WORD.len())?..)?;
        let rest = rest.strip_prefix(b":").or_else(|| rest.strip_prefix(b"="))?;
        let name = rest.trim_ascii_start();
        let length = name.iter().take_while(|byte| is_of_name(byte)).count();
        name.get(..length).filter(|name| !name.is_empty())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_declared() {
        for (source, encoding) in [
            ("x = 1\n", Encoding::Utf8),
            ("# -*- coding: latin-1 -*-\n", Encoding::Latin1),
            ("#!/usr/bin/python\r\n# vim: set fileencoding=ISO_8859_15 :\r\n", Encoding::Latin9),
            ("\n  # coding=cp1252\n", Encoding::Windows1252),
            ("# coding: iso-8859-1-unix\n", Encoding::Latin1),
            ("# coding: koi8-r\n", Encoding::Other),
            ("# the coding is coding: shift_jis\n", Encoding::Other),
            ("\u{feff}# coding: utf-8\n", Encoding::Utf8),
            ("x = 1\n# coding: latin-1\n", Encoding::Utf8),
            ("\n\n# coding: latin-1\n", Encoding::Utf8),
            ("x = 'coding: latin-1'\n", Encoding::Utf8),
        ] {
            assert_eq!(Encoding::of(source.as_bytes()), encoding, "{source:?}");
        }
    }

    #[test]
    fn letters() {
        assert_eq!(Encoding::Latin1.text(b"\xf6\xa4\x80").as_deref(), Some("ö¤\u{80}"));
        assert_eq!(Encoding::Latin9.text(b"\xf6\xa4\xbe").as_deref(), Some("ö€Ÿ"));
        assert_eq!(Encoding::Windows1252.text(b"\xf6\xa4\x80\x9f\x99").as_deref(), Some("ö¤€Ÿ™"));
        assert_eq!(Encoding::Windows1252.text(b"\x81"), None);
        assert_eq!(Encoding::Other.text(b"plain").as_deref(), Some("plain"));
        assert_eq!(Encoding::Other.text(b"\xf6"), None);
    }
}

//! C's formats, as gdb's `printf` takes them: `%5d`, `%-10s`, `%.3g`.
//!
//! Context: the agent's thread. Pure: nothing of the C library's is called.

/// A width or a precision is no larger than this.
const WIDEST: usize = 4096;

/// What a format string consists of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    Text(String),
    Directive(Directive),
}

/// One `%`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Directive {
    is_left: bool,
    has_plus: bool,
    has_space: bool,
    is_alternative: bool,
    has_zeros: bool,
    width: usize,
    precision: Option<usize>,
    /// `l`, `ll` or `z`: 64 bits; of characters, wide ones.
    pub(crate) is_long: bool,
    pub(crate) conversion: char,
}

/// A string in quotes with its directives, and what stands behind it.
pub(crate) fn parse(text: &str) -> Result<(Vec<Piece>, &str), String> {
    let mut rest = text.strip_prefix('"').ok_or("Bad format string, missing '\"'.")?;
    let mut pieces = Vec::new();
    let mut plain = String::new();
    loop {
        let Some(letter) = rest.chars().next() else {
            return Err("Bad format string, non-terminated '\"'.".to_owned());
        };
        rest = rest.get(letter.len_utf8()..).unwrap_or_default();
        match letter {
            '"' => break,
            '\\' => {
                let escaped = rest.chars().next().ok_or("Bad format string, non-terminated '\"'.")?;
                rest = rest.get(escaped.len_utf8()..).unwrap_or_default();
                plain.push(match escaped {
                    '\\' | '"' => escaped,
                    _ => control(escaped)
                        .ok_or_else(|| format!("Unrecognized escape character \\{escaped} in format string."))?,
                });
            }
            '%' if rest.starts_with('%') => {
                plain.push('%');
                rest = rest.get(1..).unwrap_or_default();
            }
            '%' => {
                if !plain.is_empty() {
                    pieces.push(Piece::Text(core::mem::take(&mut plain)));
                }
                let (directive, after) = directive(rest)?;
                pieces.push(Piece::Directive(directive));
                rest = after;
            }
            other => plain.push(other),
        }
    }
    if !plain.is_empty() {
        pieces.push(Piece::Text(plain));
    }
    Ok((pieces, rest))
}

/// The control character behind a backslash.
pub(crate) fn control(letter: char) -> Option<char> {
    Some(match letter {
        'a' => '\x07',
        'b' => '\x08',
        'e' => '\x1b',
        'f' => '\x0c',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\x0b',
        _ => return None,
    })
}

fn directive(text: &str) -> Result<(Directive, &str), String> {
    let mut asked = Directive::default();
    let mut letters = text.char_indices().peekable();
    while let Some((_, flag)) = letters.next_if(|(_, letter)| "-+ #0".contains(*letter)) {
        match flag {
            '-' => asked.is_left = true,
            '+' => asked.has_plus = true,
            ' ' => asked.has_space = true,
            '#' => asked.is_alternative = true,
            _ => asked.has_zeros = true,
        }
    }
    let number = |letters: &mut core::iter::Peekable<core::str::CharIndices<'_>>| {
        let mut value = 0_usize;
        while let Some((_, digit)) = letters.next_if(|(_, letter)| letter.is_ascii_digit()) {
            let digit = digit.to_digit(10).unwrap_or(0) as usize;
            value = value.saturating_mul(10).saturating_add(digit);
        }
        if value > WIDEST { Err(format!("printf writes at most {WIDEST} places for one value")) } else { Ok(value) }
    };
    const NO_STAR: &str = "`*' not supported for precision or width in printf";
    if letters.peek().is_some_and(|(_, letter)| *letter == '*') {
        return Err(NO_STAR.to_owned());
    }
    asked.width = number(&mut letters)?;
    if letters.next_if(|(_, letter)| *letter == '.').is_some() {
        if letters.peek().is_some_and(|(_, letter)| *letter == '*') {
            return Err(NO_STAR.to_owned());
        }
        asked.precision = Some(number(&mut letters)?);
    }
    let (mut longs, mut is_size, mut is_long_double) = (0, false, false);
    while let Some((_, modifier)) = letters.next_if(|(_, letter)| matches!(letter, 'l' | 'z' | 'L')) {
        match modifier {
            'l' => longs += 1,
            'z' => is_size = true,
            _ => is_long_double = true,
        }
    }
    let Some((at, conversion)) = letters.next() else {
        return Err("Bad format string, non-terminated '\"'.".to_owned());
    };
    let is_plain = longs == 0 && !is_size;
    let fits = match conversion {
        'd' | 'i' | 'u' | 'o' | 'x' | 'X' => longs <= 2 && !(is_size && longs > 0) && !is_long_double,
        'c' | 's' => longs <= 1 && !is_size && !is_long_double,
        'p' => is_plain && !is_long_double,
        'e' | 'f' | 'g' | 'E' | 'G' => is_plain,
        'n' => return Err("Format specifier `n' not supported in printf".to_owned()),
        other => return Err(format!("Unrecognized format specifier '{}' in printf", other.escape_debug())),
    };
    if !fits {
        return Err(format!("Inappropriate modifiers to format specifier '{conversion}' in printf"));
    }
    asked.is_long = longs > 0 || is_size;
    asked.conversion = conversion;
    Ok((asked, text.get(at.saturating_add(conversion.len_utf8())..).unwrap_or_default()))
}

impl Directive {
    /// Whether it wants a floating-point number.
    pub(crate) fn is_float(&self) -> bool {
        matches!(self.conversion, 'e' | 'f' | 'g' | 'E' | 'G')
    }

    /// Text, for `%s` and `%c`.
    pub(crate) fn text(&self, text: &str) -> String {
        let kept = match self.precision {
            Some(most) if self.conversion == 's' => text.chars().take(most).collect(),
            _ => text.to_owned(),
        };
        self.padded("", &kept, false)
    }

    /// An integer; of an address (`%p`), what C's library writes.
    pub(crate) fn integer(&self, value: i128) -> String {
        if self.conversion == 'p' {
            return if value == 0 {
                self.padded("", "(nil)", false)
            } else {
                self.padded("0x", &format!("{:x}", value as u64), false)
            };
        }
        let is_signed = matches!(self.conversion, 'd' | 'i');
        let value = match (is_signed, self.is_long) {
            (true, true) => i128::from(value as i64),
            (true, false) => i128::from(value as i32),
            (false, true) => i128::from(value as u64),
            (false, false) => i128::from(value as u32),
        };
        let magnitude = value.unsigned_abs();
        let mut digits = match self.conversion {
            'o' => format!("{magnitude:o}"),
            'x' => format!("{magnitude:x}"),
            'X' => format!("{magnitude:X}"),
            _ => magnitude.to_string(),
        };
        if self.precision == Some(0) && magnitude == 0 {
            digits.clear();
        }
        while digits.len() < self.precision.unwrap_or(0) {
            digits.insert(0, '0');
        }
        let prefix = match self.conversion {
            'x' if self.is_alternative && magnitude != 0 => "0x",
            'X' if self.is_alternative && magnitude != 0 => "0X",
            'o' if self.is_alternative && !digits.starts_with('0') => "0",
            _ if is_signed => self.sign(value < 0),
            _ => "",
        };
        self.padded(prefix, &digits, self.precision.is_none())
    }

    /// A floating-point number.
    pub(crate) fn float(&self, value: f64) -> String {
        let sign = self.sign(value.is_sign_negative());
        let is_upper = self.conversion.is_ascii_uppercase();
        if !value.is_finite() {
            let word = if value.is_nan() { "nan" } else { "inf" };
            let word = if is_upper { word.to_ascii_uppercase() } else { word.to_owned() };
            return self.padded(sign, &word, false);
        }
        let magnitude = value.abs();
        let precision = self.precision.unwrap_or(6);
        let digits = match self.conversion.to_ascii_lowercase() {
            'f' => self.with_point(format!("{magnitude:.precision$}")),
            'e' => scientific(magnitude, precision, self.is_alternative),
            _ => self.general(magnitude, precision.max(1)),
        };
        self.padded(sign, &if is_upper { digits.to_ascii_uppercase() } else { digits }, true)
    }

    /// `%g`: the shorter of the two, without zeros at the end.
    fn general(&self, magnitude: f64, precision: usize) -> String {
        let rounded = format!("{magnitude:.*e}", precision - 1);
        let exponent: i32 = rounded.split_once('e').and_then(|(_, exponent)| exponent.parse().ok()).unwrap_or(0);
        let is_short = exponent >= -4 && i64::from(exponent) < precision as i64;
        let digits = if is_short {
            let places = (precision as i64 - 1 - i64::from(exponent)).max(0) as usize;
            self.with_point(format!("{magnitude:.places$}"))
        } else {
            scientific(magnitude, precision - 1, self.is_alternative)
        };
        if self.is_alternative {
            return digits;
        }
        let (mantissa, exponent) = match digits.split_once('e') {
            Some((mantissa, exponent)) => (mantissa, format!("e{exponent}")),
            None => (digits.as_str(), String::new()),
        };
        let mantissa = match mantissa.contains('.') {
            true => mantissa.trim_end_matches('0').trim_end_matches('.'),
            false => mantissa,
        };
        format!("{mantissa}{exponent}")
    }

    fn with_point(&self, digits: String) -> String {
        if self.is_alternative && !digits.contains('.') { digits + "." } else { digits }
    }

    fn sign(&self, is_negative: bool) -> &'static str {
        match (is_negative, self.has_plus, self.has_space) {
            (true, ..) => "-",
            (_, true, _) => "+",
            (.., true) => " ",
            _ => "",
        }
    }

    fn padded(&self, prefix: &str, digits: &str, may_have_zeros: bool) -> String {
        let length = prefix.chars().count().saturating_add(digits.chars().count());
        let missing = self.width.saturating_sub(length);
        match (self.is_left, self.has_zeros && may_have_zeros) {
            (true, _) => format!("{prefix}{digits}{}", " ".repeat(missing)),
            (false, true) => format!("{prefix}{}{digits}", "0".repeat(missing)),
            (false, false) => format!("{}{prefix}{digits}", " ".repeat(missing)),
        }
    }
}

/// `1.5e+00`: C has a sign and two digits in the exponent.
fn scientific(magnitude: f64, precision: usize, has_point: bool) -> String {
    let text = format!("{magnitude:.precision$e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, exponent) = match exponent.strip_prefix('-') {
        Some(exponent) => ('-', exponent),
        None => ('+', exponent),
    };
    let point = if has_point && !mantissa.contains('.') { "." } else { "" };
    format!("{mantissa}{point}e{sign}{exponent:0>2}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn only(text: &str) -> Directive {
        match parse(&format!("\"{text}\"")).unwrap().0.as_slice() {
            [Piece::Directive(directive)] => directive.clone(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn numbers_as_c_writes_them() {
        for (format, value, wanted) in [
            ("%5d", 1, "    1"),
            ("%-5d", 2, "2    "),
            ("%05d", -3, "-0003"),
            ("%+d", 4, "+4"),
            ("% d", 5, " 5"),
            ("%.3d", 5, "005"),
            ("%8.3d", 5, "     005"),
            ("%u", -1, "4294967295"),
            ("%lu", -1, "18446744073709551615"),
            ("%d", 4_294_967_297, "1"),
            ("%#x", 255, "0xff"),
            ("%#X", 0, "0"),
            ("%#o", 8, "010"),
            ("%08lx", 0xdead, "0000dead"),
            ("%p", 0, "(nil)"),
            ("%10p", 255, "      0xff"),
        ] {
            assert_eq!(only(format).integer(value), wanted, "{format}");
        }
        for (format, value, wanted) in [
            ("%f", 1.5, "1.500000"),
            ("%010.2f", -3.25159, "-000003.25"),
            ("%.0f", 2.5, "2"),
            ("%#.0f", 3.0, "3."),
            ("%e", 12345.678, "1.234568e+04"),
            ("%+.1e", 0.00012, "+1.2e-04"),
            ("%g", 1e10, "1e+10"),
            ("%g", 100_000.0, "100000"),
            ("%g", 1_000_000.0, "1e+06"),
            ("%g", 1e-10, "1e-10"),
            ("%G", 1e-10, "1E-10"),
            ("%g", 0.0, "0"),
            ("%#g", 1.0, "1.00000"),
            ("%5.1f", f64::INFINITY, "  inf"),
        ] {
            assert_eq!(only(format).float(value), wanted, "{format}");
        }
        assert_eq!(only("%10s").text("abc"), "       abc");
        assert_eq!(only("%-10.2s").text("abc"), "ab        ");
    }

    #[test]
    fn wrong_formats_are_errors() {
        for (text, part) in [
            ("5", "missing"),
            ("\"a", "non-terminated"),
            ("\"%n\"", "`n'"),
            ("\"%*d\"", "`*'"),
            ("\"%.*d\"", "`*'"),
            ("\"%hd\"", "'h'"),
            ("\"%lf\"", "modifiers"),
            ("\"\\q\"", "\\q"),
            ("\"%99999d\"", "at most"),
            ("\"%", "non-terminated"),
            ("\"\\", "non-terminated"),
        ] {
            assert!(parse(text).unwrap_err().contains(part), "{text}");
        }
        assert_eq!(parse("\"a%%\\n\", b").unwrap(), (vec![Piece::Text("a%\n".to_owned())], ", b"));
    }
}

//! What the console has the interpreter evaluate, as text.
//!
//! Context: the agent's thread. Pure but for the options.

use manhole_options::Redirect;

use crate::state;

/// The expression that makes the console ready for the client of this number, in an interpreter that knows the main thread by `main`.
pub(super) fn opening(client: u32, main: u64) -> Vec<u8> {
    let settings = state::settings();
    let redirect = match settings.redirect {
        Redirect::Off => "off",
        Redirect::Thread => "thread",
        Redirect::Line | Redirect::Session | Redirect::Tee => "line",
    };
    let errors = if settings.redirect_stderr { "True" } else { "False" };
    let mut text = format!("_open({client}, {main}, '{redirect}', {errors}, [").into_bytes();
    for (name, value) in settings.locals.pairs() {
        text.extend(
            [b"(", &*literal(name.as_bytes()), b".decode(), ", &*literal(value.as_bytes()), b".decode()), "].concat(),
        );
    }
    text.extend(b"])\0");
    text
}

/// The answer where the option `locals` was interrupted.
pub(super) const NOT_RUN: &[u8] = b"6";

/// The expression, and before it what evaluates the option `locals`, if that has not been done: it may be interrupted, and the
/// opening may not. Then the expression is not evaluated, and the answer is [`NOT_RUN`].
pub(super) fn after_values(expression: &[u8]) -> Vec<u8> {
    [b"_values() or ", expression].concat()
}

/// A call of a function with some bytes.
pub(super) fn call_with(function: &str, bytes: &[u8]) -> Vec<u8> {
    [function.as_bytes(), b"(", &*literal(bytes), b")"].concat()
}

/// Bytes as the interpreter's language spells them.
pub(super) fn literal(bytes: &[u8]) -> Vec<u8> {
    let mut text = b"b'".to_vec();
    for &byte in bytes {
        if byte.is_ascii_alphanumeric() || byte == b' ' {
            text.push(byte);
        } else {
            text.extend(format!("\\x{byte:02x}").as_bytes());
        }
    }
    text.push(b'\'');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_byte_ends_the_text_of_a_line() {
        assert_eq!(literal(b"print('a\\b')\0\xff"), b"b'print\\x28\\x27a\\x5cb\\x27\\x29\\x00\\xff'");
    }
}

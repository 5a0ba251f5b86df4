//! Values as words of a command line, where the shell has taken the quotes: `USR2`, `true`, `0.5`, `pool=&g_pool`. Pure.

use crate::convert::names_fit;
use crate::error::{ErrorKind, Fault, ParseError};
use crate::literal::{Literal, Value};
use crate::number::{begins_number, take_number};
use crate::options::Options;
use crate::scan::Cursor;
use crate::table::{Kind, Row};

impl Row {
    /// Sets the option to a word of a command line. `none` is `None` where the type has it; lists are separated by
    /// commas; `locals` takes one `NAME=EXPRESSION` and adds it to those that are there.
    pub fn set_word(&self, options: &mut Options, word: &str) -> Result<(), ParseError> {
        let literal = Literal { value: value_of(self.kind, word), span: 0..word.len() };
        let before = match self.kind {
            Kind::Names => std::mem::take(&mut options.locals),
            _ => Vec::new(),
        };
        let stored = self.store(options, &literal).map_err(|fault| fault.within(word));
        if self.kind == Kind::Names {
            let added = std::mem::replace(&mut options.locals, before);
            options.locals.retain(|(name, _)| added.iter().all(|(new, _)| new != name));
            options.locals.extend(added);
            names_fit(&options.locals)
                .map_err(|reason| Fault::new(ErrorKind::BadValue, 0..word.len(), format!("{}: {reason}", self.name)))
                .map_err(|fault| fault.within(word))?;
        }
        stored
    }
}

fn value_of(kind: Kind, word: &str) -> Value {
    let text = || Value::Text(word.to_owned());
    let none = word.eq_ignore_ascii_case("none");
    match kind {
        Kind::Bool | Kind::BoolOrAuto => match word.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" | "1" => Value::Bool(true),
            "false" | "no" | "off" | "0" => Value::Bool(false),
            lower if kind == Kind::BoolOrAuto => Value::Text(lower.to_owned()),
            _ => text(),
        },
        Kind::Signal | Kind::SecondsOrNone | Kind::Signals | Kind::SocketPath if none => Value::None,
        Kind::Seconds | Kind::SecondsOrNone | Kind::Destination => number(word).unwrap_or_else(text),
        Kind::Signal | Kind::SocketPath | Kind::Choice(_) => text(),
        Kind::Signals if word.eq_ignore_ascii_case("all") => Value::Text("all".to_owned()),
        Kind::Signals => Value::Sequence(
            word.split(',')
                .filter(|name| !name.trim().is_empty())
                .map(|name| part(Value::Text(name.to_owned()), word))
                .collect(),
        ),
        Kind::Names => match word.split_once('=') {
            Some((name, expression)) => {
                let name = part(Value::Text(name.trim().to_owned()), word);
                let expression = part(Value::Text(expression.to_owned()), word);
                Value::Dict(vec![(name, expression)])
            }
            None => text(),
        },
    }
}

fn part(value: Value, word: &str) -> Literal {
    Literal { value, span: 0..word.len() }
}

fn number(word: &str) -> Option<Value> {
    let (unsigned, negative) = match word.strip_prefix('-') {
        Some(rest) => (rest, true),
        None => (word, false),
    };
    let mut cursor = Cursor::new(unsigned);
    if !begins_number(&cursor) {
        return None;
    }
    let value = take_number(&mut cursor, negative).ok()?;
    cursor.rest().is_empty().then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::row;

    #[test]
    fn words_become_options() {
        for (name, words, text) in [
            ("verbose", &["true"][..], "verbose=True"),
            ("verbose", &["On"], "verbose=True"),
            ("strict", &["no"], "strict=False"),
            ("thread", &["TRUE"], "thread=True"),
            ("thread", &["AUTO"], ""),
            ("thread", &["false"], "thread=False"),
            ("oneshot_on", &["usr2"], "oneshot_on=\"USR2\""),
            ("oneshot_on", &["12"], "oneshot_on=\"USR2\""),
            ("oneshot_on", &["12", "none"], ""),
            ("sigmask", &["USR1, 12"], "sigmask=[\"USR1\", \"USR2\"]"),
            ("sigmask", &[""], "sigmask=[]"),
            ("sigmask", &["None"], "sigmask=[]"),
            ("sigmask", &["USR1", "All"], ""),
            ("socket_path", &["/x y"], "socket_path=\"/x y\""),
            ("verbose_destination", &["7"], "verbose_destination=7"),
            ("verbose_destination", &["7.log"], "verbose_destination=\"7.log\""),
            ("reinstall_delay", &[".25"], "reinstall_delay=0.25"),
            ("timeout", &["None"], "timeout=None"),
            ("prompt", &["native"], "prompt=\"native\""),
            ("locals", &["a=1", "b=x == 2", "a=&y"], "locals={\"b\": \"x == 2\", \"a\": \"&y\"}"),
        ] {
            let mut options = Options::default();
            for word in words {
                row(name).unwrap().set_word(&mut options, word).unwrap();
            }
            assert_eq!(options.to_text(), text, "{name} {words:?}");
        }
    }

    #[test]
    fn words_that_do_not_fit() {
        for (name, word, said) in [
            ("verbose", "maybe", "verbose takes True or False, not a string"),
            ("oneshot_on", "USR9", "oneshot_on: there is no signal 'USR9'"),
            ("sigmask", "USR1,KILL", "KILL (9) cannot be caught"),
            ("reinstall_delay", "soon", "takes a number of seconds"),
            ("reinstall_delay", "-1", "cannot be negative"),
            ("reinstall_delay", "1e400", "at most"),
            ("verbose_destination", "-1", "no descriptor -1"),
            ("prompt", "pyton", "did you mean 'python'?"),
            ("thread", "sometimes", "'auto'"),
            ("locals", "pool", "takes a dict of names"),
            ("locals", "1a=2", "a name has letters"),
            ("socket_path", "", "the path is empty"),
        ] {
            let mut options = Options::default();
            let error = row(name).unwrap().set_word(&mut options, word).unwrap_err();
            let shown = error.to_string();
            assert!(shown.contains(said), "{name} {word}: {shown}");
            assert_eq!(options, Options::default(), "{name} {word}");
        }
    }
}

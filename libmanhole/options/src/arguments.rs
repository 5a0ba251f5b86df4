//! The arguments of the call: positional, keyword, or `off`. The entry of the crate. Pure.

use std::ops::Range;

use crate::error::{ErrorKind, Fault, ParseError};
use crate::literal::take_literal;
use crate::options::{Options, Setting};
use crate::scan::Cursor;
use crate::suggest::nearest;
use crate::table::{POSITIONAL, Row, TABLE, row};

/// Parses the text of `MANHOLE`. Blank text means the defaults.
pub fn parse(text: &str) -> Result<Setting, ParseError> {
    parse_onto(&Options::default(), text)
}

/// Parses a text whose options override those of `base`; what it does not name stays as it is there.
pub fn parse_onto(base: &Options, text: &str) -> Result<Setting, ParseError> {
    if text.trim().eq_ignore_ascii_case("off") {
        return Ok(Setting::Off);
    }
    let mut options = base.clone();
    let fault = match Arguments::new(text).read(&mut options) {
        Ok(()) => return Ok(Setting::Install(options)),
        Err(fault) => fault,
    };
    Err(fault.within(text))
}

/// Parses text that came from the environment and may not be UTF-8.
pub fn parse_bytes(text: &[u8]) -> Result<Setting, ParseError> {
    match std::str::from_utf8(text) {
        Ok(text) => parse(text),
        Err(error) => {
            let shown = String::from_utf8_lossy(text);
            let at = error.valid_up_to();
            // The first replacement character stands where the first bad byte does.
            let span = at..at.saturating_add('\u{fffd}'.len_utf8());
            Err(Fault::syntax(span, "the text is not UTF-8").within(&shown))
        }
    }
}

/// Parses the text of `PYTHONMANHOLE`: python-manhole's defaults where they are others, and the values of `locals` are objects.
pub fn parse_python(text: &[u8]) -> Result<Setting, ParseError> {
    let base = Options { verbose: true, locals_are_objects: true, ..Options::default() };
    match std::str::from_utf8(text) {
        Ok(text) => parse_onto(&base, text),
        Err(_) => parse_bytes(text),
    }
}

struct Arguments<'a> {
    cursor: Cursor<'a>,
    /// The options that have been given, each with the spot of its name or, if it has none, of its value.
    given: Vec<(&'static str, Range<usize>)>,
    positional: usize,
    keyword_seen: bool,
}

impl<'a> Arguments<'a> {
    fn new(text: &'a str) -> Self {
        Self { cursor: Cursor::new(text), given: Vec::new(), positional: 0, keyword_seen: false }
    }

    fn read(mut self, options: &mut Options) -> Result<(), Fault> {
        loop {
            self.cursor.skip_blank();
            if self.cursor.peek().is_none() {
                break;
            }
            self.read_argument(options)?;
            self.cursor.skip_blank();
            if !self.cursor.take(",") {
                break;
            }
        }
        if self.cursor.peek().is_some() {
            let reason = "a comma is missing between two options";
            return Err(Fault::syntax(self.cursor.here(), reason));
        }
        self.refuse_conflict(options)
    }

    fn read_argument(&mut self, options: &mut Options) -> Result<(), Fault> {
        match self.take_keyword() {
            Some((name, span)) => {
                self.keyword_seen = true;
                let row = known(name, &span)?;
                self.note(row, span)?;
                self.cursor.skip_blank();
                if matches!(self.cursor.peek(), None | Some(',')) {
                    let reason = format!("{} has no value", row.name);
                    let fault = Fault::syntax(self.cursor.here(), reason);
                    return Err(fault.hint(format!("it takes {}", row.kind.text())));
                }
                let literal = take_literal(&mut self.cursor)?;
                row.store(options, &literal)
            }
            None => {
                let at = self.cursor.at();
                let literal = take_literal(&mut self.cursor).map_err(|fault| without_value(fault, at))?;
                if self.keyword_seen {
                    let reason = "a value without a name stands after one with a name";
                    let fault = Fault::syntax(literal.span, reason);
                    return Err(fault.hint("write option=value"));
                }
                let Some(row) = TABLE.get(self.positional).filter(|_| self.positional < POSITIONAL) else {
                    let reason = "only the first three values may stand without a name";
                    let fault = Fault::syntax(literal.span, reason);
                    return Err(fault.hint("verbose, verbose_destination, strict"));
                };
                self.positional = self.positional.saturating_add(1);
                self.note(row, literal.span.clone())?;
                row.store(options, &literal)
            }
        }
    }

    /// The name before a `=`, with the cursor behind the `=`; or nothing, with the cursor where it was.
    fn take_keyword(&mut self) -> Option<(&'a str, Range<usize>)> {
        let start = self.cursor.at();
        let mut ahead = Cursor::new(self.cursor.rest());
        let name = ahead.take_name()?;
        ahead.skip_blank();
        if !ahead.take("=") || ahead.peek() == Some('=') {
            return None;
        }
        let length = name.len();
        self.cursor.skip(ahead.at());
        Some((name, start..start.saturating_add(length)))
    }

    fn note(&mut self, row: &'static Row, span: Range<usize>) -> Result<(), Fault> {
        if self.given.iter().any(|(name, _)| *name == row.name) {
            let reason = format!("{} is given twice", row.name);
            return Err(Fault::new(ErrorKind::RepeatedOption, span, reason));
        }
        self.given.push((row.name, span));
        Ok(())
    }

    /// Marks the later of two options that exclude each other.
    fn refuse_conflict(&self, options: &Options) -> Result<(), Fault> {
        let Some((names, reason)) = options.conflict() else {
            return Ok(());
        };
        let later = self.given.iter().rev().find(|(name, _)| names.contains(name));
        let span = later.map_or(0..0, |(_, span)| span.clone());
        let fault = Fault::new(ErrorKind::ConfigurationConflict, span, reason);
        Err(fault.hint("choose different signals"))
    }
}

fn known(name: &str, span: &Range<usize>) -> Result<&'static Row, Fault> {
    row(name).ok_or_else(|| {
        let shown: String = name.chars().take(40).collect();
        let reason = format!("unknown option '{shown}'");
        let fault = Fault::new(ErrorKind::UnknownOption, span.clone(), reason);
        let names = || TABLE.iter().map(|row| row.name);
        fault.hint(match nearest(name, names()) {
            Some(near) => format!("did you mean '{near}'?"),
            None => format!("known: {}", names().collect::<Vec<_>>().join(", ")),
        })
    })
}

/// A bare name that is an option: what is missing is its value, not quotes around it.
fn without_value(fault: Fault, at: usize) -> Fault {
    if fault.kind != ErrorKind::NotLiteral || fault.span.start != at {
        return fault;
    }
    let name = fault.reason.split('\'').nth(1).unwrap_or("").to_owned();
    match nearest(&name, TABLE.iter().map(|row| row.name)).and_then(row) {
        Some(row) => {
            let hint = format!("write {}=..., it takes {}", row.name, row.kind.text());
            Fault::syntax(fault.span, format!("'{name}' has no value")).hint(hint)
        }
        None => fault,
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::options::{Destination, Handler, Thread};

    fn options(text: &str) -> Options {
        match parse(text) {
            Ok(Setting::Install(options)) => options,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn what_python_manhole_is_given() {
        let text = b"locals={'k': 'v', 'n': 3, 'all': (None, True, {'a': 1.5})}, oneshot_on='USR2'";
        let Ok(Setting::Install(options)) = parse_python(text) else { panic!("no options") };
        let pairs = [("k", "\"v\""), ("n", "3"), ("all", "[None, True, {\"a\": 1.5}]")];
        assert_eq!(options.locals, pairs.map(|(name, text)| (name.to_owned(), text.to_owned())));
        assert!(options.verbose);
        assert!(parse_python(b"locals={'k': object()}").is_err());
    }

    #[test]
    fn off_and_nothing() {
        for text in ["off", "OFF", " Off\n", "\toFf "] {
            assert_eq!(parse(text), Ok(Setting::Off), "{text:?}");
        }
        for text in ["", "  ", "\n# only a comment", "\t\r\n"] {
            assert_eq!(options(text), Options::default(), "{text:?}");
        }
    }

    #[test]
    fn layouts_that_python_allows() {
        for text in [
            "verbose=True,oneshot_on='USR2'",
            " verbose = True , oneshot_on = 'USR2' , ",
            "verbose=True,\n  oneshot_on='USR2',  # why\n",
            "\nverbose\n=\nTrue\n,oneshot_on=\\\n'US' \"R2\"",
            "oneshot_on=('SIG' 'usr2'), verbose=(True)",
            "True, oneshot_on=12",
            "1, 2, True, oneshot_on=0xc,",
            "oneshot_on=+12, verbose=True",
        ] {
            assert_eq!(options(text).to_text(), "verbose=True, oneshot_on=\"USR2\"", "{text:?}");
        }
    }

    #[test]
    fn every_type_arrives() {
        let read = options(
            r#"True, "/var/log/m.log", False, patch_fork=False, thread="auto", sigmask=["USR1", 12],
               socket_path='/run/{pid}.sock', reinstall_delay=1.5, locals={"pool": "&g_pool", "n": 3},
               daemon_connection=1, connection_handler="exec", oneshot_timeout=7"#,
        );
        assert!(read.verbose && read.daemon_connection && !read.strict && !read.patch_fork);
        assert_eq!(read.verbose_destination, Destination::Path("/var/log/m.log".to_owned()));
        assert_eq!(read.thread, Thread::Auto);
        let numbers: Vec<_> = read.sigmask.iter().flatten().map(|signal| signal.number()).collect();
        assert_eq!(numbers, [10, 12]);
        assert_eq!(read.expand_socket_path(5), "/run/5.sock");
        assert_eq!(read.reinstall_delay, Duration::from_millis(1500));
        let pairs = [("pool", "&g_pool"), ("n", "3")];
        assert_eq!(read.locals, pairs.map(|(name, text)| (name.to_owned(), text.to_owned())));
        assert_eq!(read.connection_handler, Handler::Exec);
        assert_eq!(read.oneshot_timeout, Some(Duration::from_secs(7)));
    }

    #[test]
    fn one_text_on_top_of_another() {
        let base = options("verbose=True, oneshot_on='USR2', locals={'a': '1'}");
        let Ok(Setting::Install(both)) = parse_onto(&base, "oneshot_on=None, strict=False") else {
            panic!("refused");
        };
        assert_eq!(both.to_text(), "verbose=True, strict=False, locals={\"a\": \"1\"}");
        let error = parse_onto(&base, "activate_on='USR2'").unwrap_err();
        assert_eq!(error.kind, ErrorKind::ConfigurationConflict);
        assert_eq!(parse_onto(&base, "off"), Ok(Setting::Off));
    }

    #[test]
    fn refusals_word_for_word() {
        for (text, line) in [
            (
                r#"oneshoton="USR2""#,
                r#"unknown option 'oneshoton' at column 1: >>>oneshoton<<<="USR2" (did you mean 'oneshot_on'?)"#,
            ),
            (
                "verbose=True, ONESHOT_ON=12",
                "unknown option 'ONESHOT_ON' at column 15: verbose=True, >>>ONESHOT_ON<<<=12 (did you mean 'oneshot_on'?)",
            ),
            ("verbose=\"yes\"", "verbose takes True or False, not a string at column 9: verbose=>>>\"yes\"<<<"),
            ("verbose=true", "'true' is not a literal at column 9: verbose=>>>true<<< (did you mean True?)"),
            (
                "oneshot_on=USR2",
                "'USR2' is not a literal at column 12: oneshot_on=>>>USR2<<< (a string stands in quotes: \"USR2\"; a shell removes one level of them)",
            ),
            (
                "oneshot_on='URS2'",
                "oneshot_on: there is no signal 'URS2' at column 12: oneshot_on=>>>'URS2'<<< (did you mean 'USR2'?)",
            ),
            (
                "activate_on='USR2', oneshot_on=12",
                "You cannot do activation of the Manhole thread on the same signal that you want to do oneshot activation ! activate_on and oneshot_on cannot both be USR2 at column 21: activate_on='USR2', >>>oneshot_on<<<=12 (choose different signals)",
            ),
            (
                "socket_path='/tmp/x-%d' % os.getpid()",
                "'%' would need evaluation: only literals are understood at column 13: socket_path=>>>'/tmp/x-%d' %<<< os.getpid() ({pid} stands for the process id: socket_path=\"/tmp/manhole-{pid}\")",
            ),
            (
                "verbose=True,\nverbose=False",
                "verbose is given twice at line 2, column 1: verbose=True,\\n>>>verbose<<<=False",
            ),
            ("verbose=", "verbose has no value at column 9: verbose=>>><<< (it takes True or False)"),
            (
                "verbose",
                "'verbose' has no value at column 1: >>>verbose<<< (write verbose=..., it takes True or False)",
            ),
        ] {
            assert_eq!(parse(text).unwrap_err().to_string(), line);
        }
    }

    #[test]
    fn refusals_by_kind() {
        use ErrorKind::{
            BadValue, ConfigurationConflict, NotLiteral, RepeatedOption, Syntax, UnknownOption, WrongType,
        };
        for (text, kind, spot, said) in [
            ("foo=1", UnknownOption, "foo", "known: verbose, verbose_destination"),
            ("None=1", UnknownOption, "None", "unknown option 'None'"),
            (",", Syntax, ",", "before the comma"),
            ("verbose=True,,", Syntax, ",", "before the comma"),
            ("verbose=,", Syntax, ",", "verbose has no value"),
            ("verbose==True", Syntax, "verbose", "has no value"),
            ("verbose=True oneshot_on=12", Syntax, "o", "a comma is missing"),
            ("verbose=True; strict=False", Syntax, ";", "a comma is missing"),
            ("True)", Syntax, ")", "a comma is missing"),
            ("=1", Syntax, "=", "cannot begin"),
            ("1=2", Syntax, "=", "a comma is missing"),
            ("verbose=True, 2", Syntax, "2", "without a name"),
            ("True, 2, True, 4", Syntax, "4", "first three"),
            ("off, verbose=True", NotLiteral, "off", "stands alone"),
            ("'off'", WrongType, "'off'", "verbose takes"),
            ("*[1]", NotLiteral, "*", "unpacks"),
            ("**{'verbose': True}", NotLiteral, "*", "unpacks"),
            ("True, verbose=False", RepeatedOption, "verbose", "given twice"),
            ("verbose=2", WrongType, "2", "not the integer 2"),
            ("verbose=None", WrongType, "None", "not None"),
            ("verbose=1.0", WrongType, "1.0", "not the float 1"),
            ("verbose=[]", WrongType, "[]", "not a list"),
            ("True, None", WrongType, "None", "a file descriptor (2) or a path"),
            ("verbose_destination=True", WrongType, "True", "not True"),
            ("verbose_destination=-1", BadValue, "-1", "no descriptor -1"),
            ("verbose_destination=2147483648", BadValue, "2147483648", "no descriptor"),
            ("verbose_destination=sys.stderr", NotLiteral, "sys.stderr", "descriptor: 2"),
            ("verbose_destination=''", BadValue, "''", "empty"),
            ("activate_on=True", WrongType, "True", "a signal"),
            ("activate_on=9", BadValue, "9", "cannot be caught"),
            ("activate_on=['USR1']", WrongType, "['USR1']", "not a list"),
            ("dump_on='QUIT', activate_on=3", ConfigurationConflict, "activate_on", "activate_on and dump_on"),
            ("dump_on='QUIT', oneshot_on=3", ConfigurationConflict, "oneshot_on", "oneshot_on and dump_on"),
            ("thread='never'", BadValue, "'never'", "'auto'"),
            ("thread=None", WrongType, "None", "True, False or \"auto\""),
            ("sigmask='USR1'", WrongType, "'USR1'", "a list of signals"),
            ("sigmask=['USR1', None]", WrongType, "None", "cannot stand in it"),
            ("sigmask=['USR1', 'STOP']", BadValue, "'STOP'", "cannot be caught"),
            ("socket_path=5", WrongType, "5", "a path in quotes"),
            ("socket_path=''", BadValue, "''", "empty"),
            (r"socket_path='a\0b'", BadValue, r"'a\0b'", "NUL"),
            ("socket_path=os.getpid()", NotLiteral, "os.getpid()", "{pid}"),
            ("socket_path=f'/tmp/{os.getpid()}'", NotLiteral, "f", "{pid}"),
            ("reinstall_delay='1'", WrongType, "'1'", "a number of seconds"),
            ("reinstall_delay=-1", BadValue, "-1", "negative"),
            ("start_timeout=1e999", BadValue, "1e999", "at most"),
            ("start_timeout=None", WrongType, "None", "a number of seconds"),
            ("start_timeout=1s", Syntax, "1s", "no unit"),
            ("locals=['a']", WrongType, "['a']", "a dict of names"),
            ("locals={1: 'a'}", WrongType, "1", "cannot stand in it"),
            ("locals={'a-b': 'a'}", BadValue, "'a-b'", "a name has"),
            ("locals={'': 'a'}", BadValue, "''", "a name has"),
            ("locals={'a': None}", WrongType, "None", "cannot stand in it"),
            ("locals={'a': ' '}", BadValue, "' '", "empty"),
            ("locals={'a': pool}", NotLiteral, "pool", "quotes"),
            ("connection_handler='Repl'", BadValue, "'Repl'", "did you mean 'repl'?"),
            ("connection_handler='xyzzy'", BadValue, "'xyzzy'", "known: 'repl', 'exec'"),
            ("connection_handler=1", WrongType, "1", "\"repl\" or \"exec\""),
            ("prompt=None", WrongType, "None", "\"auto\" or \"python\""),
            ("redirect='lines'", BadValue, "'lines'", "did you mean 'line'?"),
        ] {
            let error = parse(text).unwrap_err();
            let shown = error.to_string();
            assert_eq!(error.kind, kind, "{text}: {shown}");
            assert_eq!(text.get(error.span.clone()), Some(spot), "{text}: {shown}");
            assert!(shown.contains(said), "{text}: {shown}");
            assert!(shown.contains(&format!(">>>{spot}<<<")), "{text}: {shown}");
        }
    }

    #[test]
    fn bytes_of_the_environment() {
        assert_eq!(parse_bytes(b"off"), Ok(Setting::Off));
        let error = parse_bytes(b"socket_path='\xff\xfe'").unwrap_err().to_string();
        assert_eq!(error, "the text is not UTF-8 at column 14: socket_path='>>>\u{fffd}<<<\u{fffd}'");
    }

    #[test]
    fn megabytes_are_read_in_proportion() {
        let begun = Instant::now();
        let long = "x".repeat(1_000_000);
        for (text, said) in [
            (format!("socket_path='{long}'"), "1000000 bytes"),
            (format!("{long}=1"), "unknown option"),
            (long.clone(), "is not a literal"),
            (format!("socket_path={}", "'ab' ".repeat(300_000)), "600000 bytes"),
            (format!("sigmask=[{}]", "12,".repeat(300_000) + "0"), "no signal 0"),
            (" ".repeat(1_000_000) + "$", "column 1000001"),
            ("#\n".repeat(500_000) + "$", "line 500001, column 1"),
            (format!("timeout={}", "9".repeat(1_000_000)), "64 bits"),
            (format!("locals={}", "{'a':".repeat(200_000)), "32 deep"),
            (format!("verbose={}True", "-".repeat(1_000_000)), "a number is missing"),
            (format!("verbose='{}", "\\".repeat(1_000_001)), "does not end"),
            (",".repeat(1_000_000), "before the comma"),
        ] {
            let error = parse(&text).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
            assert!(error.len() < 1500, "{}", error.len());
        }
        assert!(begun.elapsed() < Duration::from_secs(10));
    }
}

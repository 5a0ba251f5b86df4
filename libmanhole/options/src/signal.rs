//! Signals by name and by number, as Linux and glibc count them. Pure: the numbers are those of x86-64 and aarch64.

use std::fmt;

use crate::suggest::nearest;

/// The first real-time signal that glibc leaves to programs; 32 and 33 are its own (signal(7), nptl(7)).
const RTMIN: i32 = 34;
const RTMAX: i32 = 64;

/// The first name of a number is the one that is printed.
const NAMES: [(&str, i32); 34] = [
    ("HUP", 1),
    ("INT", 2),
    ("QUIT", 3),
    ("ILL", 4),
    ("TRAP", 5),
    ("ABRT", 6),
    ("IOT", 6),
    ("BUS", 7),
    ("FPE", 8),
    ("KILL", 9),
    ("USR1", 10),
    ("SEGV", 11),
    ("USR2", 12),
    ("PIPE", 13),
    ("ALRM", 14),
    ("TERM", 15),
    ("STKFLT", 16),
    ("CHLD", 17),
    ("CLD", 17),
    ("CONT", 18),
    ("STOP", 19),
    ("TSTP", 20),
    ("TTIN", 21),
    ("TTOU", 22),
    ("URG", 23),
    ("XCPU", 24),
    ("XFSZ", 25),
    ("VTALRM", 26),
    ("PROF", 27),
    ("WINCH", 28),
    ("IO", 29),
    ("POLL", 29),
    ("PWR", 30),
    ("SYS", 31),
];

/// A signal that a program can catch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Signal(i32);

/// Why something is no signal that can be used: a lowercase fragment, and what would be right where that is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignalError {
    /// What is wrong.
    pub reason: String,
    /// The nearest signal that exists.
    pub hint: Option<String>,
}

impl Signal {
    /// The signal of a number: 1 to 64, but for KILL and STOP, which cannot be caught, and 32 and 33, which are glibc's.
    pub fn from_number(number: i64) -> Result<Self, SignalError> {
        let refused = |reason: String| Err(SignalError { reason, hint: None });
        match i32::try_from(number) {
            Ok(9) => refused("KILL (9) cannot be caught".to_owned()),
            Ok(19) => refused("STOP (19) cannot be caught".to_owned()),
            Ok(32 | 33) => refused(format!("signal {number} belongs to glibc (RTMIN is {RTMIN})")),
            Ok(valid @ 1..=RTMAX) => Ok(Self(valid)),
            _ => refused(format!("there is no signal {number}: they are 1 to {RTMAX}")),
        }
    }

    /// The signal of a name, with or without `SIG`, in any case: `USR2`, `sigusr2`, `RTMIN+3`, `RTMAX-1`. Digits are a number.
    pub fn from_name(name: &str) -> Result<Self, SignalError> {
        let trimmed = name.trim();
        if let Ok(number) = trimmed.parse::<i64>() {
            return Self::from_number(number);
        }
        let upper = trimmed.to_ascii_uppercase();
        let short = upper.strip_prefix("SIG").unwrap_or(&upper);
        if let Some(number) = real_time(short) {
            return Self::from_number(number).and_then(|signal| {
                if signal.0 >= RTMIN {
                    return Ok(signal);
                }
                Err(SignalError {
                    reason: format!("'{trimmed}' is no real-time signal"),
                    hint: Some(format!("they are RTMIN ({RTMIN}) to RTMAX ({RTMAX})")),
                })
            });
        }
        match NAMES.iter().find(|(known, _)| *known == short) {
            Some((_, number)) => Self::from_number(i64::from(*number)),
            None => Err(unknown(trimmed, short)),
        }
    }

    /// The set of these signals as the kernel has it: bit `n - 1` stands for signal `n`.
    pub fn mask(signals: &[Self]) -> u64 {
        // A number is 1 to 64.
        signals.iter().fold(0, |mask, signal| mask | 1 << signal.0.wrapping_sub(1))
    }

    /// The number that the kernel knows it by.
    pub fn number(self) -> i32 {
        self.0
    }

    /// The name without `SIG`: `USR2`, `RTMIN+3`.
    pub fn name(self) -> String {
        if let Some((name, _)) = NAMES.iter().find(|(_, number)| *number == self.0) {
            return (*name).to_owned();
        }
        match (self.0.wrapping_sub(RTMIN), RTMAX.wrapping_sub(self.0)) {
            (0, _) => "RTMIN".to_owned(),
            (_, 0) => "RTMAX".to_owned(),
            (above, below) if above <= below => format!("RTMIN+{above}"),
            (_, below) => format!("RTMAX-{below}"),
        }
    }
}

/// Prints the name without `SIG`.
impl fmt::Display for Signal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.name())
    }
}

/// The number of `RTMIN`, `RTMIN+n`, `RTMAX`, `RTMAX-n`; of no use yet if it is out of range.
fn real_time(short: &str) -> Option<i64> {
    let offset = |digits: &str| digits.trim_start().parse::<u16>().ok().map(i64::from);
    if let Some(rest) = short.strip_prefix("RTMIN") {
        let rest = rest.trim_start();
        let above = match rest.strip_prefix('+') {
            Some(digits) => offset(digits)?,
            None if rest.is_empty() => 0,
            None => return None,
        };
        return Some(i64::from(RTMIN).saturating_add(above));
    }
    let rest = short.strip_prefix("RTMAX")?.trim_start();
    let below = match rest.strip_prefix('-') {
        Some(digits) => offset(digits)?,
        None if rest.is_empty() => 0,
        None => return None,
    };
    Some(i64::from(RTMAX).saturating_sub(below))
}

fn unknown(name: &str, short: &str) -> SignalError {
    let shown: String = name.chars().take(40).collect();
    let catchable = NAMES.iter().filter(|(_, number)| !matches!(number, 9 | 19)).map(|(known, _)| *known);
    SignalError {
        reason: format!("there is no signal '{shown}'"),
        hint: nearest(short, catchable).map(|near| format!("did you mean '{near}'?")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers() {
        for (name, number) in [
            ("USR2", 12),
            ("SIGUSR2", 12),
            ("sigusr2", 12),
            ("Usr1", 10),
            (" 12 ", 12),
            ("IOT", 6),
            ("POLL", 29),
            ("cld", 17),
            ("RTMIN", 34),
            ("SIGRTMIN+3", 37),
            ("rtmin + 30", 64),
            ("RTMAX", 64),
            ("RTMAX-30", 34),
            ("64", 64),
        ] {
            assert_eq!(Signal::from_name(name).map(Signal::number), Ok(number), "{name}");
        }
    }

    #[test]
    fn every_signal_is_known_by_its_own_name() {
        let mut seen = 0;
        for number in 1..=64 {
            if let Ok(signal) = Signal::from_number(number) {
                assert_eq!(Signal::from_name(&signal.name()), Ok(signal));
                seen += 1;
            }
        }
        assert_eq!(seen, 64 - 4);
        let named = |number| Signal::from_number(number).unwrap().name();
        assert_eq!(named(6), "ABRT");
        assert_eq!(named(34), "RTMIN");
        assert_eq!(named(49), "RTMIN+15");
        assert_eq!(named(50), "RTMAX-14");
        assert_eq!(Signal::from_number(12).unwrap().to_string(), "USR2");
    }

    #[test]
    fn masks() {
        let set = |numbers: &[i64]| -> Vec<Signal> {
            numbers.iter().map(|&number| Signal::from_number(number).unwrap()).collect()
        };
        assert_eq!(Signal::mask(&[]), 0);
        assert_eq!(Signal::mask(&set(&[1, 10, 10, 64])), 1 | 1 << 9 | 1 << 63);
    }

    #[test]
    fn refused() {
        for (name, said) in [
            ("KILL", "cannot be caught"),
            ("9", "cannot be caught"),
            ("SIGSTOP", "cannot be caught"),
            ("32", "glibc"),
            ("33", "glibc"),
            ("0", "no signal 0"),
            ("-1", "no signal -1"),
            ("65", "no signal 65"),
            ("99999999999", "no signal"),
            ("RTMIN+31", "no signal 65"),
            ("RTMAX-31", "glibc"),
            ("RTMAX-40", "no real-time signal"),
            ("RTMIN-1", "there is no signal"),
            ("", "there is no signal"),
            ("SIG", "there is no signal"),
        ] {
            let error = Signal::from_name(name).unwrap_err();
            assert!(error.reason.contains(said), "{name}: {}", error.reason);
        }
        assert_eq!(Signal::from_name("URS2").unwrap_err().hint.as_deref(), Some("did you mean 'USR2'?"));
        assert_eq!(Signal::from_name("wibble").unwrap_err().hint, None);
    }
}

//! Names and numbers of signals, as a user writes them.
//!
//! Runs in the client; pure, sends nothing.

use std::str::FromStr;

use nix::sys::signal::Signal;

/// The number of the signal that `text` names: a number, or a name with or without `SIG`, in any case, or `RTMIN+n`, `RTMAX-n`.
///
/// # Errors
/// A sentence that says what would be right.
pub(crate) fn number_of(text: &str) -> Result<i32, String> {
    let unknown = || {
        format!(
            "no signal is called {text:?}: give a number from 1 to {}, or a name such as USR1, SIGUSR2, hup or RTMIN+3",
            libc::SIGRTMAX()
        )
    };
    if let Ok(number) = text.parse::<i32>() {
        let known = Signal::try_from(number).is_ok()
            || (libc::SIGRTMIN()..=libc::SIGRTMAX()).contains(&number);
        return if known { Ok(number) } else { Err(unknown()) };
    }
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    if let Some(number) = real_time(name) {
        return number.ok_or_else(unknown);
    }
    let name = match name {
        "CLD" => "CHLD",
        "POLL" => "IO",
        "IOT" => "ABRT",
        other => other,
    };
    Signal::from_str(&format!("SIG{name}"))
        .map(|signal| signal as i32)
        .map_err(|_| unknown())
}

/// The name of a signal number, for messages.
pub(crate) fn name_of(number: i32) -> String {
    match Signal::try_from(number) {
        Ok(signal) => signal.as_str().to_owned(),
        Err(_) => match number.checked_sub(libc::SIGRTMIN()) {
            Some(0) => "SIGRTMIN".to_owned(),
            Some(above) if above > 0 => format!("SIGRTMIN+{above}"),
            _ => format!("signal {number}"),
        },
    }
}

/// `None`: no real-time name at all; `Some(None)`: one, but out of range.
fn real_time(name: &str) -> Option<Option<i32>> {
    let (low, high) = (libc::SIGRTMIN(), libc::SIGRTMAX());
    let number = if let Some(rest) = name.strip_prefix("RTMIN") {
        match rest.strip_prefix('+') {
            None if rest.is_empty() => Some(low),
            None => None,
            Some(count) => count
                .parse::<u8>()
                .ok()
                .map(|count| low.saturating_add(i32::from(count))),
        }
    } else if let Some(rest) = name.strip_prefix("RTMAX") {
        match rest.strip_prefix('-') {
            None if rest.is_empty() => Some(high),
            None => None,
            Some(count) => count
                .parse::<u8>()
                .ok()
                .map(|count| high.saturating_sub(i32::from(count))),
        }
    } else {
        return None;
    };
    Some(number.filter(|number| (low..=high).contains(number)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_a_signal() {
        for text in ["12", "USR2", "SIGUSR2", "usr2", "sigusr2", "SigUsr2"] {
            assert_eq!(number_of(text), Ok(libc::SIGUSR2), "{text}");
        }
        assert_eq!(number_of("cld"), Ok(libc::SIGCHLD));
        assert_eq!(number_of("RTMIN+3"), Ok(libc::SIGRTMIN() + 3));
        assert_eq!(number_of("sigrtmax-1"), Ok(libc::SIGRTMAX() - 1));
        assert_eq!(number_of("rtmin"), Ok(libc::SIGRTMIN()));
    }

    #[test]
    fn what_is_no_signal() {
        for text in [
            "0", "-1", "65", "32", "FOO", "", "SIG", "RTMIN-1", "RTMIN+99", "RTMAX-99", "1.5",
        ] {
            let reason = number_of(text).unwrap_err();
            assert!(reason.contains("USR1"), "{text}: {reason}");
        }
    }

    #[test]
    fn names_for_messages() {
        assert_eq!(name_of(libc::SIGUSR1), "SIGUSR1");
        assert_eq!(name_of(libc::SIGRTMIN() + 2), "SIGRTMIN+2");
        assert_eq!(name_of(32), "signal 32");
    }
}

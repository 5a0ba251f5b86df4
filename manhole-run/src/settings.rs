//! The options that the program gets: flags over `--options` over an inherited `MANHOLE`. Runs in the launcher.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use manhole_options::{Options, ParseError, Setting, parse, parse_bytes, parse_onto, row};

use crate::args::{Request, flag};
use crate::refusal::{BAD_OPTIONS, Refusal};

/// What the manhole is to do, and the value of `MANHOLE` that says so.
#[derive(Debug, PartialEq)]
pub(crate) struct Settings {
    pub(crate) setting: Setting,
    /// The text for `MANHOLE`; `None` leaves the variable as it is, set or not.
    pub(crate) text: Option<String>,
}

/// Merges and checks the options.
pub(crate) fn settle(request: &Request, inherited: Option<&OsStr>) -> Result<Settings, Refusal> {
    let inherited = match inherited.map(|text| parse_bytes(text.as_bytes())) {
        None => Setting::Install(Options::default()),
        Some(Ok(setting)) => setting,
        Some(Err(error)) => return Err(bad("the inherited MANHOLE", &error)),
    };
    if request.options.is_none() && request.flags.is_empty() {
        return Ok(Settings { setting: inherited, text: None });
    }
    // Whoever asks for options now wants a manhole, whatever was switched off further up.
    let base = match inherited {
        Setting::Install(options) => options,
        Setting::Off => Options::default(),
    };
    let text = request.options.as_deref().unwrap_or("");
    let mut options = match parse_onto(&base, text).map_err(|error| bad("--options", &error))? {
        Setting::Install(options) => options,
        Setting::Off => return off(request),
    };
    for (name, words) in &request.flags {
        let Some(row) = row(name) else { continue };
        for word in words {
            row.set_word(&mut options, word).map_err(|error| bad(&format!("--{}", flag(name)), &error))?;
        }
    }
    // The agent will read this text: what it would refuse, such as a conflict between two sources, is refused here.
    let text = options.to_text();
    let setting = parse(&text).map_err(|error| bad("the options together", &error))?;
    Ok(Settings { setting, text: Some(text) })
}

fn off(request: &Request) -> Result<Settings, Refusal> {
    if let Some((name, _)) = request.flags.first() {
        let reason = format!("--options off and --{} contradict each other", flag(name));
        return Err(Refusal::new(BAD_OPTIONS, reason));
    }
    Ok(Settings { setting: Setting::Off, text: Some("off".to_owned()) })
}

fn bad(source: &str, error: &ParseError) -> Refusal {
    Refusal::new(BAD_OPTIONS, format!("{source}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args;
    use std::ffi::OsString;

    fn settled(inherited: Option<&str>, words: &[&str]) -> Result<Settings, Refusal> {
        let words = ["manhole-run"].iter().chain(words).chain(&["ls"]);
        let request = args::parse(words.map(OsString::from)).unwrap();
        settle(&request, inherited.map(OsStr::new))
    }

    #[test]
    fn flags_override_options_override_the_inherited() {
        for (inherited, words, text) in [
            (None, &[][..], None),
            (Some("verbose=True"), &[], None),
            (Some("off"), &[], None),
            (None, &["--verbose"], Some("verbose=True")),
            (None, &["--no-verbose"], Some("")),
            (Some("off"), &["--verbose"], Some("verbose=True")),
            (Some("verbose=True"), &["--options", "off"], Some("off")),
            (
                Some("verbose=True, oneshot_on=10"),
                &["--options", "oneshot_on=12, strict=False"],
                Some("verbose=True, strict=False, oneshot_on=\"USR2\""),
            ),
            (
                Some("verbose=True, prompt='native'"),
                &["--no-verbose", "--options", "prompt='python'", "--prompt", "auto"],
                Some(""),
            ),
            (Some("locals={'a': '1'}"), &["--locals", "b=x=y"], Some("locals={\"a\": \"1\", \"b\": \"x=y\"}")),
        ] {
            let settings = settled(inherited, words).unwrap();
            assert_eq!(settings.text.as_deref(), text, "{inherited:?} {words:?}");
        }
        assert_eq!(settled(Some("off"), &[]).unwrap().setting, Setting::Off);
    }

    #[test]
    fn mistakes_name_their_source() {
        for (inherited, words, said) in [
            (Some("verbos=1"), &[][..], "the inherited MANHOLE: unknown option 'verbos'"),
            (None, &["--options", "verbose=yes"], "--options: 'yes' is not a literal"),
            (None, &["--oneshot-on", "USR9"], "--oneshot-on: oneshot_on: there is no signal"),
            (None, &["--reinstall-delay", "-1"], "--reinstall-delay: reinstall_delay: a time"),
            (
                Some("activate_on='USR2'"),
                &["--oneshot-on", "USR2"],
                "the options together: You cannot do activation of the Manhole thread on the same signal",
            ),
            (None, &["--options", "off", "--verbose"], "--options off and --verbose contradict"),
        ] {
            let refusal = settled(inherited, words).unwrap_err();
            assert_eq!(refusal.code, BAD_OPTIONS);
            assert!(refusal.reason.starts_with(said), "{}", refusal.reason);
        }
    }
}

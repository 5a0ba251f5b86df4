//! The variables that bring the library into the program. Runs in the launcher; pure.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use manhole_options::{OPTIONS_VARIABLE, ORIGINAL_PRELOAD_VARIABLE};

use crate::environment::Environment;
use crate::library::FILE_NAME;

/// What the loader reads; entries are separated by spaces and colons (ld.so(8)).
pub(crate) const PRELOAD_VARIABLE: &str = "LD_PRELOAD";

/// AddressSanitizer ends a program in which another library comes before it, unless this setting says not to.
/// Putting the sanitizer's library first instead does not work: it would be initialised after ours, and be preloaded
/// into children that are not built with it. It is set always, as a child may be built with it.
const SANITIZER_VARIABLE: &str = "ASAN_OPTIONS";
const SANITIZER_SETTING: &str = "verify_asan_link_order";

/// Sets the variables. `options` is the text for `MANHOLE`, if it changes.
pub(crate) fn apply(environment: &mut Environment, library: &Path, options: Option<&str>) {
    let found = environment
        .get(PRELOAD_VARIABLE)
        .unwrap_or_default()
        .to_owned();
    let others = without_manhole(&found);
    // In a program under a manhole already, what was there before the first of them is what counts.
    if others == found || environment.get(ORIGINAL_PRELOAD_VARIABLE).is_none() {
        environment.set(ORIGINAL_PRELOAD_VARIABLE, others.clone());
    }
    let mut preload = library.as_os_str().to_owned();
    if !others.is_empty() {
        preload.push(":");
        preload.push(others);
    }
    environment.set(PRELOAD_VARIABLE, preload);
    if let Some(text) = options {
        environment.set(OPTIONS_VARIABLE, text);
    }
    let sanitizer = environment.get(SANITIZER_VARIABLE).unwrap_or_default();
    if let Some(extended) = with_setting(sanitizer) {
        environment.set(SANITIZER_VARIABLE, extended);
    }
}

/// The names of the variables that [`apply`] sets, in the order in which a reader wants them.
pub(crate) fn variables() -> [&'static str; 4] {
    [
        PRELOAD_VARIABLE,
        OPTIONS_VARIABLE,
        ORIGINAL_PRELOAD_VARIABLE,
        SANITIZER_VARIABLE,
    ]
}

/// The list without entries that are a libmanhole.so; unchanged to the byte when there is none.
fn without_manhole(preload: &OsStr) -> OsString {
    let is_ours =
        |entry: &&[u8]| entry.rsplit(|byte| *byte == b'/').next() == Some(FILE_NAME.as_bytes());
    let entries = || preload.as_bytes().split(|byte| matches!(byte, b' ' | b':'));
    if !entries().any(|entry| is_ours(&entry)) {
        return preload.to_owned();
    }
    let kept: Vec<&[u8]> = entries()
        .filter(|entry| !entry.is_empty() && !is_ours(entry))
        .collect();
    OsString::from_vec(kept.join(&b':'))
}

/// The sanitizer's settings with ours added; `None` when the user has set it one way or the other.
fn with_setting(settings: &OsStr) -> Option<OsString> {
    let named = settings
        .as_bytes()
        .windows(SANITIZER_SETTING.len())
        .any(|window| window == SANITIZER_SETTING.as_bytes());
    if named {
        return None;
    }
    let mut extended = settings.to_owned();
    if !extended.is_empty() {
        extended.push(":");
    }
    extended.push(SANITIZER_SETTING);
    extended.push("=0");
    Some(extended)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied(before: &[(&str, &str)]) -> Environment {
        let pairs = before
            .iter()
            .map(|(name, value)| (name.into(), value.into()));
        let mut environment = Environment::new(pairs);
        apply(&mut environment, Path::new("/opt/libmanhole.so"), None);
        environment
    }

    #[test]
    fn the_library_comes_first_and_the_original_is_kept() {
        for (before, original, preload, kept) in [
            (None, None, "/opt/libmanhole.so", ""),
            (Some(""), None, "/opt/libmanhole.so", ""),
            (
                Some("/a.so b.so"),
                None,
                "/opt/libmanhole.so:/a.so b.so",
                "/a.so b.so",
            ),
            (
                Some("/a.so"),
                Some("stale"),
                "/opt/libmanhole.so:/a.so",
                "/a.so",
            ),
            (
                Some("/x/libmanhole.so:/a.so"),
                Some("/a.so"),
                "/opt/libmanhole.so:/a.so",
                "/a.so",
            ),
            (
                Some("/x/libmanhole.so: /a.so"),
                None,
                "/opt/libmanhole.so:/a.so",
                "/a.so",
            ),
            (Some("libmanhole.so"), Some(""), "/opt/libmanhole.so", ""),
            (
                Some("/b.so:/x/libmanhole.so:/a.so"),
                Some("/a.so"),
                "/opt/libmanhole.so:/b.so:/a.so",
                "/a.so",
            ),
            (
                Some("/x/notlibmanhole.so"),
                None,
                "/opt/libmanhole.so:/x/notlibmanhole.so",
                "/x/notlibmanhole.so",
            ),
        ] {
            let mut variables = Vec::new();
            variables.extend(before.map(|value| (PRELOAD_VARIABLE, value)));
            variables.extend(original.map(|value| (ORIGINAL_PRELOAD_VARIABLE, value)));
            let environment = applied(&variables);
            let get = |name| environment.get(name).and_then(OsStr::to_str);
            assert_eq!(get(PRELOAD_VARIABLE), Some(preload), "{before:?}");
            assert_eq!(get(ORIGINAL_PRELOAD_VARIABLE), Some(kept), "{before:?}");
        }
    }

    #[test]
    fn the_sanitizer_is_told_once() {
        for (before, after) in [
            (None, "verify_asan_link_order=0"),
            (Some("a=1:b=2"), "a=1:b=2:verify_asan_link_order=0"),
            (Some("verify_asan_link_order=1"), "verify_asan_link_order=1"),
        ] {
            let variables: Vec<_> = before
                .map(|value| (SANITIZER_VARIABLE, value))
                .into_iter()
                .collect();
            let environment = applied(&variables);
            assert_eq!(environment.get(SANITIZER_VARIABLE), Some(OsStr::new(after)));
        }
    }

    #[test]
    fn options_are_set_only_when_they_change() {
        let unchanged = applied(&[(OPTIONS_VARIABLE, "verbose=True")]);
        assert_eq!(
            unchanged.get(OPTIONS_VARIABLE),
            Some(OsStr::new("verbose=True"))
        );
        assert_eq!(applied(&[]).get(OPTIONS_VARIABLE), None);
        let mut environment = applied(&[(OPTIONS_VARIABLE, "verbose=True")]);
        apply(&mut environment, Path::new("/l"), Some("off"));
        assert_eq!(environment.get(OPTIONS_VARIABLE), Some(OsStr::new("off")));
    }
}

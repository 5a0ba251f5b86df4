//! The text of `MANHOLE`: an error that can be shown, or options that are the same when they are written and read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use manhole_options::{Setting, one_line, parse, parse_bytes, quote};

fuzz_target!(|text: &[u8]| {
    match parse_bytes(text) {
        Ok(Setting::Install(options)) => {
            let _ = (options.notes(), options.expand_socket_path(u32::MAX), options.path_has_pid());
            let written = options.to_text();
            assert_eq!(parse(&written), Ok(Setting::Install(options)), "{written}");
        }
        Ok(Setting::Off) => {}
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    let text = String::from_utf8_lossy(text);
    let _ = (one_line(&text), quote(&text));
});

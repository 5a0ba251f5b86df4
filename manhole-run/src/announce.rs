//! Where the manhole will be and how it is opened, in one line. Runs in the launcher; pure but for the printing.

use std::io::{IsTerminal, stderr};

use manhole_options::{Options, Setting, Signal, Thread};

/// On a terminal, one line that says where the manhole will be: the exec keeps our pid.
pub(crate) fn on_terminal(setting: &Setting) {
    if stderr().is_terminal() {
        eprintln!("manhole: {}", whereabouts(setting, std::process::id()));
    }
}

fn whereabouts(setting: &Setting, pid: u32) -> String {
    let Setting::Install(options) = setting else {
        return "off (MANHOLE=off)".to_owned();
    };
    let path = options.expand_socket_path(pid);
    match opened_by(options, &pid.to_string()) {
        None if options.thread == Thread::Never => {
            "closed (thread=False): only the program itself can open it, by manhole_install()".to_owned()
        }
        None => path,
        Some(how) => format!("{path}, {how}"),
    }
}

/// What has to happen before there is a socket; `pid` as the reader is to type it. Nothing when it is there at once.
pub(crate) fn opened_by(options: &Options, pid: &str) -> Option<String> {
    let signals: Vec<Signal> = [options.activate_on, options.oneshot_on].into_iter().flatten().collect();
    let sent: Vec<String> = signals
        .iter()
        .filter(|signal| !is_of_a_crash(**signal))
        .map(|signal| format!("manhole-cli -s {signal} {pid}"))
        .collect();
    if !sent.is_empty() {
        return Some(format!("opened by: {}", sent.join(", or: ")));
    }
    let crash = signals.first()?;
    Some(format!("opened when the program gets SIG{crash}; then: manhole-cli {pid}"))
}

/// Whether the signal comes from a fault of the program, after which its manhole serves; sent by hand it would end it.
fn is_of_a_crash(signal: Signal) -> bool {
    ["SEGV", "BUS", "FPE", "ILL", "ABRT", "SYS", "TRAP"].contains(&signal.name().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_for_the_terminal() {
        for (text, line) in [
            ("", "/tmp/manhole-7"),
            ("thread='auto'", "/tmp/manhole-7"),
            ("thread=True", "/tmp/manhole-7"),
            ("socket_path='/run/x-{pid}'", "/run/x-7"),
            ("oneshot_on='USR2'", "/tmp/manhole-7, opened by: manhole-cli -s USR2 7"),
            ("activate_on='RTMIN+1', thread=False", "/tmp/manhole-7, opened by: manhole-cli -s RTMIN+1 7"),
            (
                "activate_on='USR1', oneshot_on=12",
                "/tmp/manhole-7, opened by: manhole-cli -s USR1 7, or: manhole-cli -s USR2 7",
            ),
            ("oneshot_on='SEGV'", "/tmp/manhole-7, opened when the program gets SIGSEGV; then: manhole-cli 7"),
            ("oneshot_on='ABRT', activate_on=10", "/tmp/manhole-7, opened by: manhole-cli -s USR1 7"),
            ("thread=False", "closed (thread=False): only the program itself can open it, by manhole_install()"),
            ("off", "off (MANHOLE=off)"),
        ] {
            let setting = manhole_options::parse(text).unwrap();
            assert_eq!(whereabouts(&setting, 7), line, "{text}");
        }
    }
}

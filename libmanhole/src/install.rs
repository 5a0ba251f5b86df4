//! The moments at which the agent's state changes: start, fork, exit.
//!
//! Context: the constructor, host threads inside fork and exit, the agent's thread. No lock is waited for here. The only
//! wait is the one that `daemon_connection=False` asks for: an exiting process stays until its client has left.

use core::time::Duration;

use manhole_options::{Handler, Options, Setting, Signal, Thread};

use crate::settings::{Destination, Settings};
use crate::sys::fd;
use crate::{arena, capture, listener, log, state, wake};

/// Reads the options and starts the manhole. A failure is one line of the log, and the host runs without.
pub(crate) fn install(text: Option<&[u8]>) {
    if arena::reserve().is_err() {
        log::problem(format_args!("no memory: the manhole is off"));
        return;
    }
    let text = text.unwrap_or_default();
    let options = match manhole_options::parse_bytes(text) {
        Ok(Setting::Off) => return,
        Ok(Setting::Install(options)) => options,
        Err(reason) => return refuse(text, &reason),
    };
    let settings = settled(&options);
    let settings: &'static Settings = Box::leak(Box::new(settings));
    if !state::settle(settings) {
        return;
    }
    if let Some(reason) = not_yet(&options) {
        return refuse(text, &reason);
    }
    let without_effect = without_effect(&options);
    if !without_effect.is_empty() {
        log::problem(format_args!("These options have no effect in this version: {}", without_effect.join(", ")));
    }
    if settings.patch_fork {
        log::event(format_args!("Patched fork, forkpty and daemon."));
    }
    for note in options.notes() {
        log::event(format_args!("{note}"));
    }
    if options.thread != Thread::Never {
        start(Duration::ZERO);
    }
}

fn refuse(text: &[u8], reason: &dyn core::fmt::Display) {
    let text = String::from_utf8_lossy(text);
    log::write(format!("Failed to manhole.install({}): {reason}\n", manhole_options::one_line(&text)).as_bytes());
}

/// Options whose meaning this version does not have yet, and that change what a client meets: better no manhole than one
/// that does something else.
fn not_yet(options: &Options) -> Option<String> {
    let name = if options.activate_on.is_some() {
        "activate_on"
    } else if options.oneshot_on.is_some() {
        "oneshot_on"
    } else if options.connection_handler == Handler::Exec {
        "connection_handler=\"exec\""
    } else {
        return None;
    };
    Some(format!("{name} is not supported by this version: leave it out to have the manhole listen at once"))
}

/// Options that are given and have no effect yet.
fn without_effect(options: &Options) -> Vec<&'static str> {
    const LATER: [&str; 9] = [
        "strict",
        "sigmask",
        "locals",
        "redirect_stderr",
        "start_timeout",
        "oneshot_timeout",
        "timeout",
        "prompt",
        "redirect",
    ];
    let given = |name: &&str| manhole_options::row(name).is_some_and(|row| row.show(options) != row.default_text());
    LATER.into_iter().filter(given).collect()
}

fn settled(options: &Options) -> Settings {
    let mut settings = Settings {
        verbose: options.verbose,
        patch_fork: options.patches_fork(),
        reinstall_delay: options.reinstall_delay,
        daemon_connection: options.daemon_connection,
        children: options.children,
        dump_on: options.dump_on.map_or(0, Signal::number),
        strict: options.strict,
        thread: options.thread,
        activate_on: options.activate_on.map_or(0, Signal::number),
        oneshot_on: options.oneshot_on.map_or(0, Signal::number),
        oneshot_timeout: options.oneshot_timeout,
        sigmask: options.sigmask.as_deref().map_or(u64::MAX, Signal::mask),
        redirect_stderr: options.redirect_stderr,
        exec: options.connection_handler == Handler::Exec,
        start_timeout: options.start_timeout,
        ..Settings::DEFAULT
    };
    settings.destination = match &options.verbose_destination {
        manhole_options::Destination::Descriptor(number) => {
            Destination::Descriptor(*number, fd::stat_of(*number).ok().map(|stat| stat.identity))
        }
        manhole_options::Destination::Path(path) => {
            let mut text = crate::text::Text::new();
            text.push(path.as_bytes());
            Destination::File(text)
        }
    };
    settings.socket_path.push(options.socket_path.as_deref().unwrap_or("/tmp/manhole-{pid}").as_bytes());
    settings
}

/// Starts the agent's thread; it binds after `delay`.
fn start(delay: Duration) {
    state::turn_on();
    if let Err(error) = wake::start_thread(delay) {
        state::turn_off();
        log::problem(format_args!("cannot start the manhole's thread ({error}): the manhole is off"));
    }
}

/// In the child of a fork, where no thread of ours exists: forgets the parent's manhole and starts one of its own.
///
/// The calling thread is the only one, so nothing here can be seen half done.
pub(crate) fn process_is_forked() {
    if !state::is_on() {
        return;
    }
    state::forget();
    arena::start_afresh();
    listener::forget();
    capture::forget(state::settings().patch_fork);
    if state::settings().patch_fork {
        log::event(format_args!("Fork detected. Reinstalling Manhole."));
        start(state::settings().reinstall_delay);
    }
}

/// In `exit`: the socket goes, and a connected client is waited for unless the options say otherwise.
pub(crate) fn process_exits() {
    if !state::is_of_this_process() || state::on_agent_thread() {
        return;
    }
    state::exit_begins();
    listener::unlink_own();
    if state::settings().daemon_connection {
        return;
    }
    if state::has_session() {
        log::problem(format_args!("The process exits; it waits for the connected client to leave."));
        state::poke();
    }
    state::wait_for_session();
}

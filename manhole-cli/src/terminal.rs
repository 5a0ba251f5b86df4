//! The terminal that the client was started on: its modes, its signals, and how to leave it as it was.
//!
//! Runs in the client, only when standard input is a terminal. The line editor puts the terminal into raw mode and back;
//! when the session ends while a line is edited, another thread has to put it back.

use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nix::sys::signal::{SigSet, Signal};
use nix::sys::termios::{self, LocalFlags, SetArg, Termios};

/// The terminal's modes as they were at the start.
#[derive(Debug, Clone)]
pub(crate) struct Terminal {
    saved: Option<Termios>,
    /// Whether the editor changes the modes at all; it does not on a dumb terminal.
    is_edited: bool,
}

impl Terminal {
    /// Remembers the modes.
    pub(crate) fn remember(is_edited: bool) -> Self {
        Self {
            saved: termios::tcgetattr(std::io::stdin()).ok(),
            is_edited,
        }
    }

    /// Ends the program from any thread with the terminal as it was. `is_editing` says whether the line editor is, or is
    /// about to be, at work: then its raw mode is awaited first, or it would come after the restoring.
    pub(crate) fn leave(&self, status: u8, text: &str, is_editing: impl Fn() -> bool) -> ! {
        static IS_LEAVING: AtomicBool = AtomicBool::new(false);
        if IS_LEAVING.swap(true, Ordering::SeqCst) {
            // Another thread ends the program at this moment.
            loop {
                std::thread::park();
            }
        }
        for _ in 0..1000 {
            if !self.is_edited || self.is_raw() || !is_editing() {
                break;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        let was_raw = self.is_raw();
        if let Some(saved) = &self.saved {
            let _ = termios::tcsetattr(std::io::stdin(), SetArg::TCSANOW, saved);
        }
        if was_raw {
            // The cursor stands in the edited line.
            let _ = std::io::stdout().write_all(b"\n");
            let _ = std::io::stdout().flush();
        }
        if !text.is_empty() {
            eprintln!("{text}");
        }
        std::process::exit(i32::from(status))
    }

    fn is_raw(&self) -> bool {
        self.is_edited
            && termios::tcgetattr(std::io::stdin())
                .is_ok_and(|modes| !modes.local_flags.contains(LocalFlags::ICANON))
    }
}

/// Whether a user sits at both ends.
pub(crate) fn is_interactive() -> bool {
    std::io::stdin().is_terminal() && std::io::stdout().is_terminal()
}

/// From here on the signals that end a program go to [`on_signal`]. To be called before threads are made.
pub(crate) fn hold_signals() -> SigSet {
    let mut signals = SigSet::empty();
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        signals.add(signal);
    }
    // Fails only for a wrong `how`.
    let _ = signals.thread_block();
    signals
}

/// Calls `act` for each held signal, on a thread of its own.
///
/// # Errors
/// When no thread can be made.
pub(crate) fn on_signal(
    signals: SigSet,
    act: impl Fn(Signal) + Send + 'static,
) -> std::io::Result<()> {
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            while let Ok(signal) = signals.wait() {
                act(signal);
            }
        })
        .map(drop)
}

/// The exit status for an end by `signal`: Ctrl-C is an orderly end here, the others are as a shell reports them.
pub(crate) fn status_of(signal: Signal) -> u8 {
    match signal {
        Signal::SIGINT => 0,
        other => u8::try_from(other as i32).unwrap_or(0).saturating_add(128),
    }
}

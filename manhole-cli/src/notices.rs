//! Tells the user what nobody asked for, without garbling the line that is being edited.
//!
//! Runs in the client on a thread of its own: the editor's printer may make its caller wait, and replies must not wait for that.

use std::borrow::Cow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use crate::editor::Printer;
use crate::session::Notice;

/// Makes text fit for the terminal.
type Clean = fn(&str) -> Cow<'_, str>;

/// Notices that were sent and not yet told.
static WAITING: AtomicUsize = AtomicUsize::new(0);

/// Sends a notice to the place that [`start`] has made.
pub(crate) fn send(place: &Sender<Notice>, notice: Notice) {
    WAITING.fetch_add(1, Ordering::SeqCst);
    if place.send(notice).is_err() {
        WAITING.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Waits until all that was sent is told: what a command has printed is not to come after the next prompt, nor to be lost at the end.
pub(crate) fn settle() {
    let end = Instant::now() + Duration::from_secs(1);
    while WAITING.load(Ordering::SeqCst) > 0 && Instant::now() < end {
        std::thread::sleep(Duration::from_micros(200));
    }
}

/// The place to send notices to. `is_editing` says whether a line is being edited: then text goes through the `printer`,
/// else to stderr. All text goes through `clean` first. `on_close` runs at [`Notice::Closed`].
///
/// # Errors
/// When no thread can be made.
pub(crate) fn start(
    printer: Option<Printer>,
    clean: Clean,
    is_editing: impl Fn() -> bool + Send + 'static,
    on_close: impl Fn() + Send + 'static,
) -> std::io::Result<Sender<Notice>> {
    let (sender, receiver) = channel();
    std::thread::Builder::new()
        .name("notices".to_owned())
        .spawn(move || tell(&receiver, printer, clean, is_editing, on_close))?;
    Ok(sender)
}

fn tell(
    notices: &Receiver<Notice>,
    mut printer: Option<Printer>,
    clean: Clean,
    is_editing: impl Fn() -> bool,
    on_close: impl Fn(),
) {
    while let Ok(notice) = notices.recv() {
        let text = match notice {
            Notice::Occupied { pid, uid } => {
                format!("the prompt is taken by PID {pid} (uid {uid}); waiting for its turn ...\n")
            }
            Notice::Turn => "the prompt is free now\n".to_owned(),
            Notice::Text(text) => text,
            Notice::Complaint(text) => format!("{text}\n"),
            Notice::Closed => {
                WAITING.fetch_sub(1, Ordering::SeqCst);
                on_close();
                continue;
            }
        };
        let text = clean(&text);
        let is_printed = match &mut printer {
            Some(printer) if is_editing() => printer.print(text.to_string()).is_ok(),
            _ => false,
        };
        if !is_printed {
            eprint!("{text}");
        }
        WAITING.fetch_sub(1, Ordering::SeqCst);
    }
}

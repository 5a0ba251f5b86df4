//! The text mode with a user at a terminal: manholes that know no frames, such as python-manhole's.
//!
//! Runs in the client. Text has no marks for where an answer ends, so the unfinished last line is taken for the prompt
//! once it looks like one, or once the process has been quiet for a while.

use std::borrow::Cow;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::editor::{Editor, Input};
use crate::failure::Failure;
use crate::session::Notice;
use crate::terminal::{self, Terminal};
use crate::{notices, raw};

/// Quiet for so long with an unfinished line: that line is a prompt (of `input()`, say).
const QUIET_LINE: Duration = Duration::from_millis(300);
/// Quiet for so long with no unfinished line: the user may type nevertheless.
const QUIET: Duration = Duration::from_millis(700);
/// How long the last words of the process are awaited.
const FAREWELL: Duration = Duration::from_secs(1);

#[derive(Default)]
struct Screen {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// The unfinished last line.
    tail: String,
    /// The bytes of a character that has not arrived whole.
    partial: Vec<u8>,
    is_editing: bool,
    is_closed: bool,
    /// When the last output came.
    last: Option<Instant>,
}

/// Serves the user until either side ends; `first` came before.
///
/// # Errors
/// Status 1: the terminal does not work.
pub(crate) fn run(stream: UnixStream, first: &[u8]) -> Result<(), Failure> {
    let (mut editor, Some(printer)) = Editor::new().map_err(Failure::error)? else {
        // A dumb terminal has the kernel's line editing.
        return raw::run(stream, first);
    };
    let signals = terminal::hold_signals();
    let terminal = Terminal::remember(true);
    let screen = Arc::new(Screen::default());
    let threads = |error: std::io::Error| Failure::error(format!("cannot start a thread: {error}"));
    let is_editing = {
        let screen = Arc::clone(&screen);
        move || screen.lock().is_editing
    };
    let on_close = {
        let (terminal, is_editing) = (terminal.clone(), is_editing.clone());
        move || {
            std::thread::sleep(Duration::from_millis(30));
            terminal.leave(0, "connection closed by the process", &is_editing)
        }
    };
    let above = notices::start(Some(printer), |text| Cow::Borrowed(text), || true, on_close).map_err(threads)?;
    {
        let (terminal, is_editing) = (terminal.clone(), is_editing.clone());
        terminal::on_signal(signals, move |signal| terminal.leave(terminal::status_of(signal), "", &is_editing))
            .map_err(threads)?;
    }
    screen.take(first, &above);
    {
        let screen = Arc::clone(&screen);
        let input = stream.try_clone().map_err(threads)?;
        std::thread::Builder::new()
            .name("output".to_owned())
            .spawn(move || screen.read_all(input, &above))
            .map_err(threads)?;
    }
    loop {
        let Some(prompt) = screen.begin_editing() else {
            eprintln!("connection closed by the process");
            return Ok(());
        };
        let input = editor.read(&prompt, "");
        screen.lock().is_editing = false;
        match input.map_err(Failure::error)? {
            Input::Line(line) => {
                screen.lock().last = Some(Instant::now());
                // When it fails, the other thread sees the end as well.
                let _ = (&stream).write_all(format!("{line}\n").as_bytes());
            }
            Input::Cleared => screen.lock().tail = prompt,
            Input::End => break,
        }
    }
    let _ = stream.shutdown(Shutdown::Write);
    screen.await_end();
    Ok(())
}

impl Screen {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a prompt and takes it; nothing when the connection is closed.
    fn begin_editing(&self) -> Option<String> {
        let mut state = self.lock();
        loop {
            let quiet = state.last.map_or(QUIET, |last| last.elapsed());
            let enough = match state.tail.as_str() {
                tail if tail.ends_with(">>> ") || tail.ends_with("... ") => Duration::ZERO,
                "" => QUIET,
                _ => QUIET_LINE,
            };
            if state.is_closed {
                let tail = std::mem::take(&mut state.tail);
                drop(state);
                print(&tail);
                return None;
            }
            if quiet >= enough {
                state.is_editing = true;
                return Some(std::mem::take(&mut state.tail));
            }
            let left = enough.saturating_sub(quiet);
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn await_end(&self) {
        let state = self.lock();
        let waited = self.changed.wait_timeout_while(state, FAREWELL, |state| !state.is_closed);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        print(&std::mem::take(&mut state.tail));
    }

    fn read_all(&self, mut input: UnixStream, above: &Sender<Notice>) {
        let mut piece = [0; 16 * 1024];
        loop {
            match input.read(&mut piece) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Ok(0) | Err(_) => break,
                Ok(count) => self.take(piece.get(..count).unwrap_or_default(), above),
            }
        }
        let mut state = self.lock();
        state.is_closed = true;
        if state.is_editing {
            let _ = above.send(Notice::Closed);
        }
        self.changed.notify_all();
    }

    /// Shows whole lines at once, and keeps the unfinished one; above an edited line all is shown.
    fn take(&self, bytes: &[u8], above: &Sender<Notice>) {
        let mut state = self.lock();
        state.last = Some(Instant::now());
        let text = decode(&mut state.partial, bytes);
        state.tail.push_str(&text);
        if state.is_editing {
            let all = std::mem::take(&mut state.tail);
            if !all.is_empty() {
                let _ = above.send(Notice::Text(all));
            }
        } else if let Some(newline) = state.tail.rfind('\n') {
            let rest = state.tail.split_off(newline.saturating_add(1));
            let lines = std::mem::replace(&mut state.tail, rest);
            print(&lines);
        }
        self.changed.notify_all();
    }
}

fn print(text: &str) {
    let mut output = std::io::stdout().lock();
    // A terminal that is gone sends SIGHUP.
    let _ = output.write_all(text.as_bytes());
    let _ = output.flush();
}

/// Decodes UTF-8 that comes in pieces; what is no UTF-8 becomes the replacement character.
fn decode(partial: &mut Vec<u8>, bytes: &[u8]) -> String {
    partial.extend_from_slice(bytes);
    let mut text = String::new();
    let mut kept = Vec::new();
    let mut chunks = partial.utf8_chunks().peekable();
    while let Some(chunk) = chunks.next() {
        text.push_str(chunk.valid());
        // The last invalid bytes may be the beginning of a character (at most 3 of its 4 bytes).
        let is_beginning = chunks.peek().is_none() && is_unfinished(chunk.invalid());
        if is_beginning {
            kept = chunk.invalid().to_vec();
        } else if !chunk.invalid().is_empty() {
            text.push(char::REPLACEMENT_CHARACTER);
        }
    }
    *partial = kept;
    text
}

fn is_unfinished(bytes: &[u8]) -> bool {
    !bytes.is_empty() && std::str::from_utf8(bytes).is_err_and(|error| error.error_len().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_in_pieces() {
        let mut partial = Vec::new();
        assert_eq!(decode(&mut partial, b"a\xe2\x86"), "a");
        assert_eq!(decode(&mut partial, b"\x92b"), "→b");
        assert_eq!(decode(&mut partial, b"\xff\xfex"), "\u{fffd}\u{fffd}x");
        assert!(partial.is_empty());
    }
}

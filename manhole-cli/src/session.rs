//! A structured session: requests out, replies in, and a phase that says what the client is busy with.
//!
//! Runs in the client. One thread reads the socket for the whole session, so the process never waits for a client that
//! edits a line. Replies go to whoever asked; what nobody asked for goes out as notices.

use std::io::{BufRead, BufReader, Cursor, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::notices;
use crate::wire::{self, Message, Outcome, Piece, Request};

/// What nobody asked for, to be told to the user.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Notice {
    /// Another client has the prompt.
    Occupied {
        /// Its pid.
        pid: i64,
        /// Its uid.
        uid: i64,
    },
    /// The prompt is ours now.
    Turn,
    /// Text that came while no request ran.
    Text(String),
    /// The process did not understand us, or we did not understand it.
    Complaint(String),
    /// The process closed the connection while the user was editing a line.
    Closed,
}

/// What the client is busy with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Neither.
    Idle,
    /// It waits for its own input.
    Editing,
    /// This request runs; it was asked so often to stop.
    Running {
        /// The request.
        id: u64,
        /// How often Ctrl-C was typed.
        interrupts: u32,
    },
}

/// What the threads of the client know together.
#[derive(Debug)]
pub(crate) struct Shared {
    state: Mutex<State>,
    writer: Mutex<UnixStream>,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    is_occupied: bool,
    is_closed: bool,
}

/// Something for the one who waits.
#[derive(Debug)]
pub(crate) enum Event {
    /// A piece of an answer.
    Reply {
        /// To this request.
        id: u64,
        /// The piece.
        piece: Piece,
    },
    /// The prompt is ours now.
    Turn,
    /// Input that came when no command took any.
    Unread(String),
    /// The connection is closed.
    Closed,
}

/// The process has closed the connection.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Closed;

/// One structured session.
#[derive(Debug)]
pub(crate) struct Session {
    shared: Arc<Shared>,
    events: Receiver<Event>,
    next_id: AtomicU64,
}

impl Session {
    /// Starts to read; `rest` are bytes that came behind the hello.
    ///
    /// # Errors
    /// When the socket cannot be duplicated or no thread can be made.
    pub(crate) fn start(stream: UnixStream, rest: Vec<u8>, notices: Sender<Notice>) -> std::io::Result<Self> {
        let input = BufReader::new(Cursor::new(rest).chain(stream.try_clone()?));
        let shared = Arc::new(Shared {
            state: Mutex::new(State { phase: Phase::Idle, is_occupied: false, is_closed: false }),
            writer: Mutex::new(stream),
        });
        let (sender, events) = channel();
        let reader = Reader { shared: Arc::clone(&shared), events: sender, notices };
        std::thread::Builder::new().name("replies".to_owned()).spawn(move || reader.run(input))?;
        Ok(Self { shared, events, next_id: AtomicU64::new(1) })
    }

    /// What the other threads may use.
    pub(crate) fn shared(&self) -> Arc<Shared> {
        Arc::clone(&self.shared)
    }

    /// Sends a request, hands each piece of its answer to `take`, and returns how it ended, with the next prompt.
    ///
    /// # Errors
    /// [`Closed`], or what `take` said.
    pub(crate) fn ask<E: From<Closed>>(
        &self,
        request: Request<'_>,
        mut take: impl FnMut(Piece) -> Result<(), E>,
    ) -> Result<(Outcome, Option<String>), E> {
        let asked = self.next_id.fetch_add(1, Ordering::Relaxed);
        self.shared.enter(Phase::Running { id: asked, interrupts: 0 });
        let result = self.shared.send(&request.line(asked)).map_err(E::from).and_then(|()| {
            loop {
                match self.events.recv().unwrap_or(Event::Closed) {
                    Event::Reply { piece: Piece::Done { outcome, prompt }, id } if id == asked => {
                        return Ok((outcome, prompt));
                    }
                    // Text of another request, late or from behind: still for the user's eyes.
                    Event::Reply { id, piece } if id == asked || matches!(piece, Piece::Text(_)) => {
                        take(piece)?;
                    }
                    Event::Unread(text) => take(Piece::Unread(text))?,
                    Event::Reply { .. } | Event::Turn => {}
                    Event::Closed => return Err(E::from(Closed)),
                }
            }
        });
        notices::settle();
        self.shared.enter(Phase::Idle);
        result
    }

    /// Asks for completions, for at most `patience`; no answer is no candidates.
    pub(crate) fn complete(&self, line: &str, cursor: usize, patience: Duration) -> (usize, Vec<String>) {
        let nothing = (cursor, Vec::new());
        let asked = self.next_id.fetch_add(1, Ordering::Relaxed);
        if self.shared.send(&Request::Complete(line, cursor).line(asked)).is_err() {
            return nothing;
        }
        let end = Instant::now() + patience;
        let mut found = nothing;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            match self.events.recv_timeout(left) {
                Ok(Event::Reply { id, piece }) if id == asked => match piece {
                    Piece::Candidates { start, list } if start <= cursor && line.is_char_boundary(start) => {
                        found = (start, list);
                    }
                    Piece::Done { .. } => return found,
                    _ => {}
                },
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return found,
            }
        }
    }

    /// Waits until no other client has the prompt.
    ///
    /// # Errors
    /// [`Closed`].
    pub(crate) fn await_turn(&self) -> Result<(), Closed> {
        while self.shared.lock().is_occupied {
            if matches!(self.events.recv(), Ok(Event::Closed) | Err(_)) {
                return Err(Closed);
            }
        }
        Ok(())
    }
}

impl Shared {
    /// Now the client waits for its own input; from here on a closed connection is told by [`Notice::Closed`].
    ///
    /// # Errors
    /// [`Closed`] when it is too late for that.
    pub(crate) fn begin_editing(&self) -> Result<(), Closed> {
        let mut state = self.lock();
        if state.is_closed {
            return Err(Closed);
        }
        state.phase = Phase::Editing;
        Ok(())
    }

    /// The input is there, or there is none.
    pub(crate) fn end_editing(&self) {
        self.enter(Phase::Idle);
    }

    /// What the client is busy with.
    pub(crate) fn phase(&self) -> Phase {
        self.lock().phase
    }

    /// Whether another client has the prompt.
    pub(crate) fn is_occupied(&self) -> bool {
        self.lock().is_occupied
    }

    /// Asks the process to stop the running request; returns what the client was busy with, this Ctrl-C counted.
    /// Never waits: a process that does not read could hold the writer.
    pub(crate) fn interrupt(&self) -> Phase {
        let phase = {
            let mut state = self.lock();
            if let Phase::Running { interrupts, .. } = &mut state.phase {
                *interrupts = interrupts.saturating_add(1);
            }
            state.phase
        };
        if let (Phase::Running { id, .. }, Ok(mut writer)) = (phase, self.writer.try_lock()) {
            // A failure means that the connection is gone; the reader tells.
            let _ = writer.write_all(wire::interrupt(id).as_bytes());
        }
        phase
    }

    /// Gives the running command input.
    ///
    /// # Errors
    /// [`Closed`].
    pub(crate) fn send_input(&self, text: &str) -> Result<(), Closed> {
        self.send(&wire::input(text))
    }

    /// Tells the running command that there is no more input.
    ///
    /// # Errors
    /// [`Closed`].
    pub(crate) fn end_input(&self) -> Result<(), Closed> {
        self.send(&wire::input_end())
    }

    fn send(&self, line: &str) -> Result<(), Closed> {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        writer.write_all(line.as_bytes()).map_err(|_| Closed)
    }

    fn enter(&self, phase: Phase) {
        self.lock().phase = phase;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Reader {
    shared: Arc<Shared>,
    events: Sender<Event>,
    notices: Sender<Notice>,
}

impl Reader {
    fn run(self, mut input: impl BufRead) {
        let mut line = Vec::new();
        // An error is an end too: a process that dies resets the connection.
        while matches!(input.read_until(b'\n', &mut line), Ok(count) if count > 0) {
            self.take(wire::message(&line));
            line.clear();
        }
        let mut state = self.shared.lock();
        state.is_closed = true;
        if state.phase == Phase::Editing {
            self.notify(Notice::Closed);
        }
        drop(state);
        let _ = self.events.send(Event::Closed);
    }

    fn take(&self, message: Message) {
        match message {
            Message::Occupied { pid, uid } => {
                self.shared.lock().is_occupied = true;
                self.notify(Notice::Occupied { pid, uid });
            }
            Message::Turn => {
                self.shared.lock().is_occupied = false;
                self.notify(Notice::Turn);
                let _ = self.events.send(Event::Turn);
            }
            Message::Text(text) => self.notify(Notice::Text(text)),
            Message::Unread(text) => {
                let _ = self.events.send(Event::Unread(text));
            }
            Message::Error(text) => self.notify(Notice::Complaint(text)),
            Message::Unknown(line) => {
                self.notify(Notice::Complaint(format!("the process sent what this manhole-cli does not know: {line}")))
            }
            Message::Reply { piece: Piece::Text(text), .. } if self.shared.phase() == Phase::Editing => {
                self.notify(Notice::Text(text))
            }
            Message::Reply { id, piece } => {
                let _ = self.events.send(Event::Reply { id, piece });
            }
        }
    }

    fn notify(&self, notice: Notice) {
        notices::send(&self.notices, notice);
    }
}

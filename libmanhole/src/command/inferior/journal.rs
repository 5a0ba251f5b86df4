//! What a line has asked of the process and done to it, so that it can be evaluated again when a call has returned.
//!
//! Context: the agent's thread. Nothing waits there: a line that calls a function is given up at the call, and evaluated from its
//! beginning when the result is there. Everything that it has asked before is then answered as it was, and nothing is done twice.

use manhole_expressions::target::Stop;
use manhole_expressions::value::Value;

/// What one line's journal takes at most, in bytes.
const MOST: usize = 16 << 20;

/// One thing that was asked or done.
#[derive(Clone, Debug)]
pub(super) enum Entry {
    Read(Result<Vec<u8>, u64>),
    Written(Result<(), Stop>),
    Called(Result<Value, Stop>),
    Allocated(u64),
}

/// The journal of one line.
#[derive(Clone, Debug, Default)]
pub(crate) struct Journal {
    entries: Vec<Entry>,
    /// How many have been given again.
    at: usize,
    bytes: usize,
    /// The value is there: what printing it reads is read once only.
    is_closed: bool,
    /// What is to be told before the value, each with the number of entries that it came after.
    notes: Vec<(usize, String)>,
    /// How many have been told since the beginning of the line.
    told: usize,
}

impl Journal {
    /// The line is evaluated from its beginning.
    pub(crate) fn rewind(&mut self) {
        self.at = 0;
        self.told = 0;
        self.is_closed = false;
    }

    /// The line goes on after a value: with the next thread of `thread apply`.
    pub(crate) fn reopen(&mut self) {
        self.is_closed = false;
    }

    /// The line has its value: nothing of what follows is done again.
    pub(crate) fn close(&mut self) {
        self.is_closed = true;
    }

    /// Notes what is to be told before the value.
    pub(super) fn note(&mut self, note: String) {
        if !self.notes.iter().any(|(_, known)| *known == note) {
            self.notes.push((self.at, note));
        }
    }

    /// What is to be told before the value that has just been found.
    pub(crate) fn take_notes(&mut self) -> Vec<String> {
        let untold = self.notes.iter().skip(self.told).take_while(|(after, _)| *after <= self.at);
        let notes: Vec<String> = untold.map(|(_, note)| note.clone()).collect();
        self.told = self.told.saturating_add(notes.len());
        notes
    }

    /// What was answered at this point before.
    pub(super) fn next(&mut self) -> Option<&Entry> {
        let entry = self.entries.get(self.at).filter(|_| !self.is_closed)?;
        self.at = self.at.saturating_add(1);
        Some(entry)
    }

    /// Adds what has just been answered.
    pub(super) fn add(&mut self, entry: Entry) -> Result<(), Stop> {
        if self.is_closed {
            return Ok(());
        }
        let content = match &entry {
            Entry::Read(Ok(bytes)) => bytes.len(),
            _ => 0,
        };
        self.bytes = self.bytes.saturating_add(size_of::<Entry>()).saturating_add(content);
        if self.bytes > MOST {
            return Err(Stop::Error(format!("the expression reads more than {} MiB", MOST >> 20)));
        }
        self.entries.push(entry);
        self.at = self.entries.len();
        Ok(())
    }

    /// What the call has come to at which the line was given up.
    pub(crate) fn answer_call(&mut self, result: Result<Value, Stop>) {
        self.entries.push(Entry::Called(result));
    }
}

/// An answer does not fit the question: the line asks something else than before.
pub(super) fn astray() -> Stop {
    Stop::Error("the program has changed under the line: it was given up".to_owned())
}

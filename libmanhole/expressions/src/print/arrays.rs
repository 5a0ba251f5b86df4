//! Arrays: their elements, with equal ones folded.
//!
//! Pure. An array of any size is read piece by piece, no further than it is shown.

use super::{Level, Printer, strings};
use crate::access;
use crate::target::Stop;
use crate::types::TypeId;
use crate::value::{Content, Place, Value};

/// After how many elements that are only compared the target is asked whether to go on.
const BREATH: u64 = 1024;

impl Printer<'_> {
    pub(super) fn array(&mut self, value: &Value, of: TypeId, count: Option<u64>, level: Level) -> Result<(), Stop> {
        let size = access::size_of(of, self.target).unwrap_or(0);
        let count = count.unwrap_or(0);
        if !self.is_rust && (size == 0 || count == 0) {
            return match value.place {
                // The end of a structure of variable length.
                Place::Memory(address) => self.pointer_to_data(address, of),
                _ => {
                    self.put("{}");
                    Ok(())
                }
            };
        }
        if let Some(element) = strings::element(of, self.format, self.is_rust, self.target).filter(|_| !self.is_rust)
            && !matches!(value.content, Content::Partial(..))
        {
            let whole = size.saturating_mul(count);
            let piece = self.piece(value, of, size, 0, whole.min(access::LARGEST) / size)?;
            if let Content::Bytes(bytes) = &piece.content {
                self.character_array(bytes, element, whole > access::LARGEST);
                return Ok(());
            }
        }
        let (open, close) = if self.is_rust { ("[", "]") } else { ("{", "}") };
        self.put(open);
        if count > 0 {
            self.elements(value, of, size, count, level)?;
        }
        self.put(close);
        Ok(())
    }

    /// Some elements with their bytes, as an array's value. Their type is not the array's any more.
    fn piece(&mut self, value: &Value, of: TypeId, size: u64, first: u64, count: u64) -> Result<Value, Stop> {
        match (&value.content, &value.place) {
            (Content::Unread, Place::Memory(address)) => {
                let address = address.wrapping_add(first.wrapping_mul(size));
                let bytes = access::memory(address, size.saturating_mul(count), self.target)?;
                Ok(Value { content: Content::Bytes(bytes), place: Place::Memory(address), ..value.clone() })
            }
            _ => Ok(Value { type_id: of, ..value.clone() }),
        }
    }

    fn elements(&mut self, value: &Value, of: TypeId, size: u64, count: u64, level: Level) -> Result<(), Stop> {
        let limit = self.options.elements.unwrap_or(u64::MAX);
        let threshold = self.options.repeats.unwrap_or(u64::MAX);
        let is_unread = value.content == Content::Unread;
        let per_piece = if is_unread { (access::LARGEST / size.max(1)).clamp(1, count) } else { count };
        let mut piece_start = 0;
        let mut piece = None;
        let mut shown: u64 = 0;
        let mut at = 0;
        while at < count && shown < limit && !self.is_full() {
            let mut element = self.element(value, of, size, count, at, (per_piece, &mut piece_start, &mut piece))?;
            if at > 0 {
                self.put(if self.options.array { "," } else { ", " });
            }
            if self.options.array {
                self.line(level.depth + 1);
            }
            if self.options.array_indexes {
                self.put(&format!("[{at}] = "));
            }
            // Elements without a size are equal, however many a wrong length makes them.
            let mut same = if size == 0 { count - at } else { 1 };
            while threshold != u64::MAX && at + same < count {
                if same % BREATH == 0 {
                    self.target.check()?;
                }
                let window = (per_piece, &mut piece_start, &mut piece);
                let other = self.element(value, of, size, count, at + same, window)?;
                if other.content != element.content {
                    break;
                }
                same += 1;
            }
            element.is_stale = value.is_stale;
            let done = self.print(&element, level.inner());
            self.or_mark(done)?;
            if same > threshold {
                self.put(&format!(" <repeats {same} times>"));
                at += same;
                shown = shown.saturating_add(threshold);
            } else {
                at += 1;
                shown += 1;
            }
        }
        if at < count {
            self.put("...");
        }
        if self.options.array {
            self.line(level.depth);
        }
        Ok(())
    }

    /// One element. `window`: how many elements are read at once, and those that were read last.
    fn element(
        &mut self,
        value: &Value,
        of: TypeId,
        size: u64,
        count: u64,
        at: u64,
        window: (u64, &mut u64, &mut Option<Value>),
    ) -> Result<Value, Stop> {
        let (length, start, piece) = window;
        let is_inside = piece.is_some() && (*start..*start + length).contains(&at);
        if !is_inside {
            *start = at;
            *piece = Some(self.piece(value, of, size, at, length.min(count - at))?);
        }
        let offset = if value.content == Content::Unread { at - *start } else { at };
        let from = piece.as_ref().unwrap_or(value);
        Ok(access::part(from, offset.saturating_mul(size), of, self.target))
    }
}

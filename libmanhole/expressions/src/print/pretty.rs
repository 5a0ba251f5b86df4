//! Values of library types, as their own printers show them: what a printer gives, and how it is written.
//!
//! Pure. Which type has which printer is in `crate::printers`.

use super::{Format, Level, Options, Printer, strings};
use crate::target::{Stop, Target};
use crate::types::TypeId;
use crate::value::Value;

/// What a printer makes of a value, by the display hints of gdb's printers.
#[derive(Clone, Debug, PartialEq)]
pub enum Shape {
    /// A text that stands alone.
    Summary(String),
    /// A string in quotes: its bytes as far as they were read, and how many it has.
    #[allow(missing_docs, reason = "said above")]
    Text { bytes: Vec<u8>, length: u64 },
    /// A string in memory: how many elements it has, and of which type they are; `None` for Rust's.
    #[allow(missing_docs, reason = "said above")]
    TextAt { address: u64, length: u64, element: Option<TypeId> },
    /// A summary, and named children: `std::pair = {first = 1, second = 2}`.
    #[allow(missing_docs, reason = "said above")]
    Children { summary: Option<String>, children: Vec<(String, Value)> },
    /// Children whose names do not matter: `std::vector of length 3, capacity 4 = {1, 2, 3}`.
    /// `has_more`: not all children are here, only as many as are shown.
    #[allow(missing_docs, reason = "said above")]
    Array { summary: Option<String>, elements: Vec<Value>, has_more: bool },
    /// Keys and values: `std::map with 2 elements = {[1] = 2, [3] = 4}`.
    #[allow(missing_docs, reason = "said above")]
    Map { summary: Option<String>, entries: Vec<(Value, Value)>, has_more: bool },
    /// Another value in the place of this one.
    Other(Value),
}

/// What the printer of a value's type makes of it; `None` where there is none.
pub(super) fn pretty(
    value: &Value,
    format: Option<Format>,
    options: &Options,
    parts: u32,
    target: &mut dyn Target,
) -> Option<Shape> {
    crate::printers::shape(value, format, options, parts, target)
}

/// How children are introduced.
enum Label<'a> {
    None,
    Name(&'a str),
    Key(&'a Value),
}

impl Printer<'_> {
    /// Writes what a printer gave.
    pub(super) fn shape(&mut self, shape: Shape, level: Level) -> Result<(), Stop> {
        match shape {
            Shape::Summary(text) => self.put(&text),
            Shape::Text { bytes, length } => self.text(&bytes, length),
            Shape::TextAt { address, length, element } => {
                let element = match element {
                    Some(of) => strings::element(of, None, false, self.target).unwrap_or(strings::Element::BYTE),
                    None => strings::Element::RUST,
                };
                return self.string_at(address, Some(length), element, false);
            }
            Shape::Children { summary, children } => {
                let children: Vec<_> = children.iter().map(|(name, child)| (Label::Name(name), child)).collect();
                return self.children(summary, &children, self.options.pretty, false, level);
            }
            Shape::Array { summary, elements, has_more } => {
                let children: Vec<_> = elements.iter().map(|child| (Label::None, child)).collect();
                return self.children(summary, &children, self.options.array, has_more, level);
            }
            Shape::Map { summary, entries, has_more } => {
                let children: Vec<_> = entries.iter().map(|(key, child)| (Label::Key(key), child)).collect();
                return self.children(summary, &children, self.options.pretty, has_more, level);
            }
            // The value is taken as it is: a printer that gives itself would never end.
            Shape::Other(value) if level.depth < super::DEEPEST => return self.print(&value, level.inner()),
            Shape::Other(_) => self.put("{...}"),
        }
        Ok(())
    }

    fn children(
        &mut self,
        summary: Option<String>,
        children: &[(Label<'_>, &Value)],
        has_lines: bool,
        has_more: bool,
        level: Level,
    ) -> Result<(), Stop> {
        if let Some(summary) = &summary {
            self.put(summary);
            if children.is_empty() {
                return Ok(());
            }
            self.put(" = ");
        }
        let bound = self.options.depth.unwrap_or(u64::MAX).saturating_add(u64::from(level.nameless));
        if u64::from(level.depth) >= bound || level.depth >= super::DEEPEST {
            self.put("{...}");
            return Ok(());
        }
        self.put("{");
        // A key and its value are two elements to gdb.
        let units = if matches!(children.first(), Some((Label::Key(_), _))) { 2 } else { 1 };
        let limit = usize::try_from(self.options.elements.unwrap_or(u64::MAX)).unwrap_or(usize::MAX);
        for (at, (label, child)) in children.iter().take(limit / units).enumerate() {
            if at > 0 {
                self.put(if has_lines { "," } else { ", " });
            }
            if has_lines {
                self.line(level.depth + 1);
            }
            match label {
                Label::Name(name) => self.put(&format!("{name} = ")),
                Label::Key(key) => {
                    self.put("[");
                    self.child(key, level)?;
                    self.put("] = ");
                }
                Label::None if self.options.array_indexes => self.put(&format!("[{at}] = ")),
                Label::None => {}
            }
            self.child(child, level)?;
        }
        // An odd number of elements ends with a key.
        let key = children.get(limit / units).filter(|_| units == 2 && limit % 2 == 1);
        if let Some((Label::Key(key), _)) = key {
            if limit > 1 {
                self.put(if has_lines { "," } else { ", " });
            }
            if has_lines {
                self.line(level.depth + 1);
            }
            self.put("[");
            self.child(key, level)?;
            self.put("] = ");
        }
        // At the limit gdb does not look whether there are more.
        if has_more || children.len().saturating_mul(units) >= limit {
            if has_lines {
                self.line(level.depth + 1);
            }
            self.put("...");
        }
        if has_lines {
            self.line(level.depth);
        }
        self.put("}");
        Ok(())
    }

    fn child(&mut self, child: &Value, level: Level) -> Result<(), Stop> {
        let done = self.print(child, level.member());
        self.or_mark(done)
    }
}

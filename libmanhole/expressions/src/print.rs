//! Values and types -> text, as gdb prints them.
//!
//! Pure: memory and symbols are asked of the target. Depth, the number of elements and the length of the text are bounded; a value that
//! cannot be read is an error at the top, and a mark inside a structure. What is in which file: `scalars` numbers, enums and format
//! letters; `pointers` pointers, references and functions; `strings`, `arrays`, `records`; `rust` Rust's records and enums;
//! `names` and `definitions` types; `pretty` values that have a printer of their own.

mod arrays;
mod definitions;
mod names;
mod offsets;
mod pointers;
pub mod pretty;
mod records;
mod rust;
mod scalars;
mod strings;
#[cfg(test)]
pub(crate) mod tests;
#[cfg(all(fuzzing, not(test)))]
pub(crate) mod tests;

pub(crate) use definitions::short_name;

use std::rc::Rc;

use crate::access;
use crate::evaluate::CODE_WITHOUT_TYPE;
use crate::target::{Stop, Target};
use crate::types::{Encoding, Language, Record, Type, TypeId};
use crate::value::{Content, Missing, Value};

/// What `set print ...` sets, by gdb's names, with gdb's defaults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// `elements`: elements of an array or characters of a string that are shown; `None` for all.
    pub elements: Option<u64>,
    /// `repeats`: from how many equal elements on they are folded; `None` for never.
    pub repeats: Option<u64>,
    /// `max-depth`; `None` for no bound (ours still has one).
    pub depth: Option<u64>,
    /// `pretty`: one member a line.
    pub pretty: bool,
    /// `union`: show unions inside structures.
    pub union: bool,
    /// `address`: show the addresses of pointers to strings and functions.
    pub address: bool,
    /// `symbol`: show the symbol behind any pointer.
    pub symbol: bool,
    /// `array`: one element a line.
    pub array: bool,
    /// `array-indexes`.
    pub array_indexes: bool,
    /// `null-stop`: a character array ends at its first NUL.
    pub null_stop: bool,
    /// `static-members`.
    pub static_members: bool,
    /// `vtbl`.
    pub vtbl: bool,
    /// `object`: pointers and references have the dynamic type of what they point to.
    pub object: bool,
    /// `raw-values` and `/r`: without pretty printers.
    pub raw: bool,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            elements: Some(200),
            repeats: Some(10),
            depth: Some(20),
            pretty: false,
            union: true,
            address: true,
            symbol: true,
            array: false,
            array_indexes: false,
            null_stop: false,
            static_members: true,
            vtbl: false,
            object: false,
            raw: false,
        }
    }
}

/// The format letters of `print/FMT`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Format {
    Hexadecimal,
    PaddedHexadecimal,
    Decimal,
    Unsigned,
    Octal,
    Binary,
    Address,
    Character,
    Float,
    String,
}

/// Longer texts are cut, in bytes.
const LONGEST: usize = 1 << 20;

/// Structures in structures beyond this are not shown, whatever `max-depth` says: every level takes some of the caller's stack.
const DEEPEST: u32 = 30;

/// The same of a value inside a summary, which stands above all that is around it.
const PART_DEPTH: u64 = 10;

/// The text of a value, without `$1 = ` and without newline.
pub fn value(
    value: &Value,
    format: Option<Format>,
    options: &Options,
    target: &mut dyn Target,
) -> Result<String, Stop> {
    let mut printer = Printer::new(value, format, options, target);
    printer.top(value)?;
    Ok(cut(printer.out))
}

/// As [`value`], for one that stands behind its name: a pointer has no type before it, as in gdb's `info locals`.
pub fn named(value: &Value, options: &Options, target: &mut dyn Target) -> Result<String, Stop> {
    let mut printer = Printer::new(value, None, options, target);
    printer.print(value, Level { follows_references: true, ..Level::default() })?;
    Ok(cut(printer.out))
}

fn cut(mut out: String) -> String {
    if out.len() > LONGEST {
        let end = (0..=LONGEST).rev().find(|end| out.is_char_boundary(*end)).unwrap_or(0);
        out.truncate(end);
        out.push_str("... <the rest is not shown>");
    }
    out
}

/// A declaration of `variable`, without `;`: the name in the middle of its type.
pub fn declaration(type_id: TypeId, variable: &str, target: &mut dyn Target) -> String {
    names::declared(type_id, variable, target)
}

/// The text of a value that is a part of another one's: a pointer has no type before it.
pub(crate) fn part(
    value: &Value,
    format: Option<Format>,
    options: &Options,
    parts: u32,
    target: &mut dyn Target,
) -> Result<String, Stop> {
    let depth = Some(options.depth.unwrap_or(PART_DEPTH).min(PART_DEPTH));
    let options = Options { depth, ..options.clone() };
    let mut printer = Printer { parts, ..Printer::new(value, format, &options, target) };
    printer.print(value, Level::default())?;
    Ok(printer.out)
}

/// What `whatis` says of a type: its name.
pub fn name(type_id: TypeId, target: &mut dyn Target) -> String {
    names::spelled(type_id, -1, target)
}

/// What `ptype` says of a type: its definition, typedefs resolved.
pub fn definition(type_id: TypeId, _options: &Options, target: &mut dyn Target) -> String {
    names::spelled(type_id, 1, target)
}

/// What `ptype/o` says of a type: its definition with the places and sizes of all members; `None` for Rust's types.
pub fn definition_with_offsets(type_id: TypeId, target: &mut dyn Target) -> Option<String> {
    (!rust::is_rust(type_id, target)).then(|| names::with_offsets(type_id, target))
}

/// Text of a value in the making.
struct Printer<'a> {
    options: &'a Options,
    format: Option<Format>,
    target: &'a mut dyn Target,
    out: String,
    /// Rust's rules hold, not C's: those of the innermost record.
    is_rust: bool,
    /// Addresses of the static members of the class types that are being printed: they may hold themselves.
    statics: Vec<u64>,
    /// The virtual bases of the object that have been printed.
    virtual_bases: Vec<TypeId>,
    /// Summaries of pretty printers that the value is a part of.
    parts: u32,
}

/// How deep inside the value something is.
#[derive(Clone, Copy, Debug, Default)]
struct Level {
    /// Structures and arrays around it.
    depth: u32,
    /// How many of them have no name, and do not count for `max-depth`.
    nameless: u32,
    /// What a reference refers to is shown: not inside structures.
    follows_references: bool,
}

impl Level {
    fn inner(self) -> Level {
        Level { depth: self.depth + 1, ..self }
    }

    fn member(self) -> Level {
        Level { depth: self.depth + 1, follows_references: false, ..self }
    }
}

impl<'a> Printer<'a> {
    fn new(value: &Value, format: Option<Format>, options: &'a Options, target: &'a mut dyn Target) -> Self {
        let is_rust = rust::is_rust(value.type_id, target);
        let (statics, virtual_bases) = (Vec::new(), Vec::new());
        Printer { options, format, target, out: String::new(), is_rust, statics, virtual_bases, parts: 0 }
    }
}

impl Printer<'_> {
    fn put(&mut self, text: &str) {
        if self.out.len() <= LONGEST {
            self.out.push_str(text);
        }
    }

    /// Nothing more will be kept.
    fn is_full(&self) -> bool {
        self.out.len() > LONGEST
    }

    /// A new line, indented by this many levels.
    fn line(&mut self, depth: u32) {
        self.put("\n");
        for _ in 0..depth {
            self.put("  ");
        }
    }

    /// The format for scalars; strings have none of their own.
    fn scalar_format(&self) -> Option<Format> {
        self.format.filter(|format| *format != Format::String)
    }

    /// What `print` itself does: the type before pointers, then the value.
    fn top(&mut self, value: &Value) -> Result<(), Stop> {
        let (_, described) = access::stripped(value.type_id, self.target);
        let level = Level { follows_references: true, ..Level::default() };
        let is_structured = matches!(
            &*described,
            Type::Void
                | Type::Reference { is_rvalue: false, .. }
                | Type::Array { .. }
                | Type::Record(_)
                | Type::Unknown(_)
        );
        if self.scalar_format().is_some() && !is_structured {
            return match access::bytes(value, self.target)? {
                Ok(bytes) => self.formatted(&bytes, &described),
                Err(missing) => {
                    self.missing(missing);
                    Ok(())
                }
            };
        }
        // What a reference refers to is shown in its place.
        if matches!(&*described, Type::Reference { .. })
            && !self.options.raw
            && let Some(shape) = pretty::pretty(value, self.format, self.options, self.parts, self.target)
        {
            return self.shape(shape, level);
        }
        let value = self.prefix(value, &described)?;
        self.print(&value, level)
    }

    /// Any value; what `print` begins with has been written.
    fn print(&mut self, value: &Value, level: Level) -> Result<(), Stop> {
        self.target.check()?;
        if self.is_full() {
            return Ok(());
        }
        let (_, described) = access::stripped(value.type_id, self.target);
        if let Content::Missing(missing) = &value.content {
            self.missing(*missing);
            return Ok(());
        }
        if matches!(&*described, Type::Record(Record { is_declaration: true, .. })) {
            self.put("<incomplete type>");
            return Ok(());
        }
        let value = &self.fetched(value, &described)?;
        if !self.options.raw
            && let Some(shape) = pretty::pretty(value, self.format, self.options, self.parts, self.target)
        {
            return self.shape(shape, level);
        }
        if self.is_too_deep(value.type_id, &described, level) {
            self.put("{...}");
            return Ok(());
        }
        match &*described {
            Type::Array { of, count, .. } => self.array(value, *of, *count, level),
            Type::Record(record) => self.in_language(record.language, |printer| printer.record(value, record, level)),
            Type::Pointer(to) => self.pointer(value, *to),
            Type::Reference { to, .. } => self.reference(value, *to, level),
            Type::MemberPointer { class, to } => self.member_pointer(value, *class, *to),
            Type::Function(_) => self.function(value),
            Type::Void => {
                self.put(if self.is_rust { "()" } else { "void" });
                Ok(())
            }
            Type::Unknown(what) if what == CODE_WITHOUT_TYPE => self.function(value),
            Type::Unknown(what) => {
                self.put(&names::unknown(what));
                Ok(())
            }
            _ => self.scalar(value, &described),
        }
    }

    /// With the rules of a record's language.
    fn in_language(
        &mut self,
        language: Language,
        print: impl FnOnce(&mut Self) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        let before = self.is_rust;
        self.is_rust = language == Language::Rust;
        let done = print(self);
        self.is_rust = before;
        done
    }

    /// The value with its bytes, unless it is a function or too large to be read at once.
    fn fetched(&mut self, value: &Value, described: &Rc<Type>) -> Result<Value, Stop> {
        if value.content != Content::Unread || matches!(&**described, Type::Function(_) | Type::Void | Type::Unknown(_))
        {
            return Ok(value.clone());
        }
        let size = access::size_of(value.type_id, self.target);
        if matches!(&**described, Type::Array { .. } | Type::Record(_))
            && size.is_none_or(|size| size > access::LARGEST)
        {
            return Ok(value.clone());
        }
        let content = match access::bytes(value, self.target)? {
            Ok(bytes) => Content::Bytes(bytes),
            Err(missing) => Content::Missing(missing),
        };
        Ok(Value { content, ..value.clone() })
    }

    /// The bytes of a scalar; a mark is written for one that has none.
    fn scalar_bytes(&mut self, value: &Value) -> Result<Option<Vec<u8>>, Stop> {
        Ok(match access::bytes(value, self.target)? {
            Ok(bytes) => Some(bytes),
            Err(missing) => {
                self.missing(missing);
                None
            }
        })
    }

    fn missing(&mut self, missing: Missing) {
        self.put(match missing {
            Missing::OptimizedOut => "<optimized out>",
            Missing::NotCaptured => "<not captured>",
            Missing::SyntheticPointer => "<synthetic pointer>",
        });
    }

    /// Whether `max-depth` hides it; strings and scalars are never too deep.
    fn is_too_deep(&mut self, type_id: TypeId, described: &Type, level: Level) -> bool {
        let bound = self.options.depth.unwrap_or(u64::MAX).saturating_add(u64::from(level.nameless));
        if u64::from(level.depth) < bound && level.depth < DEEPEST {
            return false;
        }
        match described {
            Type::Reference { to, .. } => {
                let (to, described) = access::stripped(*to, self.target);
                !matches!(&*described, Type::Reference { .. }) && self.is_too_deep(to, &described, level)
            }
            // The end of a structure of variable length counts as an array even when it is text.
            Type::Array { count: None | Some(0), .. } => true,
            Type::Array { of, .. } => self.is_rust || strings::element(*of, None, false, self.target).is_none(),
            Type::Record(Record { name: Some(name), .. }) if name == "&str" => !rust::is_rust(type_id, self.target),
            Type::Record(_) => true,
            _ => false,
        }
    }

    /// An error inside a value is a mark there; that the person wants no more is not.
    fn or_mark(&mut self, done: Result<(), Stop>) -> Result<(), Stop> {
        match done {
            Err(Stop::Error(error)) if self.target.check().is_ok() => {
                self.put(&format!("<error reading variable: {error}>"));
                Ok(())
            }
            done => done,
        }
    }
}

/// Whether a base type is a floating-point one.
fn is_float(described: &Type) -> bool {
    matches!(described, Type::Base(base) if base.encoding == Encoding::Float)
}

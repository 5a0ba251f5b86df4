//! Which CPython there is, by the symbols of the module that has it: the program itself, libpython, or what it is built into.
//!
//! Context: the agent's thread. Symbols are looked up in the mapped ELF, never by the loader.

use core::ops::Range;

use super::layout::{
    self, Attributes, Code, DICT_BEFORE, Entry, FREE_THREADED_DICT_BEFORE, FREE_THREADED_HEAD, Frames, Gil, HEAD, Keys,
    Layout, LineTable, STRINGS, ThreadId, Unicode,
};
use super::{ending, objects};
use crate::memory::Memory;
use crate::modules::{Module, Modules};
use crate::symbols::exported;

/// A CPython in this process.
pub(crate) struct Interpreter {
    /// The address of `_PyRuntime`.
    pub(super) runtime: u64,
    pub(super) types: Types,
    pub(super) layout: Layout,
    /// Where its module is mapped.
    pub(super) mapped: Range<u64>,
}

/// The addresses of types, by which objects are known.
pub(super) struct Types {
    pub(super) code: u64,
    pub(super) dict: u64,
    pub(super) str: u64,
    pub(super) int: u64,
    pub(super) tuple: u64,
    pub(super) list: u64,
}

impl Interpreter {
    /// The interpreter; `None` where there is none, and an error where there is one that cannot be read.
    pub(crate) fn find(modules: &Modules, memory: &Memory) -> Option<Result<Interpreter, String>> {
        modules.modules.iter().find_map(|module| {
            let runtime = exported(memory, module, "_PyRuntime")?;
            let of = |name| exported(memory, module, name);
            let types = Types {
                code: of("PyCode_Type")?,
                dict: of("PyDict_Type")?,
                str: of("PyUnicode_Type")?,
                int: of("PyLong_Type")?,
                tuple: of("PyTuple_Type")?,
                list: of("PyList_Type")?,
            };
            let layout = layout_of(memory, module, runtime);
            Some(layout.map(|layout| {
                ending::note(runtime.saturating_add(layout.main_interpreter));
                Interpreter { runtime, types, layout, mapped: module.start..module.end }
            }))
        })
    }
}

fn layout_of(memory: &Memory, module: &Module, runtime: u64) -> Result<Layout, String> {
    let minor = minor_version(memory, module).ok_or_else(|| format!("its version is not known: {KNOWN}"))?;
    match sections(minor) {
        Some(sections) => by_debug_offsets(runtime, &sections),
        None => layout::of(minor).ok_or_else(|| format!("3.{minor} is not known: {KNOWN}")),
    }
}

/// The version by what it exports: from 3.11 on it says so itself, before that by functions that came with each.
fn minor_version(memory: &Memory, module: &Module) -> Option<u8> {
    if let Some(version) = exported(memory, module, "Py_Version") {
        // PY_VERSION_HEX: major, minor, micro, level.
        let [_, _, minor, major] = memory.u32(version).ok()?.to_le_bytes();
        return (major == 3).then_some(minor);
    }
    let has = |name| exported(memory, module, name).is_some();
    match () {
        () if has("PyIter_Send") => Some(10),
        () if has("PyThreadState_GetFrame") => Some(9),
        () if has("Py_BytesMain") => Some(8),
        () => None,
    }
}

/// Which versions are known, for messages.
const KNOWN: &str = "3.8 to 3.15 are";

/// Where a version's table of offsets has the numbers of each structure, counted in numbers of 8 bytes: the first of each is a size.
struct Sections {
    interpreter: usize,
    modules: usize,
    gil: usize,
    thread: usize,
    native_id: usize,
    frame: usize,
    code: usize,
    /// What the table does not have before 3.15, in bytes, of a build that is not free-threaded.
    cached_keys: u64,
    /// Whether in a free-threaded build each thread has its own copy of the instructions, and a byte of a string's state says whether it is interned.
    has_copies: bool,
}

/// The order of Include/internal/pycore_debug_offsets.h, version by version.
fn sections(minor: u8) -> Option<Sections> {
    Some(match minor {
        13 => Sections {
            interpreter: 6,
            modules: 11,
            gil: 17,
            thread: 19,
            native_id: 25,
            frame: 28,
            code: 34,
            cached_keys: 880,
            has_copies: false,
        },
        14 => Sections {
            interpreter: 6,
            modules: 12,
            gil: 18,
            thread: 22,
            native_id: 28,
            frame: 31,
            code: 39,
            cached_keys: 880,
            has_copies: true,
        },
        15 => Sections {
            interpreter: 6,
            modules: 12,
            gil: 18,
            thread: 22,
            native_id: 31,
            frame: 39,
            code: 47,
            cached_keys: 888,
            has_copies: true,
        },
        _ => return None,
    })
}

/// What the interpreter itself says, at the start of `_PyRuntime` (Include/internal/pycore_debug_offsets.h): numbers of 8 bytes.
fn by_debug_offsets(runtime: u64, sections: &Sections) -> Result<Layout, String> {
    const COOKIE: &[u8] = b"xdebugpy";
    /// So much is read of it: no version known has its code objects further back.
    const COUNT: usize = 60;
    let bytes = objects::bytes(runtime, COUNT * 8).filter(|bytes| bytes.starts_with(COOKIE));
    let bytes = bytes.ok_or("its table of offsets is not there")?;
    let at = |number: usize| {
        let word = bytes.get(number * 8..number * 8 + 8).and_then(|word| word.try_into().ok());
        word.map_or(u64::MAX, u64::from_le_bytes)
    };
    let is_free_threaded = at(2) != 0;
    let pointer = size_of::<u64>() as u64;
    let &Sections { interpreter, modules, gil, thread, native_id, frame, code, cached_keys, has_copies } = sections;
    let head = if is_free_threaded { FREE_THREADED_HEAD } else { HEAD };
    let has_copies = is_free_threaded && has_copies;
    Ok(Layout {
        head,
        dict_before: if is_free_threaded { FREE_THREADED_DICT_BEFORE } else { DICT_BEFORE },
        // The main interpreter stands behind the head of the list.
        main_interpreter: at(5).saturating_add(pointer),
        next_interpreter: at(interpreter + 2),
        threads: at(interpreter + 3),
        next_thread: at(thread + 2),
        thread: ThreadId::Native(at(native_id)),
        frames: Frames::Interpreter {
            innermost: (at(thread + 4), None),
            previous: at(frame + 1),
            code: at(frame + 2),
            instruction: at(frame + 3),
            owner: at(frame + 5),
            entry: Entry::Followed,
            copy: has_copies.then(|| at(frame + 7)),
        },
        code: Code {
            filename: at(code + 1),
            name: at(code + 2),
            first_line: at(code + 5),
            lines: at(code + 4),
            table: LineTable::Locations,
            start: at(code + 9),
            copies: has_copies.then(|| at(code + 10)),
        },
        unicode: strings(head, has_copies),
        gil: Gil::InInterpreter {
            locked: at(gil),
            holder: at(gil + 1),
            enabled: is_free_threaded.then(|| at(gil - 1)),
        },
        modules: at(modules),
        ident: at(native_id - 1),
        keys: Keys::Logarithms,
        attributes: Attributes::Inline,
        // The slots of the type before it are words: only its head, and so all of it, is longer.
        cached_keys: cached_keys.saturating_add(head - HEAD),
        audit_hooks: None,
        is_size_tagged: true,
    })
}

/// The strings of a version that tells its offsets.
fn strings(head: u64, has_copies: bool) -> Unicode {
    let longer = head - HEAD;
    Unicode {
        length: head,
        interned: if has_copies { u8::BITS } else { STRINGS.interned },
        ascii: STRINGS.ascii + longer,
        other: STRINGS.other + longer,
    }
}

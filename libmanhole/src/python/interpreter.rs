//! Which CPython there is, by the symbols of the module that has it: the program itself, libpython, or what it is built into.
//!
//! Context: the agent's thread. Symbols are looked up in the mapped ELF, never by the loader.

use super::layout::{self, Code, Entry, Frames, Gil, Layout, LineTable, STRINGS, ThreadId};
use super::objects;
use crate::memory::Memory;
use crate::modules::{Module, Modules};
use crate::symbols::exported;

/// A CPython in this process.
pub(crate) struct Interpreter {
    /// The address of `_PyRuntime`.
    pub(super) runtime: u64,
    /// The address of the type of code objects.
    pub(super) code_type: u64,
    pub(super) layout: Layout,
}

impl Interpreter {
    /// The interpreter; `None` where there is none, and an error where there is one that cannot be read.
    pub(crate) fn find(modules: &Modules, memory: &Memory) -> Option<Result<Interpreter, String>> {
        modules.modules.iter().find_map(|module| {
            let runtime = exported(memory, module, "_PyRuntime")?;
            let code_type = exported(memory, module, "PyCode_Type")?;
            let layout = layout_of(memory, module, runtime);
            Some(layout.map(|layout| Interpreter { runtime, code_type, layout }))
        })
    }
}

fn layout_of(memory: &Memory, module: &Module, runtime: u64) -> Result<Layout, String> {
    let minor = minor_version(memory, module).ok_or("its version is not known: 3.8 to 3.13 are")?;
    let layout = match minor {
        13 => by_debug_offsets(runtime)?,
        _ => layout::of(minor).ok_or_else(|| format!("3.{minor} is not known: 3.8 to 3.13 are"))?,
    };
    Ok(layout)
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

/// What the interpreter itself says, at the start of `_PyRuntime` (Include/internal/pycore_debug_offsets.h): numbers of 8 bytes.
fn by_debug_offsets(runtime: u64) -> Result<Layout, String> {
    const COOKIE: &[u8] = b"xdebugpy";
    const COUNT: usize = 71;
    let bytes = objects::bytes(runtime, COUNT * 8).filter(|bytes| bytes.starts_with(COOKIE));
    let bytes = bytes.ok_or("its table of offsets is not there")?;
    let at = |number: usize| {
        let word = bytes.get(number * 8..number * 8 + 8).and_then(|word| word.try_into().ok());
        word.map_or(u64::MAX, u64::from_le_bytes)
    };
    if at(2) != 0 {
        return Err("it is a free-threaded build, which is not understood".to_owned());
    }
    let pointer = size_of::<u64>() as u64;
    Ok(Layout {
        // The main interpreter stands behind the head of the list.
        main_interpreter: at(5).saturating_add(pointer),
        next_interpreter: at(8),
        threads: at(9),
        next_thread: at(21),
        thread: ThreadId::Native(at(25)),
        frames: Frames::Interpreter {
            innermost: (at(23), None),
            previous: at(29),
            code: at(30),
            instruction: at(31),
            entry: Entry::Followed { owner: at(33) },
        },
        code: Code {
            filename: at(35),
            name: at(36),
            first_line: at(39),
            lines: at(38),
            table: LineTable::Locations,
            start: at(43),
        },
        unicode: STRINGS,
        gil: Gil::InInterpreter { holder: at(18), locked: at(17) },
    })
}

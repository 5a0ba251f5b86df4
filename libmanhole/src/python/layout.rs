//! Where CPython keeps what is needed of a thread, version by version. In bytes from the start of each structure.
//!
//! Context: the agent's thread. Pure data. The numbers are `offsetof` of the headers of CPython 3.8.18, 3.9.18, 3.10.13, 3.11.7 and 3.12.1 on
//! x86_64 (Include/internal, Include/cpython); they hold for all releases of these versions. From 3.13 on it tells its own (`_Py_DebugOffsets`).

/// The layout of one version.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    /// `sizeof(PyObject)`; `ob_type` is the last word of it.
    pub(super) head: u64,
    /// How far before an object the word for its dictionary stands, where the interpreter manages that.
    pub(super) dict_before: u64,
    /// `_PyRuntimeState.interpreters.main`. Before it stands `.head`, the list of all.
    pub(super) main_interpreter: u64,
    /// `PyInterpreterState.next`.
    pub(super) next_interpreter: u64,
    /// `PyInterpreterState.tstate_head`, `.threads.head`.
    pub(super) threads: u64,
    /// `PyThreadState.next`.
    pub(super) next_thread: u64,
    pub(super) thread: ThreadId,
    pub(super) frames: Frames,
    pub(super) code: Code,
    pub(super) unicode: Unicode,
    pub(super) gil: Gil,
    /// `PyInterpreterState.modules`, `.imports.modules`: what `sys.modules` is.
    pub(super) modules: u64,
    /// `PyThreadState.thread_id`: a `pthread_t`, and what Python knows the thread by.
    pub(super) ident: u64,
    pub(super) keys: Keys,
    pub(super) attributes: Attributes,
    /// `PyHeapTypeObject.ht_cached_keys`.
    pub(super) cached_keys: u64,
    /// `_PyRuntimeState.audit_hook_head` and `PyInterpreterState.audit_hooks`, where it matters whether there are any: up to 3.11.
    pub(super) audit_hooks: Option<(u64, u64)>,
    /// Whether the number of an `int`'s digits has three bits more, at the low end.
    pub(super) is_size_tagged: bool,
}

/// The keys of a dictionary (`PyDictKeysObject`).
#[derive(Clone, Copy, Debug)]
pub(super) enum Keys {
    /// With the size of the table of indices; each entry has a hash.
    Sized,
    /// With the logarithms of the sizes; where all keys are strings, the entries have no hash.
    Logarithms,
}

/// Where the attributes of an instance are.
#[derive(Clone, Copy, Debug)]
pub(super) enum Attributes {
    /// In a dictionary, at the type's `tp_dictoffset`.
    ByOffset,
    /// Before the object stand a pointer to the values and one to the dictionary: one of them is null.
    Beside,
    /// Before the object stands a pointer: to the dictionary or, where its lowest bit is set, to one byte before the values.
    Tagged,
    /// Behind the object, as long as there is no dictionary.
    Inline,
}

/// How a thread is known.
#[derive(Clone, Copy, Debug)]
pub(super) enum ThreadId {
    /// `PyThreadState.thread_id`, a `pthread_t`: the address of the C library's control block.
    Pthread(u64),
    /// `PyThreadState.native_thread_id`: the kernel's id.
    Native(u64),
}

/// How a thread's frames hang together.
#[derive(Clone, Copy, Debug)]
pub(super) enum Frames {
    /// `PyFrameObject`, one for each call of the evaluation loop.
    Objects {
        /// `PyThreadState.frame`.
        innermost: u64,
        back: u64,
        code: u64,
        last_instruction: u64,
        /// How many bytes of code `f_lasti` counts by.
        unit: i64,
    },
    /// `_PyInterpreterFrame`.
    Interpreter {
        /// `PyThreadState.cframe` and `_PyCFrame.current_frame`, or `PyThreadState.current_frame` alone.
        innermost: (u64, Option<u64>),
        previous: u64,
        code: u64,
        instruction: u64,
        /// One byte: whose memory it is in (`enum _frameowner`).
        owner: u64,
        entry: Entry,
        /// In a free-threaded build from 3.14 on: which copy of the code's instructions it executes (`tlbc_index`).
        copy: Option<u64>,
    },
}

impl Frames {
    /// How much of a frame is read, in bytes: what is said of it above, and not more, as memory may end behind it.
    pub(super) fn size(&self) -> usize {
        const WORD: u64 = 8;
        let last = match *self {
            Frames::Objects { back, code, last_instruction, .. } => back.max(code).max(last_instruction),
            Frames::Interpreter { previous, code, instruction, owner, entry, copy, .. } => {
                let mark = match entry {
                    Entry::Marked(offset) => offset.max(owner),
                    Entry::Followed => owner,
                };
                let mark = mark.max(copy.map_or(0, |copy| copy.saturating_add(3)));
                previous.max(code).max(instruction).max(mark.saturating_add(1).saturating_sub(WORD))
            }
        };
        usize::try_from(last.saturating_add(WORD)).unwrap_or(usize::MAX)
    }
}

/// How the first frame of a call of the evaluation loop is known.
#[derive(Clone, Copy, Debug)]
pub(super) enum Entry {
    /// `is_entry` is set in it.
    Marked(u64),
    /// Behind it stands a frame without code, whose `owner` is at least `FRAME_OWNED_BY_CSTACK`.
    Followed,
}

/// `PyCodeObject`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Code {
    pub(super) filename: u64,
    pub(super) name: u64,
    pub(super) first_line: u64,
    pub(super) lines: u64,
    pub(super) table: LineTable,
    /// `co_code_adaptive`, where instructions are told by their address.
    pub(super) start: u64,
    /// `co_tlbc`, where each thread has its own copy of the instructions.
    pub(super) copies: Option<u64>,
}

impl Code {
    /// `_co_firsttraceable`, where instructions are told by their address: with `co_extra`, and `co_tlbc` where there is one, between them it
    /// stands before the code in all versions from 3.11 on.
    pub(super) fn first_traceable(&self) -> Option<u64> {
        const BEFORE: u64 = 16;
        self.copies.unwrap_or(self.start).checked_sub(BEFORE)
    }
}

/// How lines are written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LineTable {
    /// `co_lnotab` (Objects/lnotab_notes.txt of 3.9).
    Increments,
    /// `co_linetable` of 3.10 (PEP 626).
    Ranges,
    /// `co_linetable` from 3.11 on (PEP 657, Objects/locations.md).
    Locations,
}

/// The strings.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unicode {
    pub(super) length: u64,
    /// How many bits of the state say whether it is interned; they come first.
    pub(super) interned: u32,
    /// Where the characters of compact ones begin, of ASCII alone and of others.
    pub(super) ascii: u64,
    pub(super) other: u64,
}

/// The lock: who has it, and whether anybody has.
#[derive(Clone, Copy, Debug)]
pub(super) enum Gil {
    InRuntime {
        holder: u64,
        locked: u64,
    },
    /// At the address that the interpreter has there.
    ByInterpreter {
        gil: u64,
        holder: u64,
        locked: u64,
    },
    /// In a free-threaded build it has to be enabled, too.
    InInterpreter {
        holder: u64,
        locked: u64,
        enabled: Option<u64>,
    },
}

const OLD_STRINGS: Unicode = Unicode { length: 16, interned: 2, ascii: 48, other: 72 };
pub(super) const STRINGS: Unicode = Unicode { length: 16, interned: 2, ascii: 40, other: 56 };

/// `sizeof(PyObject)`, and of a free-threaded build.
pub(super) const HEAD: u64 = 16;
pub(super) const FREE_THREADED_HEAD: u64 = 32;

/// Before an object stands what the garbage collector needs, in 16 bytes, and before that its dictionary. In a free-threaded build the collector needs
/// nothing.
pub(super) const DICT_BEFORE: u64 = 24;
pub(super) const FREE_THREADED_DICT_BEFORE: u64 = 8;

const V3_8: Layout = Layout {
    head: HEAD,
    dict_before: DICT_BEFORE,
    main_interpreter: 40,
    next_interpreter: 0,
    threads: 8,
    next_thread: 8,
    thread: ThreadId::Pthread(176),
    frames: Frames::Objects { innermost: 24, back: 24, code: 32, last_instruction: 104, unit: 1 },
    code: Code {
        filename: 104,
        name: 112,
        first_line: 40,
        lines: 120,
        table: LineTable::Increments,
        start: 0,
        copies: None,
    },
    unicode: OLD_STRINGS,
    gil: Gil::InRuntime { holder: 1160, locked: 1168 },
    modules: 56,
    ident: 176,
    audit_hooks: Some((1456, 2704)),
    keys: Keys::Sized,
    attributes: Attributes::ByOffset,
    cached_keys: 872,
    is_size_tagged: false,
};

const V3_9: Layout = Layout {
    gil: Gil::InRuntime { holder: 360, locked: 368 },
    modules: 856,
    audit_hooks: Some((648, 3536)),
    cached_keys: 864,
    ..V3_8
};

const V3_10: Layout = Layout {
    frames: Frames::Objects { innermost: 24, back: 24, code: 32, last_instruction: 96, unit: 2 },
    code: Code { table: LineTable::Ranges, ..V3_8.code },
    cached_keys: 872,
    audit_hooks: Some((648, 3504)),
    ..V3_9
};

const V3_11: Layout = Layout {
    head: HEAD,
    dict_before: DICT_BEFORE,
    main_interpreter: 48,
    next_interpreter: 0,
    threads: 16,
    next_thread: 8,
    thread: ThreadId::Native(160),
    frames: Frames::Interpreter {
        innermost: (56, Some(8)),
        previous: 48,
        code: 32,
        instruction: 56,
        owner: 69,
        entry: Entry::Marked(68),
        copy: None,
    },
    code: Code {
        filename: 112,
        name: 120,
        first_line: 72,
        lines: 136,
        table: LineTable::Locations,
        start: 184,
        copies: None,
    },
    unicode: OLD_STRINGS,
    gil: Gil::InRuntime { holder: 368, locked: 376 },
    modules: 888,
    ident: 152,
    audit_hooks: Some((656, 3552)),
    keys: Keys::Logarithms,
    attributes: Attributes::Beside,
    cached_keys: 872,
    is_size_tagged: false,
};

const V3_12: Layout = Layout {
    head: HEAD,
    dict_before: DICT_BEFORE,
    main_interpreter: 48,
    next_interpreter: 0,
    threads: 72,
    next_thread: 8,
    thread: ThreadId::Native(144),
    frames: Frames::Interpreter {
        innermost: (56, Some(0)),
        previous: 8,
        code: 0,
        instruction: 56,
        owner: 70,
        entry: Entry::Followed,
        copy: None,
    },
    code: Code {
        filename: 112,
        name: 120,
        first_line: 68,
        lines: 136,
        table: LineTable::Locations,
        start: 192,
        copies: None,
    },
    unicode: STRINGS,
    gil: Gil::ByInterpreter { gil: 384, holder: 8, locked: 16 },
    modules: 944,
    ident: 136,
    audit_hooks: None,
    keys: Keys::Logarithms,
    attributes: Attributes::Tagged,
    cached_keys: 880,
    is_size_tagged: true,
};

/// The layout of CPython 3.`minor`, where it is written down here.
pub(super) fn of(minor: u8) -> Option<Layout> {
    Some(match minor {
        8 => V3_8,
        9 => V3_9,
        10 => V3_10,
        11 => V3_11,
        12 => V3_12,
        _ => return None,
    })
}

//! What one look at the process has seen: plain data that capture fills, unwind and symbols read, commands show.
//!
//! Context: the agent's thread. No behaviour beyond access.

use core::time::Duration;

/// The general registers of x86_64 in DWARF's order (System V ABI, "DWARF Register Number Mapping"): rax, rdx, rcx, rbx,
/// rsi, rdi, rbp, rsp, r8 to r15, and 16 for the return address, which is the instruction pointer.
pub(crate) const REGISTERS: usize = 17;

/// DWARF's number of rbp.
pub(crate) const RBP: u16 = 6;
/// DWARF's number of the stack pointer.
pub(crate) const RSP: u16 = 7;
/// DWARF's number of the instruction pointer.
pub(crate) const RIP: u16 = 16;

/// Register values; `None` was not captured, or is not recoverable in this frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct Registers([Option<u64>; REGISTERS]);

impl Registers {
    /// No register is known.
    pub(crate) const NONE: Registers = Registers([None; REGISTERS]);

    /// Nothing but a program counter and a stack pointer: what the kernel tells of a blocked thread.
    pub(crate) fn of_blocked(pc: u64, sp: u64) -> Self {
        let mut registers = Registers::default();
        registers.set(RIP, Some(pc));
        registers.set(RSP, Some(sp));
        registers
    }

    /// The value of the register with this DWARF number.
    pub(crate) fn get(&self, register: u16) -> Option<u64> {
        self.0.get(usize::from(register)).copied().flatten()
    }

    pub(crate) fn set(&mut self, register: u16, value: Option<u64>) {
        if let Some(slot) = self.0.get_mut(usize::from(register)) {
            *slot = value;
        }
    }

    pub(crate) fn pc(&self) -> Option<u64> {
        self.get(RIP)
    }

    pub(crate) fn sp(&self) -> Option<u64> {
        self.get(RSP)
    }
}

/// The bytes of a stack as they were when the registers were taken.
#[derive(Clone, Debug, Default)]
pub(crate) struct StackCopy {
    /// The address of the first byte: a little below the stack pointer (the red zone).
    pub(crate) start: u64,
    pub(crate) bytes: Vec<u8>,
    /// Past the end of the mapping: how far the stack could reach.
    pub(crate) limit: u64,
}

impl StackCopy {
    /// The word of 8 bytes at `address`, if it was copied.
    pub(crate) fn word(&self, address: u64) -> Option<u64> {
        let offset = usize::try_from(address.checked_sub(self.start)?).ok()?;
        let bytes = self.bytes.get(offset..offset.checked_add(8)?)?;
        bytes.try_into().ok().map(u64::from_le_bytes)
    }

    /// Past the last copied byte.
    pub(crate) fn end(&self) -> u64 {
        self.start.saturating_add(self.bytes.len() as u64)
    }
}

/// A system call that a thread is in, as `/proc/self/task/TID/syscall` shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Syscall {
    pub(crate) number: u64,
    pub(crate) arguments: [u64; 6],
}

/// What a thread does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// On a processor, or ready for one.
    Running,
    /// Off the processor in a system call.
    Blocked(Syscall),
    /// Off the processor, not in a system call that is known: a page fault, or just created.
    Waiting,
    /// Uninterruptible (D), with the call where the kernel tells it.
    Uninterruptible(Option<Syscall>),
    /// Stopped by a signal (T) or by a tracer (t).
    Stopped,
    /// Held in the handler of `oneshot_on` while the client is served.
    Held(Summons),
    /// Ended, but still in the list of threads (Z, X): the main thread after pthread_exit.
    Ended,
    /// The kernel does not say.
    Unknown,
}

/// The signal for which a thread is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Summons {
    pub(crate) signal: i32,
    /// `si_code` of sigaction(2): positive when the kernel has found a fault.
    pub(crate) code: i32,
    /// The address of a fault, else the process id of the sender.
    pub(crate) detail: u64,
}

impl Summons {
    /// Whether the signal ends a process because of what one of its threads has done.
    pub(crate) fn is_fate(self) -> bool {
        is_fate(self.signal)
    }
}

/// Whether `signal` is one that ends a process because of what one of its threads has done.
pub(crate) fn is_fate(signal: i32) -> bool {
    matches!(signal, libc::SIGSEGV | libc::SIGBUS | libc::SIGFPE | libc::SIGILL | libc::SIGABRT | libc::SIGSYS)
}

/// How the registers were taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    /// Read from outside while the thread provably did not run.
    Passive,
    /// By a signal's handler on the thread itself.
    Signal,
}

/// How long a thread has run, waited and how often it was scheduled (`schedstat` in proc_pid_schedstat(5)): two equal
/// ones prove that it did not run between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RunStamp(pub(crate) [u64; 3]);

/// A list in the memory of the process, of which each element points to the next one: what a thread executes of an interpreter's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Chain {
    /// Where the pointer to the first element stands.
    pub(crate) head: u64,
    /// The first pointer leads to a structure that has the pointer to the first element at this offset.
    pub(crate) behind: Option<u64>,
    /// The offset of the pointer to the next element.
    pub(crate) next: u64,
    /// How many bytes of each element are to be copied.
    pub(crate) size: usize,
}

/// The elements of a [`Chain`], one after the other: address and bytes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Links(pub(crate) Vec<(u64, Vec<u8>)>);

/// Registers and stack of a thread at one moment.
#[derive(Clone, Debug)]
pub(crate) struct Capture {
    pub(crate) registers: Registers,
    pub(crate) stack: StackCopy,
    /// The elements of the thread's chain at that moment: of a thread that was running and has one, if it could be copied whole.
    pub(crate) links: Option<Links>,
    pub(crate) method: Method,
    /// The stamp that still holds if the thread has not run since; `None` when it was running.
    pub(crate) stamp: Option<RunStamp>,
}

/// A thread of the process.
#[derive(Clone, Debug)]
pub(crate) struct Thread {
    /// The kernel's id.
    pub(crate) tid: i32,
    /// The name that pthread_setname_np(3) gives.
    pub(crate) name: String,
    pub(crate) state: State,
    /// Whether it is the agent's own.
    pub(crate) own: bool,
    /// What it executes of an interpreter's, if anything.
    pub(crate) chain: Option<Chain>,
    /// The registers and stack, or why there are none.
    pub(crate) capture: Result<Capture, String>,
}

/// One look at all threads.
#[derive(Clone, Debug, Default)]
pub(crate) struct Snapshot {
    /// When it was taken, on the monotonic clock.
    pub(crate) taken: Duration,
    pub(crate) threads: Vec<Thread>,
    /// What could not be seen, beyond single threads.
    pub(crate) problems: Vec<String>,
}

/// How sure we are of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Certainty {
    /// Follows from call frame information and captured registers, or is the only stack that is consistent.
    Certain,
    /// More than one stack is consistent with what was captured.
    Uncertain,
}

/// A physical frame: one activation of a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    /// Where the frame executes; in a caller, the return address.
    pub(crate) pc: u64,
    /// Whether `pc` is a return address: the call is the instruction before it.
    pub(crate) is_return_address: bool,
    /// The canonical frame address (DWARF), where known.
    pub(crate) cfa: Option<u64>,
    /// The registers in this frame, as far as they are known.
    pub(crate) registers: Registers,
    /// Whether a signal handler's return trampoline stands here.
    pub(crate) is_signal_frame: bool,
    pub(crate) certainty: Certainty,
}

impl Frame {
    /// The address to look functions and lines up with: inside the call instruction for a caller.
    pub(crate) fn lookup_address(&self) -> u64 {
        if self.is_return_address { self.pc.wrapping_sub(1) } else { self.pc }
    }
}

/// Where an unwind has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// At the thread's true start.
    ThreadStart,
    /// It needs stack at this address, which was not copied. Between the end of the copy and the limit of its mapping it is
    /// the same stack, which has to be copied deeper; anywhere else it is another one, on which the walk can be resumed.
    NeedsStack(u64),
    /// It could not go on, for this reason.
    Lost(String),
}

/// The frames of a thread, innermost first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unwound {
    pub(crate) frames: Vec<Frame>,
    pub(crate) end: End,
}

/// What an address in code means. One address has several when functions were inlined there, innermost first.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(crate) struct Location {
    /// The demangled function name, where known.
    pub(crate) function: Option<String>,
    /// Bytes from the function's start (from the module's start where no function is known).
    pub(crate) offset: u64,
    /// The path of the object, `[vdso]`, or empty where the address is in none (JIT code).
    pub(crate) object: String,
    pub(crate) file: Option<String>,
    pub(crate) line: Option<u32>,
    /// Whether this function was inlined into the next location of the same address.
    pub(crate) inlined: bool,
}

//! A call that has failed: what to tell of it.
//!
//! Context: the agent's thread, while the worker waits in the handler of its fault.

use core::sync::atomic::{AtomicU32, Ordering::Relaxed};

use manhole_expressions::target::Stop;

use super::Session;
use super::inferior::Inferior;
use crate::call::guard::Fault;
use crate::call::{Call, inside};
use crate::capture::Wanted;
use crate::render::frames::numbered;
use crate::snapshot::State;
use crate::sys::own_image;
use crate::worker::Ticket;

/// Inside of what calls were ended, so that its locks may stay locked; one bit each. A child is forked with them as they are.
static LEFT_LOCKED: AtomicU32 = AtomicU32::new(0);

fn bit(room: inside::Room) -> u32 {
    1 << room as u32
}

impl Session<'_> {
    /// What has become of the call that the line waits for: what it returned, or how it failed.
    pub(crate) fn answer_call(&mut self, call: &mut Call, failure: Option<String>) {
        let result = match failure {
            Some(failure) => Err(Stop::Error(failure)),
            None if call.is_abandoned() => Err(Stop::Error("the call was abandoned".to_owned())),
            None => {
                let mut inferior = Inferior {
                    session: self,
                    interrupted: &|| false,
                    insists: false,
                    calls_nothing: true,
                    on: None,
                    line: "",
                };
                inferior.session.journal.close();
                call.result(&mut inferior)
            }
        };
        self.strings.extend(call.take_object().filter(|_| result.is_ok()));
        self.journal.answer_call(result);
    }

    /// How the call has failed, with its backtrace.
    pub(crate) fn fault_report(&mut self, ticket: &Ticket, fault: Fault) -> String {
        self.begin_line();
        let mut report =
            format!("the call of {} was ended by {}: {}", ticket.name, name(fault.signal), self.cause(fault));
        let look = self.glance_at(ticket.tid());
        let stack = look.stack(ticket.tid());
        let levels = stack.map(|stack| stack.levels.as_slice()).unwrap_or_default();
        // Behind the handler, and before the gate: both are ours.
        let called = levels.iter().skip_while(|level| !level.signal).skip(1);
        let called: Vec<_> = called.take_while(|level| !own_image::contains(level.pc as usize)).collect();
        for (number, level) in called.iter().enumerate() {
            report.push('\n');
            report.push_str(&numbered(number, level));
        }
        let frames = called.iter().filter_map(|level| level.location());
        let frames = frames.map(|at| (at.function.as_deref().unwrap_or_default(), at.object.as_str()));
        if let Some((room, function)) = inside::of_frames(frames) {
            LEFT_LOCKED.fetch_or(bit(room), Relaxed);
            let which = if room == inside::Room::Stdio { ", but for the standard streams," } else { "" };
            report.push_str(&format!(
                "\nIt was inside {}, in {function}: what that has locked{which} stays locked, and threads that need it will wait for ever.",
                room.name()
            ));
        }
        if let Some(thread) = &ticket.visited {
            report.push_str(&format!("\n{thread} goes on where it was."));
        }
        self.end_line();
        report
    }

    /// What a call that does not come back waits for, if it is a lock of the libraries': a fault may have left it locked.
    pub(crate) fn lock_waited_for(&mut self, ticket: &Ticket) -> Option<String> {
        self.begin_line();
        let look = self.glance_at(ticket.tid());
        self.end_line();
        let stack = look.stack(ticket.tid())?;
        if !matches!(stack.thread.state, State::Blocked(call) if call.number == libc::SYS_futex as u64) {
            return None;
        }
        let called = stack.levels.iter().take_while(|level| !own_image::contains(level.pc as usize));
        let frames = called.filter_map(|level| level.location());
        let frames = frames.map(|at| (at.function.as_deref().unwrap_or_default(), at.object.as_str()));
        let (room, function) = inside::of_frames(frames)?;
        let faulted = if LEFT_LOCKED.load(Relaxed) & bit(room) == 0 { "" } else { ", where a call was ended before" };
        Some(format!("it waits for a lock inside {}, in {function}{faulted}", room.name()))
    }

    fn cause(&mut self, fault: Fault) -> String {
        let address = fault.address;
        match fault.signal {
            libc::SIGABRT => "it has called abort".to_owned(),
            libc::SIGFPE if fault.code == 1 => format!("an integer was divided by zero, at {address:#x}"),
            libc::SIGFPE => format!("an arithmetic error at {address:#x}"),
            libc::SIGILL => format!("no instruction at {address:#x}"),
            libc::SIGSYS => "a system call that is forbidden".to_owned(),
            // What is sent has no address in `si_addr`: the sender stands there.
            _ if fault.code <= 0 => "it has sent the signal to itself".to_owned(),
            // The kernel tells no address of a breakpoint; the program counter is behind it.
            libc::SIGTRAP => format!("a breakpoint before {:#x}", fault.registers.pc().unwrap_or(address)),
            libc::SIGSEGV | libc::SIGBUS if fault.registers.sp().is_some_and(|top| is_below_stack(top, address)) => {
                format!("its stack is used up, at {address:#x}")
            }
            // SI_KERNEL: a general protection fault, of which the kernel knows no address.
            libc::SIGSEGV if fault.code == 128 => "an address that is none".to_owned(),
            _ => match self.modules().mapping(address) {
                None => format!("address {address:#x} is not mapped"),
                Some(mapping) if mapping.path.is_empty() => format!("address {address:#x} may not be accessed so"),
                Some(mapping) => {
                    let path = crate::render::quote::short(&mapping.path, 200);
                    format!("address {address:#x} (in {path}) may not be accessed so")
                }
            },
        }
    }

    fn glance_at(&mut self, tid: i32) -> super::stacks::Look {
        self.look_apart(Wanted::One(tid), &|| false)
    }
}

/// Whether an address that could not be accessed is where the stack grows: near its top. All of the stack itself can be accessed.
fn is_below_stack(top: u64, address: u64) -> bool {
    const FRAME: u64 = 64 << 10;
    address.abs_diff(top) < FRAME
}

fn name(signal: i32) -> String {
    crate::render::names::signal(signal)
}

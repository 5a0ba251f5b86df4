//! Calls on a chosen thread of the host's: whether it is where it may make one, and why it is not.
//!
//! Context: the agent's thread, which starts a call and never waits for it.

use manhole_expressions::target::Stop;
use manhole_expressions::value::Value;

use super::Inferior;
use super::calls::{PATIENCE, PAUSE, room};
use super::journal::Entry;
use crate::call::Call;
use crate::call::inside::Room;
use crate::capture::Wanted;
use crate::errand::Place;
use crate::errand::visit::{self, Unfit};
use crate::modules::Modules;
use crate::redirect;
use crate::render::{Stack, arch, names, quote};
use crate::snapshot::Syscall;
use crate::sys::{own_image, process, thread};
use crate::worker::visits::Wish;
use crate::worker::{self, Ticket};

/// How much of its own stack a thread must have left for a call, in bytes.
const ROOM: u64 = 256 << 10;

/// Where in the C library's own business no guest may come, beside the rooms: what is begun there is not finished twice.
const BUSY: [&str; 6] = ["exit", "__run_exit_handlers", "fork", "__libc_fork", "_Fork", "vfork"];

/// A thread that is fit, as far as its stack tells.
struct Host {
    place: Place,
    own_stack: bool,
    /// As people know it.
    name: String,
}

/// Why it is not, and whether another moment may be better.
struct Refusal {
    reason: String,
    may_pass: bool,
}

impl Refusal {
    fn now(reason: impl Into<String>) -> Refusal {
        Refusal { reason: reason.into(), may_pass: true }
    }

    fn never(reason: impl Into<String>) -> Refusal {
        Refusal { reason: reason.into(), may_pass: false }
    }
}

impl Inferior<'_, '_> {
    /// Starts the call on thread `tid`. A refusal is part of the line's journal: another thread's call may come after it.
    pub(super) fn start_on(&mut self, tid: i32, call: Call, name: &str, all_streams: bool) -> Result<Value, Stop> {
        match self.visit(tid, call, name, all_streams) {
            Ok(ticket) => {
                self.session.started = Some(ticket);
                Err(Stop::Suspended)
            }
            Err(stop) => {
                self.session.journal.add(Entry::Called(Err(stop.clone())))?;
                Err(stop)
            }
        }
    }

    fn visit(&mut self, tid: i32, mut call: Call, name: &str, all_streams: bool) -> Result<Ticket, Stop> {
        call.opens_signals = self.insists;
        let (mut call, start) = (Box::new(call), process::monotonic());
        // First of all the thread itself: what it is inside of is its own reason.
        let mut fit = self.host(tid);
        if fit.is_ok() {
            self.look_for_locks(all_streams)?;
            fit = self.host(tid);
        }
        loop {
            let refusal = match fit {
                Err(refusal) => refusal,
                Ok(host) => {
                    let redirected = redirect::concerns_lines();
                    if redirected {
                        redirect::expect_hand();
                    }
                    let (place, own_stack, line) = (host.place, host.own_stack, self.line.to_owned());
                    match visit::ask(Wish { tid, place, own_stack, call, line, redirected }) {
                        Ok(number) => {
                            if !own_stack {
                                let note = format!(
                                    "({} has little stack of its own left: the call had one of ours)",
                                    host.name
                                );
                                self.session.journal.note(note);
                            }
                            return Ok(Ticket::of_visit(number, name, host.name));
                        }
                        Err((back, unfit)) => {
                            call = back;
                            Refusal { reason: told(&unfit), may_pass: unfit.may_pass() }
                        }
                    }
                }
            };
            let is_time = process::monotonic().saturating_sub(start) < PATIENCE;
            if !refusal.may_pass || !is_time || (self.interrupted)() {
                return Err(Stop::Error(format!("{} cannot call {name} now: {}", self.told(tid), refusal.reason)));
            }
            process::sleep(PAUSE);
            fit = self.host(tid);
        }
    }

    /// The thread as people know it.
    fn told(&mut self, tid: i32) -> String {
        let number = self.session.look.as_ref().and_then(|look| look.stack(tid)).map(|stack| stack.number);
        number.map_or_else(|| format!("thread {tid}"), |number| format!("thread {number}"))
    }

    /// Looks at the thread.
    fn host(&mut self, tid: i32) -> Result<Host, Refusal> {
        if tid == process::tid() || tid == thread::hand() || worker::is_one(tid) {
            return Err(Refusal::never("it is one of the manhole's own"));
        }
        if thread::pointer_of(tid).is_none() {
            return Err(Refusal::never(match process::has_thread(tid) {
                true => "the C library does not know it, and its functions would not work there",
                false => "it has ended",
            }));
        }
        let look = self.session.look_apart(Wanted::One(tid), self.interrupted);
        let Some(stack) = look.stack(tid) else { return Err(Refusal::never("it has ended")) };
        if stack.is_held() {
            return Err(Refusal::never("a signal holds it while the client is served"));
        }
        let place =
            stack.frames.first().and_then(|frame| Some(Place { pc: frame.registers.pc()?, sp: frame.registers.sp()? }));
        let Some(place) = place else {
            let reason = stack.problem.clone().unwrap_or_else(|| "its stack is not known".to_owned());
            return Err(Refusal::now(reason));
        };
        if own_image::contains(place.pc as usize) {
            return Err(Refusal::now("it is inside the manhole's own code"));
        }
        match room(stack) {
            Some((Room::Stdio, _)) if self.insists => {}
            Some((room, function)) => {
                let (room_name, function) = (room.name(), quote::short(&function, 60));
                let insists = if room == Room::Stdio { "; call -f insists" } else { "" };
                return Err(Refusal::now(format!("it is inside {room_name}, in {function}{insists}")));
            }
            None => {}
        }
        if let Some(function) = busy(stack) {
            return Err(Refusal::now(format!("it is inside {function}")));
        }
        let own_stack = has_room(self.session.modules(), tid, place.sp);
        Ok(Host { place, own_stack, name: self.told(tid) })
    }
}

fn busy(stack: &Stack) -> Option<&'static str> {
    let frames = stack.levels.iter().filter_map(|level| level.native_location());
    let libc = frames.filter(|at| at.object.rsplit('/').next().is_some_and(|file| file.starts_with("libc")));
    let mut functions = libc.filter_map(|at| at.function.as_deref());
    functions.find_map(|function| BUSY.into_iter().find(|busy| function.trim_start_matches("__GI_") == *busy))
}

/// Whether the stack that `sp` is on is the thread's own, as the C library or the kernel has made it, and has room below: the stacks of
/// coroutines and of handlers have no end that could be known.
fn has_room(modules: &Modules, tid: i32, sp: u64) -> bool {
    let Some(at) = modules.mappings.iter().position(|mapping| mapping.contains(sp)) else { return false };
    let Some(mapping) = modules.mappings.get(at).filter(|mapping| mapping.writable && !mapping.shared) else {
        return false;
    };
    let below = at.checked_sub(1).and_then(|below| modules.mappings.get(below));
    if mapping.path == "[stack]" {
        // It grows: up to a megabyte below it stays free (kernel.stack_guard_gap).
        let floor = below.map_or(0, |below| below.end).saturating_add(1 << 20);
        return tid == process::pid() && sp.saturating_sub(floor) >= ROOM;
    }
    let has_guard = below.is_some_and(|below| below.end == mapping.start && !below.readable && !below.writable);
    let has_control_block = thread::pointer_of(tid).is_some_and(|pointer| mapping.contains(pointer));
    has_guard && has_control_block && sp.saturating_sub(mapping.start) >= ROOM
}

/// The reason in words.
fn told(unfit: &Unfit) -> String {
    match unfit {
        Unfit::Gone => "it has ended".to_owned(),
        Unfit::Runs => {
            "it runs, and only a thread that waits in a system call can be interrupted without harm".to_owned()
        }
        Unfit::InCall(call) => format!("it is in {}, which a signal could cut short", system_call(call)),
        Unfit::InKernel(function) => {
            format!("it waits in the kernel, in {}, which a signal could cut short", quote::short(function, 40))
        }
        Unfit::Blocks(signal) => {
            format!("it blocks {}, or its system calls are filtered otherwise than ours", names::signal(*signal))
        }
        Unfit::NoSignal(reason) => reason.clone(),
        Unfit::Moves => "it moves, and is never seen at rest".to_owned(),
        Unfit::Silent => "it does not react".to_owned(),
        Unfit::Visited => "it makes another call, which has not returned; jobs lists it".to_owned(),
        Unfit::TooMany => {
            "too many such calls run already, or there is no memory for its stack; jobs lists them".to_owned()
        }
    }
}

fn system_call(call: &Syscall) -> String {
    match arch::system_call(call.number) {
        Some(name) => name.to_owned(),
        None => format!("system call {}", call.number),
    }
}

//! Calls of the host's functions: what may be called now, and by whom.
//!
//! Context: the agent's thread, which starts a call and never waits for it.

use core::time::Duration;
use std::rc::Rc;

use manhole_expressions::Target;
use manhole_expressions::target::Stop;
use manhole_expressions::types::{Function, Type, TypeId};
use manhole_expressions::value::{Content, Value};

use super::Inferior;
use super::journal::{self, Entry};
use crate::call::inside::{self, Room};
use crate::call::{Call, fatal, stop};
use crate::capture::Wanted;
use crate::command::session::Session;
use crate::command::stacks::Look;
use crate::errand::{self, At, NoWorker, Place};
use crate::interrupted::is_at_system_call;
use crate::modules::Module;
use crate::render::{Level, Stack, quote};
use crate::snapshot::{Registers, RunStamp};
use crate::symbols::{exported, first_exported};
use crate::sys::{next, process};
use crate::worker::{self, Refusal, Task, Ticket};
use crate::{held, python, redirect, state};

/// How often threads are looked at until it is said that one is stuck.
const LOOKS: usize = 3;

/// Where a thread is and what it has done: the same at two looks where it has not moved. One that is busy comes by the same
/// instruction time and again, but with other values in its registers.
#[derive(Clone, Copy, PartialEq)]
struct Rest {
    tid: i32,
    registers: Registers,
    stamp: Option<RunStamp>,
}

impl Rest {
    fn of(stack: &Stack) -> Rest {
        Rest {
            tid: stack.thread.tid,
            registers: stack.frames.first().map_or(Registers::NONE, |frame| frame.registers),
            stamp: stack.thread.capture.as_ref().ok().and_then(|capture| capture.stamp),
        }
    }
}

impl Inferior<'_, '_> {
    pub(super) fn call_function(&mut self, function: u64, type_id: TypeId, arguments: &[Value]) -> Result<Value, Stop> {
        let function = if self.session.is_indirect(function) { self.resolved(function)? } else { function };
        self.call_directly(function, type_id, arguments)
    }

    /// The function that an indirect one stands for (`STT_GNU_IFUNC`): its symbol is a function that gives the address.
    pub(super) fn resolved(&mut self, resolver: u64) -> Result<u64, Stop> {
        let void = self.intern(Type::Void);
        let pointer = self.intern(Type::Pointer(void));
        let function = Function {
            returns: pointer,
            parameters: Vec::new(),
            is_variadic: false,
            is_prototyped: true,
            is_of_rust: false,
        };
        let type_id = self.intern(Type::Function(function));
        let value = self.call_directly(resolver, type_id, &[])?;
        match value.content {
            Content::Bytes(bytes) => Ok(manhole_expressions::access::integer(&bytes, false) as u64),
            _ => Err(Stop::Error("what the function stands for is not known".to_owned())),
        }
    }

    fn call_directly(&mut self, function: u64, type_id: TypeId, arguments: &[Value]) -> Result<Value, Stop> {
        // What making it ready asks is asked each time, so that the journal stays in step.
        let call = Call::new(self.session.in_place_of(function), type_id, arguments, self)?;
        self.check_room(call.object_size())?;
        match self.session.journal.next() {
            Some(Entry::Called(result)) => return result.clone(),
            Some(_) => return Err(journal::astray()),
            None => {}
        }
        if self.calls_nothing {
            return Err(Stop::Error("nothing is called for what is shown again and again".to_owned()));
        }
        let name = self.session.name_at(function).map(|name| name.text).unwrap_or_else(|| format!("{function:#x}"));
        let executable = self.session.modules().mapping(function).is_some_and(|mapping| mapping.executable);
        if !executable {
            return Err(Stop::Error(format!("there is no code at {function:#x}")));
        }
        if !self.insists
            && let Some(reason) = fatal::reason(&name, arguments, process::pid())
        {
            return Err(Stop::Error(format!("{reason}; call -f insists")));
        }
        if !self.insists
            && let Some(change) = self.changed(function)
        {
            return Err(Stop::Error(format!("{name} is not called as it is declared: {change}; call -f insists")));
        }
        let all_streams = wants_all_streams(&name, arguments);
        if let Some(tid) = self.on {
            return self.start_on(tid, call, &name, all_streams);
        }
        let (look, stuck) = self.look_for_locks(all_streams)?;
        self.start(call, &name, &look, stuck.as_deref())
    }

    /// Looks whether a thread is where it may hold a lock that the call needs. What moves is only told. `all_streams`: it needs those
    /// of all streams, and the list of them until it has them all. With who is stuck where a thread would be too that creates threads.
    pub(super) fn look_for_locks(&mut self, all_streams: bool) -> Result<(Rc<Look>, Option<String>), Stop> {
        let mut before: Vec<Rest> = Vec::new();
        let mut looks = 0;
        loop {
            let look = Rc::new(self.session.look_apart(Wanted::Except(worker::is_one), self.interrupted));
            looks += 1;
            let inside = look
                .stacks
                .iter()
                .filter(|stack| !stack.thread.own && !worker::is_one(stack.thread.tid))
                .filter_map(|stack| room(stack).map(|(room, function)| (stack, room, function)));
            // Whoever waits for input has the lock of that stream alone.
            let (harmless, inside): (Vec<_>, Vec<_>) =
                inside.partition(|(stack, room, _)| *room == Room::Stdio && !all_streams && waits_for_input(stack));
            let places: Vec<_> = inside.iter().map(|(stack, ..)| Rest::of(stack)).collect();
            let stuck = inside.iter().zip(&places).find(|(_, place)| before.contains(place)).map(|(thread, _)| thread);
            let Some((stack, room, function)) = stuck.or(inside.first()).or(harmless.first()) else {
                return Ok((look, None));
            };
            let who = format!(
                "thread {} (\"{}\") is inside {}, in {}",
                stack.number,
                quote::short(&stack.thread.name, 40),
                room.name(),
                quote::short(function, 60)
            );
            if stuck.is_none() && looks < LOOKS && !inside.is_empty() {
                before = places;
                process::sleep(core::time::Duration::from_millis(20));
                continue;
            }
            if stuck.is_some() && !self.insists {
                return Err(Stop::Error(format!(
                    "{who}, and does not move: the call could hang for ever; call -f insists"
                )));
            }
            let bars = stuck.is_some_and(|(_, room, _)| *room != Room::Stdio);
            let note = format!("({who})");
            self.session.journal.note(note);
            return Ok((look, bars.then_some(who)));
        }
    }

    fn start(&mut self, mut call: Call, name: &str, look: &Look, stuck: Option<&str>) -> Result<Value, Stop> {
        call.opens_signals = self.insists;
        let task = Task::Call(Box::new(call));
        let is_redirected = redirect::concerns_lines();
        let started =
            self.session.start_job(task, name, self.line, Some((look, stuck)), is_redirected, self.interrupted);
        self.session.started = Some(started.map_err(Stop::Error)?);
        Err(Stop::Suspended)
    }
}

impl Session<'_> {
    /// The function that the host's own calls of the one at `address` go to: ours, where ours has taken its place.
    fn in_place_of(&mut self, address: u64) -> u64 {
        let Some(name) = next::name_of(address as usize).and_then(|name| name.to_str().ok()) else { return address };
        let (_, world) = self.parts();
        let first = first_exported(&world.memory, &world.modules.modules, name);
        // One that would have to be called for its address is none of ours.
        first.filter(|first| !self.is_indirect(*first)).unwrap_or(address)
    }

    /// Gives a worker something to do; a host thread creates one if none is free. With a look at the threads, and who is stuck in it; and whether
    /// the job waits until its output is redirected. No thread is looked for once that is `interrupted` or in vain.
    pub(crate) fn start_job(
        &mut self,
        task: Task,
        name: &str,
        line: &str,
        seen: Option<(&Look, Option<&str>)>,
        is_redirected: bool,
        interrupted: &dyn Fn() -> bool,
    ) -> Result<Ticket, String> {
        if is_redirected {
            redirect::expect_hand();
        }
        let is_python = matches!(task, Task::Script(_));
        let (mut task, start) = (task, process::monotonic());
        let (mut seen, mut own) = (seen, None);
        let mut is_last = false;
        // In exit(3) a thread makes no other one, and may wait there until this thread is done with its client.
        let is_in_vain = || match () {
            () if state::is_exiting() => Some("the process is exiting"),
            () if is_python && python::has_ended() => Some("the interpreter has ended"),
            () if interrupted() => Some("interrupted"),
            () => None,
        };
        loop {
            match worker::start(task, name, line, is_redirected) {
                Ok(ticket) => return Ok(ticket),
                Err(Refusal::Ending) => return Err("the manhole is being taken out".to_owned()),
                // The thread has ended already, or has got something else to do.
                Err(Refusal::NoWorker(_)) if is_last => {
                    return Err(format!("{name} cannot be called now: the thread for it has not begun"));
                }
                Err(Refusal::NoWorker(back)) => task = back,
            }
            if let Some(reason) = is_in_vain() {
                return Err(format!("{name} cannot be called now: {reason}"));
            }
            let (look, stuck) = match seen.take() {
                Some((look, stuck)) => (look, stuck),
                // The dump may have just been taken.
                None => match self.last_look().filter(|look| is_recent(look) && own.is_none()) {
                    Some(look) => (&**own.insert(look), None),
                    None => {
                        let look = self.look_apart(Wanted::Except(worker::is_one), &|| false);
                        (&**own.insert(Rc::new(look)), None)
                    }
                },
            };
            // The C library allocates for a new thread: whoever creates it would wait for ever, and is the host's.
            let is_critical = |stack: &Rc<Stack>| room(stack).is_some_and(|(room, _)| room != Room::Stdio);
            // One that is held does not come out of what the C library needs for a thread.
            let is_in_the_way = |stack: &Rc<Stack>| is_critical(stack) || stack.is_held() && holds_threads(stack);
            let busy = stuck.is_none() && look.stacks.iter().any(is_in_the_way);
            let is_held_in_the_way = look.stacks.iter().any(|stack| stack.is_held() && is_in_the_way(stack));
            let fetched = match stuck.or(busy.then_some("a thread is inside the allocator or the loader")) {
                Some(stuck) => Err(NoWorker::Now(format!("there is no thread for it yet, and {stuck}"))),
                None => errand::fetch_worker(&mut |tid, at| match is_in_vain() {
                    Some(_) => None,
                    None => self.place_for_worker(tid, at),
                }),
            };
            let is_time = process::monotonic().saturating_sub(start) < PATIENCE;
            match fetched {
                // However late it has come, it is there.
                Ok(()) => is_last = !is_time,
                Err(NoWorker::Now(reason)) if stuck.is_some() || !is_time => {
                    return Err(format!("{name} cannot be called now: {reason}"));
                }
                Err(NoWorker::TooMany) => {
                    let jobs = format!("too many jobs run already; {}jobs lists them", self.sign);
                    return Err(format!("{name} cannot be called now: {jobs}"));
                }
                Err(NoWorker::Never(reason)) => return Err(format!("{name} cannot be called now: {reason}")),
                // A thread that runs comes to rest, and one that is held where it has something that a line of Python needs goes on.
                Err(NoWorker::Now(_)) => {
                    if is_python && let Some(held) = held::current() {
                        let has_run = held.registers.pc().is_none_or(|pc| !is_at_system_call(pc));
                        if is_held_in_the_way || has_run || self.keeps_the_lock(held.tid, false) {
                            stop::let_go();
                        }
                    }
                    process::sleep(PAUSE);
                }
            }
        }
    }
}

impl Session<'_> {
    /// Where thread `tid` is, if it may create a thread there: none that holds what that needs has called what it executes; and if it was running, that is
    /// no code of the C library's but a system call for somebody else.
    fn place_for_worker(&mut self, tid: i32, at: At) -> Option<Place> {
        let look = self.look_apart(Wanted::One(tid), &|| false);
        let stack = look.stack(tid).filter(|stack| is_known(stack))?;
        let registers = &stack.frames.first()?.registers;
        let place = Place { pc: registers.pc()?, sp: registers.sp()? };
        let rests = at == At::Rest || at == At::Held && is_at_system_call(place.pc);
        // Where an allocator of the program's own begins and ends is not known: whoever runs may be inside it.
        if !rests && self.has_own_allocator() {
            return None;
        }
        if holds_threads(stack) {
            return None;
        }
        let is_elsewhere = |level: &Level| level.native_location().is_none_or(|at| !inside::is_library(&at.object));
        let mut levels = stack.levels.iter().skip_while(|level| level.native_location().is_none());
        let is_out = rests
            || levels.next().is_some_and(is_elsewhere)
            || is_at_system_call(place.pc) && levels.next().is_some_and(is_elsewhere);
        (is_out && room(stack).is_none_or(|(room, _)| room == Room::Stdio)).then_some(place)
    }
}

impl Session<'_> {
    /// Whether somebody else than the C library gives memory.
    fn has_own_allocator(&mut self) -> bool {
        let (_, world) = self.parts();
        let gives = |module: &Module| exported(&world.memory, module, "malloc").is_some();
        world.modules.modules.iter().any(|module| !inside::is_library(&module.path) && gives(module))
    }
}

/// How old a look at the threads may be that still says whether one holds what a new thread needs.
const RECENT: Duration = Duration::from_secs(1);

fn is_recent(look: &Look) -> bool {
    process::monotonic().saturating_sub(look.taken) < RECENT
}

/// How long a thread that may create a worker is looked for, and how long the threads have between two looks.
pub(super) const PATIENCE: Duration = Duration::from_secs(1);
pub(super) const PAUSE: Duration = Duration::from_millis(5);

/// Whether all is known of what the thread is in. Of a stack that cannot be followed to its end, such as a green thread's, it is that if there is a loop of
/// Python's: neither the allocator nor the loader calls Python.
fn is_known(stack: &Stack) -> bool {
    let is_of_loop = |level: &Level| level.is_python() && level.frame + 1 < stack.frames.len();
    stack.problem.is_none() || stack.levels.iter().any(is_of_loop)
}

/// Whether the call flushes all streams (`fflush(NULL)`): it would wait for the one that a thread reads from, and hold the list of
/// streams meanwhile, so that nobody could open or close one.
fn wants_all_streams(name: &str, arguments: &[Value]) -> bool {
    let bare = name.split('@').next().unwrap_or(name).trim_start_matches('_');
    let bare = bare.strip_prefix("GI_").unwrap_or(bare).trim_start_matches('_');
    let bare = bare.strip_prefix("IO_").unwrap_or(bare);
    let is_null =
        |value: &Value| matches!(&value.content, Content::Bytes(bytes) if bytes.iter().all(|byte| *byte == 0));
    match bare {
        "fflush" | "fflush_unlocked" => arguments.first().is_none_or(is_null),
        "flush_all" | "flushall" | "fcloseall" => true,
        _ => false,
    }
}

/// Whether the thread may hold what the C library needs for another one.
fn holds_threads(stack: &Stack) -> bool {
    inside::holds_threads(stack.levels.iter().filter_map(|level| level.native_location()?.function.as_deref()))
}

/// Where in the libraries' critical parts the thread is, and in which function.
pub(super) fn room(stack: &Stack) -> Option<(Room, String)> {
    let frames = stack.levels.iter().filter_map(|level| level.native_location());
    let found = inside::of_frames(frames.map(|at| (at.function.as_deref().unwrap_or_default(), at.object.as_str())));
    found.map(|(room, function)| (room, function.to_owned()))
}

fn waits_for_input(stack: &Stack) -> bool {
    matches!(stack.thread.state, crate::snapshot::State::Blocked(call) if call.number == libc::SYS_read as u64)
}

//! The event loop over the listener and its clients.
//!
//! Context: the agent's thread: no thread-local storage and nothing that takes a lock of the host. One client at a time has the prompt; the others wait in a queue and have seen the dump. While nothing
//! happens, nothing wakes up.

use core::time::Duration;
use std::collections::VecDeque;

use crate::client::Client;
use crate::listener::{Failure, Listener};
use crate::prompt::Prompt;
use crate::session::{self, Next};
use crate::state::Call;
use crate::symbols::Store;
use crate::sys::bell::Bell;
use crate::sys::fd::Fd;
use crate::sys::lock::Lock;
use crate::sys::signal::{self, Set};
use crate::sys::socket::{self, Peer, Waited};
use crate::sys::{Errno, host_fd, proc_root, process, thread};
use crate::{access, arena, credentials, descendants, dormant, dump, held, late, log, redirect, state};

/// Clients that may wait for their turn; more are turned away with a word.
const QUEUE: usize = 16;

/// How long a client may leave its answer unread while others wait.
const STALL: Duration = Duration::from_secs(60);

/// Between two tries of something that does not work: the shortest time, the first as a rule, and the longest.
const SOON: Duration = Duration::from_millis(20);
const FIRST: Duration = Duration::from_secs(1);
const LONGEST_REST: Duration = Duration::from_secs(300);

/// When the thread looks again at a host that blocks the signal which wakes the manhole: hosts do so for moments.
const BLOCKED: [Duration; 2] = [Duration::from_millis(50), Duration::from_millis(1050)];

/// How often it is looked, as long as a client is there, whether the host has threads still: one that ends by the bare instruction tells nobody.
const COMPANY: Duration = Duration::from_secs(1);

/// How long the thread stays after its last client when nothing else needs it: each time that it has to be called, a wait of the host may start over.
const LINGER: Duration = Duration::from_secs(4);

/// A wait without a client for so long, or for ever, costs no memory.
const LONG: Duration = Duration::from_secs(1);

/// What the last session has left for the next one.
static REMEMBERED: Lock<Vec<u8>> = Lock::new(Vec::new());

/// In a freshly forked child: the parent's answers are in an arena that is not used any more.
pub(crate) fn forget() {
    REMEMBERED.forget(Vec::new());
}

/// The agent's thread at work.
pub(crate) struct Server {
    listener: Option<Listener>,
    /// Readable when somebody has poked this thread.
    bell: Option<Bell>,
    /// Until when the end of the host's last thread is looked for, on the monotonic clock.
    ending: Option<Duration>,
    /// Whether it listens for good. Otherwise it goes when the last client has left, and the kernel's signal calls it again.
    stays: bool,
    /// Whether it has been asked to end for a moment, or for good.
    leaves: bool,
    /// Whether for good: then nobody calls it back.
    is_dismissed: bool,
    /// The wait for the client of `oneshot_on`.
    shot: Option<Shot>,
    queue: VecDeque<Waiting>,
    /// How long to wait before the next try to bind.
    retry: Duration,
    /// What the last try to bind has said: the same words are logged once.
    complaint: String,
    /// How long the listener is left alone because no connection could be taken, for want of descriptors; zero when it is not.
    rest: Duration,
    /// Whether the last client could not be accepted, which the log says already.
    is_deaf: bool,
    /// When the last client has left, on the monotonic clock.
    last_client: Option<Duration>,
    /// Since when the host has been found to block the signal that wakes the manhole, on the monotonic clock.
    blocked: Option<Duration>,
    /// When a job of the session is to be looked at, if nothing happens before.
    job: Option<Duration>,
}

/// The one client of `oneshot_on`.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Shot {
    /// When the wait ends, on the monotonic clock; `None` for never.
    until: Option<Duration>,
    /// Whether the client is there.
    is_taken: bool,
    /// Whether the socket was made for this client alone.
    is_alone: bool,
}

/// The code with which the host's last thread has ended, as far as it is known.
fn last_exit_code() -> i32 {
    state::last_exit_code().unwrap_or_else(host_fd::exit_code_of_leader)
}

/// A client and whether it has seen the dump already.
struct Waiting {
    client: Client,
    greeted: bool,
}

impl Server {
    /// With the listener that the process has already, if any.
    pub(crate) fn new(listener: Option<Listener>) -> Server {
        Server {
            listener,
            bell: Bell::new(Set::of(&[state::bell()])).ok(),
            ending: None,
            stays: false,
            leaves: false,
            is_dismissed: false,
            shot: None,
            queue: VecDeque::new(),
            retry: FIRST,
            complaint: String::new(),
            rest: Duration::ZERO,
            is_deaf: false,
            last_client: None,
            blocked: None,
            job: None,
        }
    }

    /// Serves until nothing needs this thread.
    pub(crate) fn serve(&mut self) {
        loop {
            self.answer_calls();
            // Who has called may have left by now, and who has come may not have been seen.
            self.wait(None, true);
            while !self.leaves
                && let Some(client) = self.queue.pop_front()
            {
                self.session(client);
                descendants::clean_up(false);
                self.last_client = Some(process::monotonic());
                self.blocked = None;
                self.end_shot("");
                while state::is_exiting() {
                    self.exit();
                }
                if self.listener.is_some() && !self.leaves {
                    self.say_waiting();
                }
            }
            if !self.is_needed() {
                return;
            }
            self.wait(None, false);
        }
    }

    /// Whether there is something to wait for.
    fn is_needed(&self) -> bool {
        let has_work = self.stays || self.shot.is_some() || redirect::has_late_writers();
        !self.leaves && (has_work || self.lingers_for().is_some() || self.must_stay_awake())
    }

    /// How long it waits for another client still.
    fn lingers_for(&self) -> Option<Duration> {
        let until = self.last_client.filter(|_| self.listener.is_some())?.saturating_add(LINGER);
        until.checked_sub(process::monotonic())
    }

    /// Whether the host could not be woken if this thread left: it blocks the signal.
    fn must_stay_awake(&self) -> bool {
        (self.listener.is_some() || dormant::is_pending()) && !dormant::is_heard()
    }

    /// Prepares the end of this thread; false when it is needed after all.
    pub(crate) fn may_leave(&mut self) -> bool {
        if self.leaves {
            self.close();
            return true;
        }
        let Some(listener) = &self.listener else { return true };
        if !dormant::resume(listener.fd()) {
            log::event(format_args!("The host has taken what wakes the manhole: it listens in a thread."));
            self.stay();
            return false;
        }
        // Whoever came before the kernel was told to call again.
        let is_free = socket::has_connection(listener.fd().number()) == Ok(false);
        if !is_free {
            dormant::suspend(listener.fd());
        }
        is_free
    }

    /// Leaves nothing behind.
    fn close(&mut self) {
        crate::listener::unlink_own();
        self.listener = None;
        for mut waiting in core::mem::take(&mut self.queue) {
            session::dismiss(&mut waiting.client);
        }
        *REMEMBERED.lock() = Vec::new();
        held::release();
    }

    /// What is left when this thread ends; the rest is given back.
    pub(crate) fn into_listener(self) -> Option<Listener> {
        self.listener
    }

    fn stay(&mut self) {
        self.stays = true;
        dormant::retire();
    }

    /// Does what others have asked for since the last time.
    fn answer_calls(&mut self) {
        let calls = state::take_calls();
        if calls.has(Call::Oneshot) && self.shot.is_none() {
            let until = state::settings().oneshot_timeout.map(|limit| process::monotonic().saturating_add(limit));
            self.shot = Some(Shot { until, is_taken: false, is_alone: self.listener.is_none() });
        }
        let is_idle = !state::has_session() && self.queue.is_empty() && self.shot.is_none();
        self.is_dismissed |= calls.has(Call::Close);
        self.leaves |= self.is_dismissed || calls.has(Call::StandAside) && is_idle;
        // Who has asked it to stand aside may not want to wait any longer for that.
        if calls.has(Call::Listen) && state::is_on() && !self.is_dismissed {
            self.leaves = false;
            if !self.stays {
                self.stay();
            }
        }
        if calls.has(Call::Ending) {
            self.ending = Some(process::monotonic().saturating_add(Duration::from_secs(1)));
        }
        if calls.has(Call::KeepProc) {
            // The socket of a thread that has just begun belongs where the process was started.
            self.open();
            proc_root::keep();
        }
        if calls.has(Call::LookForProc) {
            proc_root::look();
            proc_root::tell(proc_root::LOOKED);
        }
        if calls.has(Call::Dump) {
            dump::answer();
        }
        if calls.has(Call::LogDump) {
            log::write(Prompt::new(&Store::default()).greeting().as_bytes());
        }
        self.open();
    }

    /// Makes the socket if one is wanted and its time has come.
    fn open(&mut self) {
        let waits = self.shot.is_some_and(|shot| !shot.is_taken);
        let is_wanted = (self.stays || waits) && !self.leaves && state::is_on();
        if is_wanted && self.listener.is_none() && state::time_to_opening().is_zero() {
            self.bind();
            if self.listener.is_some() {
                self.say_waiting();
            } else if self.shot.is_some() {
                let complaint = core::mem::take(&mut self.complaint);
                self.end_shot(&complaint);
            } else {
                late::say();
            }
        }
    }

    /// The last client of an ending process has left: the process ends by itself, or, when no thread of it is left, with this one.
    fn exit(&self) {
        if !host_fd::has_living_thread() {
            crate::listener::unlink_own();
            let _ = redirect::end();
            thread::end(last_exit_code());
        }
        process::sleep(STALL);
    }

    fn say_waiting(&self) {
        log::event(format_args!("Waiting for new connection (in pid:{}) ...", process::pid()));
    }

    /// The client of `oneshot_on` has left, or will not come for this `reason`: the held thread goes on.
    fn end_shot(&mut self, reason: &str) {
        let Some(shot) = self.shot.take() else { return };
        if !reason.is_empty() {
            log::problem(format_args!("Oneshot failure: {reason}"));
        }
        if shot.is_alone && !self.stays {
            crate::listener::unlink_own();
            self.listener = None;
        }
        held::release();
    }

    /// Makes the socket; a failure is logged, and tried again later.
    fn bind(&mut self) {
        match Listener::bind(state::settings()) {
            Ok(listener) => {
                late::arrived();
                self.listener = Some(listener);
                self.retry = FIRST;
                self.complaint.clear();
            }
            Err(failure) => {
                self.listener = None;
                let complaint = failure.to_string();
                // At first: a thread of the host closes the one that it has in its table.
                let is_own = failure == Failure::InUse && dormant::descriptor() >= 0 && self.retry == FIRST;
                self.retry = if is_own { SOON } else { (self.retry * 2).min(LONGEST_REST) };
                if is_own {
                    return;
                }
                if complaint != self.complaint && failure != Failure::Exiting {
                    let path = crate::listener::shown_path();
                    log::problem(format_args!("Cannot listen at {path}: {complaint}. Will try again."));
                }
                self.complaint = complaint;
            }
        }
    }

    /// Gives one client the prompt until it leaves.
    fn session(&mut self, waiting: Waiting) {
        let Waiting { mut client, greeted } = waiting;
        state::session_begins();
        let store = Store::default();
        let mut prompt = Prompt::new(&store);
        prompt.recall(&REMEMBERED.lock());
        if greeted {
            session::take_turn(&mut client, &mut prompt);
        } else {
            session::greet(&mut client, &mut prompt);
        }
        session::redirect_output(&mut client);
        let mut told = false;
        loop {
            let next = session::advance(&mut client, &mut prompt);
            if next == Next::Leave {
                break;
            }
            if self.leaves {
                session::dismiss(&mut client);
                break;
            }
            if state::waits_for_client() && !told {
                told = true;
                let text = "The process is exiting; it waits until you leave (exit() or end of input).\n";
                session::tell(&mut client, text, prompt.mark());
            }
            if client.stalled_for() >= STALL && (!self.queue.is_empty() || state::is_exiting()) {
                log::problem(format_args!("The client does not read its answer and is waited for: closing."));
                break;
            }
            self.job = prompt.time_for_job();
            redirect::feed(&mut client);
            self.wait(Some(&mut client), next == Next::GoOn);
        }
        prompt.close_console();
        session::give_output_back(&mut client);
        self.let_go(client, &prompt);
        *REMEMBERED.lock() = prompt.remember();
        state::session_ends();
        session::cleaned_up();
    }

    /// Sends what is left, for as long as the client reads, and lets it see the end when nothing of its session is left.
    fn let_go(&mut self, mut client: Client, prompt: &Prompt<'_>) {
        if self.shot.is_some() {
            held::client_leaves();
        }
        session::done(&client);
        while !self.leaves && !client.is_gone() {
            self.job = prompt.time_to_close();
            if self.job.is_none() && (!client.has_output() || client.stalled_for() >= STALL) {
                break;
            }
            self.wait(Some(&mut client), false);
        }
        self.job = None;
        client.finish();
    }

    /// Waits until something happens, and deals with it: a client to accept, bytes to move, a poke. `only_look`: does not wait.
    fn wait(&mut self, mut active: Option<&mut Client>, only_look: bool) {
        if active.is_none() && !only_look {
            // Before the list below takes its place there.
            arena::trim();
            thread::AGENT.trim();
        }
        let none = Waited { fd: -1, events: 0, revents: 0 };
        let readable = |fd: &Fd| Waited { fd: fd.number(), events: libc::POLLIN, revents: 0 };
        let mut waited = vec![
            self.listener.as_ref().filter(|_| self.rest.is_zero()).map_or(none, |listener| readable(listener.fd())),
            self.bell.as_ref().map_or(none, |bell| readable(bell.fd())),
            active.as_ref().map_or(none, |client| client.waited()),
        ];
        waited.extend(self.queue.iter().map(|waiting| waiting.client.waited()));
        redirect::wait_for(&mut waited);
        let stalled = active.as_ref().is_some_and(|client| client.has_output());
        let timeout = if only_look { Some(Duration::ZERO) } else { self.patience(active.is_some(), stalled) };
        let is_long =
            active.is_none() && !redirect::has_late_writers() && timeout.is_none_or(|timeout| timeout >= LONG);
        let polled =
            if is_long { socket::poll_for_long(&mut waited, timeout) } else { socket::poll(&mut waited, timeout) };
        let nothing_came = match polled {
            Ok(count) => count == 0 && !only_look,
            Err(Errno(libc::EINTR)) => return,
            // More descriptors than the limit allows, which the host has lowered: not a reason to spin. EFAULT: one that unmaps all memory that it does not know has had its will.
            Err(error) => {
                let say = if error == Errno(libc::EFAULT) { log::event } else { log::problem };
                say(format_args!("cannot wait for clients, and tries again later ({error})"));
                self.retry = (self.retry * 2).min(LONGEST_REST);
                return process::sleep(self.retry);
            }
        };
        let rested = !core::mem::take(&mut self.rest).is_zero();
        let mut events = waited.iter().map(|waited| waited.revents);
        let (listener, bell) = (events.next().unwrap_or(0), events.next().unwrap_or(0));
        let holder = active.as_ref().map(|client| client.peer());
        if let (Some(client), Some(events)) = (active.as_mut(), events.next()) {
            client.ready(events);
        } else {
            events.next();
        }
        for (waiting, events) in self.queue.iter_mut().zip(events) {
            waiting.client.ready(events);
            if waiting.greeted {
                session::answer_while_waiting(&mut waiting.client);
            }
        }
        self.queue.retain(|waiting| !waiting.client.is_gone());
        if bell != 0 {
            self.answer_bell();
        }
        // After the bell: what is asked for from now on rings it again.
        redirect::pump();
        redirect::take_last_words(active.as_deref_mut());
        credentials::follow();
        if self.ending.is_some() || (nothing_came && active.is_some()) {
            self.look_for_the_end(active.is_some());
        }
        if self.shot.is_some_and(|shot| shot.until.is_some_and(|until| until <= process::monotonic()))
            && holder.is_none()
        {
            self.end_shot("no client has come in time.");
        }
        if listener & !libc::POLLIN != 0 {
            self.listener = None;
        }
        if self.listener.is_none() {
            self.open();
        } else if listener != 0 || rested {
            self.accept(holder);
        }
    }

    /// How long nothing may happen before something is to be done. While nothing is to be done, nothing wakes up.
    fn patience(&mut self, has_client: bool, stalled: bool) -> Option<Duration> {
        let opening = state::time_to_opening();
        let shot = self.shot.filter(|_| !has_client).and_then(|shot| shot.until);
        let shot = shot.map(|until| until.saturating_sub(process::monotonic()));
        let other = match &self.listener {
            None if self.stays && !opening.is_zero() => Some(opening),
            None if self.stays => Some(late::left().map_or(self.retry, |left| left.min(self.retry))),
            None if dormant::is_pending() && !has_client => self.patience_with_host(),
            None => None,
            Some(_) if !self.rest.is_zero() => Some(self.rest),
            Some(_) if stalled => Some(STALL),
            Some(_) if !self.stays && self.shot.is_none() && !has_client => {
                self.lingers_for().or_else(|| self.patience_with_host())
            }
            Some(_) => None,
        };
        let ending = self.ending.map(|_| Duration::from_millis(1)).or(has_client.then_some(COMPANY));
        [shot, ending, other, self.job].into_iter().flatten().min()
    }

    /// The host blocks the signal that wakes the manhole: for how long that is looked at.
    fn patience_with_host(&mut self) -> Option<Duration> {
        // By the time, not by the looks: clients that come meanwhile make it look as well.
        let now = process::monotonic();
        let waited = now.saturating_sub(*self.blocked.get_or_insert(now));
        let patience = BLOCKED.into_iter().find(|&limit| limit > waited).map(|limit| limit.saturating_sub(waited));
        if patience.is_none() {
            log::event(format_args!("The host blocks SIGURG and SIGWINCH: the manhole listens in a thread."));
            self.stay();
        }
        Some(patience.unwrap_or_default())
    }

    /// A thread of the host is about to end: when it was the last one, the process ends with it, as it would without us.
    fn look_for_the_end(&mut self, has_client: bool) {
        if host_fd::has_living_thread() {
            // Not yet, or not the last: for a moment it is looked at again.
            self.ending = self.ending.filter(|until| *until > process::monotonic());
            return;
        }
        self.ending = None;
        if has_client && !state::settings().daemon_connection {
            state::exit_begins();
            state::client_is_waited_for();
            return;
        }
        crate::listener::unlink_own();
        let _ = redirect::end();
        thread::end(last_exit_code())
    }

    /// Somebody has poked us: look at everything that may have changed.
    fn answer_bell(&mut self) {
        // One signal is taken, and only if one was sent to this thread: those come before the ones that were sent to the
        // process, which are the host's.
        if let Some(bell) = &self.bell {
            bell.hear();
            if state::is_rung() || signal::pending_for_thread().contains(state::bell()) {
                bell.take_one();
            }
            // After the signal is taken: one that is sent from now on is another. Who has found the bell rung has noted before what is to be done.
            state::forget_ring();
        }
        if !state::is_exiting() && self.listener.as_ref().is_some_and(|listener| !listener.is_intact()) {
            self.listener = None;
        }
        self.answer_calls();
    }

    /// Takes every connection that waits, and sends away who may not come in.
    fn accept(&mut self, holder: Option<Peer>) {
        loop {
            let fd = match self.listener.as_ref().map(|listener| socket::accept(listener.fd().number())) {
                Some(Ok(fd)) => fd,
                Some(Err(Errno(libc::EINTR))) => continue,
                None | Some(Err(Errno(libc::EAGAIN))) => return,
                // The connection stays in the backlog and would wake us at once.
                Some(Err(error)) => {
                    if !core::mem::replace(&mut self.is_deaf, true) {
                        log::problem(format_args!("cannot accept a client, and tries again each second ({error})"));
                    }
                    self.rest = Duration::from_secs(1);
                    return;
                }
            };
            self.is_deaf = false;
            let admitted = socket::peer(&fd).map_err(|error| error.to_string()).and_then(|peer| {
                access::check(peer).map_err(|refusal| format!("SuspiciousClient: {refusal}"))?;
                Ok(peer)
            });
            let peer = match admitted {
                Ok(peer) => peer,
                Err(refusal) => {
                    log::problem(format_args!("{refusal}"));
                    if holder.is_none() && self.queue.is_empty() {
                        self.say_waiting();
                    }
                    continue;
                }
            };
            log::event(format_args!(
                "Accepted connection on fd:{} from PID:{} UID:{} GID:{}",
                fd.number(),
                peer.pid,
                peer.uid,
                peer.gid
            ));
            let mut client = match Client::new(fd, peer) {
                Ok(client) => client,
                Err(error) => {
                    log::problem(format_args!("cannot ask how the client is called ({error}): it is sent away"));
                    continue;
                }
            };
            session::hello(&mut client);
            if client.is_probe() {
                client.finish();
                continue;
            }
            if self.queue.len() >= QUEUE {
                session::tell(&mut client, "Too many clients wait for the prompt.\n", Prompt::PROMPT);
                client.finish();
                continue;
            }
            // Who comes while somebody is served, or waits before, is told so at once.
            let before = holder.or_else(|| self.queue.front().map(|waiting| waiting.client.peer()));
            if let Some(holder) = before {
                session::keep_waiting(&mut client, holder);
            }
            self.queue.push_back(Waiting { client, greeted: before.is_some() });
            if let Some(shot) = self.shot.as_mut().filter(|shot| shot.is_alone && !self.stays) {
                // One client, and no second: the door is shut behind it.
                shot.is_taken = true;
                crate::listener::unlink_own();
                self.listener = None;
                return;
            }
        }
    }
}

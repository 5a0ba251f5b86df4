//! The event loop over the listener and its clients.
//!
//! Context: the agent's thread, or whatever else serves one day: it uses no thread-local storage and nothing that takes a
//! lock of the host. One client at a time has the prompt; the others wait in a queue and have seen the dump. While nothing
//! happens, nothing wakes up.

use core::time::Duration;
use std::collections::VecDeque;

use crate::client::Client;
use crate::listener::{Failure, Listener};
use crate::prompt::Prompt;
use crate::session::{self, Next};
use crate::symbols::Store;
use crate::sys::fd::{self, Fd};
use crate::sys::signal::Set;
use crate::sys::socket::{self, Peer, Waited};
use crate::sys::{Errno, process};
use crate::{access, capture, log, state};

/// Clients that may wait for their turn; more are turned away with a word.
const QUEUE: usize = 16;

/// How long a client may leave its answer unread while others wait.
const STALL: Duration = Duration::from_secs(60);

/// The longest time between two tries of something that does not work.
const LONGEST_REST: Duration = Duration::from_secs(300);

/// Serves until the process ends.
pub(crate) fn serve() {
    if let Err(error) = fd::make_table_private() {
        log::problem(format_args!("No descriptor table of its own ({error}): the manhole is off"));
        return state::turn_off();
    }
    capture::arm_dump_signal(state::settings().dump_on);
    let mut server = Server::new();
    loop {
        log::event(format_args!("Waiting for new connection (in pid:{}) ...", process::pid()));
        while server.queue.is_empty() {
            server.wait(None, false);
        }
        if let Some(client) = server.queue.pop_front() {
            server.session(client);
        }
        while state::is_exiting() {
            process::sleep(STALL);
        }
    }
}

struct Server {
    listener: Option<Listener>,
    /// Readable when somebody has poked this thread.
    bell: Option<Fd>,
    queue: VecDeque<Waiting>,
    /// How long to wait before the next try to bind.
    retry: Duration,
    /// What the last try to bind has said: the same words are logged once.
    complaint: String,
    /// How long the listener is left alone because no connection could be taken, for want of descriptors; zero when it is not.
    rest: Duration,
    /// What the last session has left for the next one.
    remembered: Vec<u8>,
}

/// A client and whether it has seen the dump already.
struct Waiting {
    client: Client,
    greeted: bool,
}

impl Server {
    fn new() -> Server {
        let bell = socket::signal_fd(Set::of(&[state::BELL])).ok();
        let mut server = Server {
            listener: None,
            bell,
            queue: VecDeque::new(),
            retry: Duration::from_secs(1),
            complaint: String::new(),
            rest: Duration::ZERO,
            remembered: Vec::new(),
        };
        server.bind();
        server
    }

    /// Makes the socket; a failure is logged, and tried again later.
    fn bind(&mut self) {
        match Listener::bind(state::settings()) {
            Ok(listener) => {
                self.listener = Some(listener);
                self.retry = Duration::from_secs(1);
                self.complaint.clear();
            }
            Err(failure) => {
                self.listener = None;
                self.retry = (self.retry * 2).min(LONGEST_REST);
                let complaint = failure.to_string();
                if complaint != self.complaint && failure != Failure::Exiting {
                    let path = crate::text::Text::<256>::clone(&state::settings().socket_path);
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
        prompt.recall(&self.remembered);
        if greeted {
            session::take_turn(&mut client);
        } else {
            session::greet(&mut client, &mut prompt);
        }
        let mut told = false;
        loop {
            let next = session::advance(&mut client, &mut prompt);
            if next == Next::Leave {
                break;
            }
            if state::is_exiting() && !told {
                told = true;
                let text = "The process is exiting; it waits until you leave (exit() or end of input).\n";
                session::tell(&mut client, text);
            }
            if client.stalled_for() >= STALL && (!self.queue.is_empty() || state::is_exiting()) {
                log::problem(format_args!("The client does not read its answer and is waited for: closing."));
                break;
            }
            self.wait(Some(&mut client), next == Next::GoOn);
        }
        self.let_go(client);
        self.remembered = prompt.remember();
        state::session_ends();
        log::event(format_args!("Cleaned up."));
    }

    /// Sends what is left, for as long as the client reads.
    fn let_go(&mut self, mut client: Client) {
        log::event(format_args!("DONE."));
        while client.has_output() && !client.is_gone() && client.stalled_for() < STALL {
            self.wait(Some(&mut client), false);
        }
        client.finish();
    }

    /// Waits until something happens, and deals with it: a client to accept, bytes to move, a poke. `only_look`: does not wait.
    fn wait(&mut self, mut active: Option<&mut Client>, only_look: bool) {
        let none = Waited { fd: -1, events: 0, revents: 0 };
        let readable = |fd: &Fd| Waited { fd: fd.number(), events: libc::POLLIN, revents: 0 };
        let mut waited = vec![
            self.listener.as_ref().filter(|_| self.rest.is_zero()).map_or(none, |listener| readable(listener.fd())),
            self.bell.as_ref().map_or(none, readable),
            active.as_ref().map_or(none, |client| client.waited()),
        ];
        waited.extend(self.queue.iter().map(|waiting| waiting.client.waited()));
        let stalled = active.as_ref().is_some_and(|client| client.has_output());
        let timeout = match (&self.listener, stalled) {
            _ if only_look => Some(Duration::ZERO),
            (None, _) => Some(self.retry),
            (Some(_), _) if !self.rest.is_zero() => Some(self.rest),
            (Some(_), true) => Some(STALL),
            (Some(_), false) => None,
        };
        match socket::poll(&mut waited, timeout) {
            Ok(_) => {}
            Err(Errno(libc::EINTR)) => return,
            // More descriptors than the limit allows, which the host has lowered: not a reason to spin.
            Err(_) => {
                self.retry = (self.retry * 2).min(LONGEST_REST);
                return process::sleep(self.retry);
            }
        }
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
        if self.listener.is_none() || listener & !libc::POLLIN != 0 {
            self.bind();
        } else if listener != 0 || rested {
            self.accept(holder);
        }
    }

    /// Somebody has poked us: look at everything that may have changed.
    fn answer_bell(&mut self) {
        if let Some(bell) = &self.bell {
            while bell.read(&mut [0; 128]).is_ok_and(|n| n > 0) {}
        }
        if capture::take_dump_request() {
            log::write(Prompt::new(&Store::default()).greeting().as_bytes());
        }
        if !state::is_exiting() && !self.listener.as_ref().is_some_and(Listener::is_intact) {
            self.listener = None;
            self.bind();
        }
    }

    /// Takes every connection that waits, and sends away who may not come in.
    fn accept(&mut self, holder: Option<Peer>) {
        loop {
            let fd = match self.listener.as_ref().map(|listener| socket::accept(listener.fd())) {
                Some(Ok(fd)) => fd,
                Some(Err(Errno(libc::EINTR | libc::ECONNABORTED))) => continue,
                None | Some(Err(Errno(libc::EAGAIN))) => return,
                // The connection stays in the backlog and would wake us at once.
                Some(Err(_)) => {
                    self.rest = Duration::from_secs(1);
                    return;
                }
            };
            let admitted = socket::peer(&fd).map_err(|error| error.to_string()).and_then(|peer| {
                access::check(peer).map_err(|refusal| refusal.to_string())?;
                Ok(peer)
            });
            let peer = match admitted {
                Ok(peer) => peer,
                Err(refusal) => {
                    log::problem(format_args!("{refusal}"));
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
            let Ok(mut client) = Client::new(fd, peer) else { continue };
            session::hello(&mut client);
            if client.is_probe() {
                client.finish();
                continue;
            }
            if self.queue.len() >= QUEUE {
                session::tell(&mut client, "Too many clients wait for the prompt.\n");
                client.finish();
                continue;
            }
            // Who comes while somebody is served, or waits before, is told so at once.
            let before = holder.or_else(|| self.queue.front().map(|waiting| waiting.client.peer()));
            if let Some(holder) = before {
                session::keep_waiting(&mut client, holder);
            }
            self.queue.push_back(Waiting { client, greeted: before.is_some() });
        }
    }
}

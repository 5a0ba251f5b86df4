//! What a thread does, in words: the system call it is blocked in, and what that waits for.
//!
//! Context: the agent's thread. Arguments that point to memory are read now; where that fails the call stands alone.

use super::{descriptors::Descriptors, session::World};
use crate::memory;
use crate::render::{arch, names};
use crate::snapshot::{State, Syscall, Thread};
use crate::symbols::Symbols;

/// Bytes of a socket table that a dump reads: names of descriptors are worth a moment, not more.
const SOCKETS: usize = 256 << 10;

/// Descriptors of a poll that are named.
const NAMED: usize = 3;

/// Words for states; keeps what it has learnt of descriptors for the next thread.
pub(super) struct Describer {
    descriptors: Descriptors,
}

impl Describer {
    pub(super) fn new() -> Describer {
        Describer { descriptors: Descriptors::new(SOCKETS) }
    }

    /// `running`, `blocked in read(fd 3 = /path)`, `blocked in futex(0x… <name>)` and so on.
    pub(super) fn state(&mut self, thread: &Thread, symbols: &mut Symbols<'_>, world: &World) -> String {
        match thread.state {
            State::Running => "running".to_owned(),
            State::Blocked(call) => format!("blocked in {}", self.call(&call, symbols, world)),
            State::Waiting => "waiting in the kernel".to_owned(),
            State::Uninterruptible(None) => "uninterruptible".to_owned(),
            State::Uninterruptible(Some(call)) => format!("uninterruptible in {}", self.call(&call, symbols, world)),
            State::Stopped => "stopped".to_owned(),
            State::Held(summons) => format!("held by {}", names::summons(summons)),
            State::Ended => "ended".to_owned(),
            State::Unknown => "unknown".to_owned(),
        }
    }

    fn call(&mut self, call: &Syscall, symbols: &mut Symbols<'_>, world: &World) -> String {
        let Some(name) = arch::system_call(call.number) else { return format!("system call {}", call.number) };
        let [a, b, c, ..] = call.arguments;
        let meaning = match name {
            "read" | "write" | "pread64" | "pwrite64" | "readv" | "writev" | "preadv" | "pwritev" | "preadv2"
            | "pwritev2" | "recvfrom" | "recvmsg" | "recvmmsg" | "sendto" | "sendmsg" | "sendmmsg" | "accept"
            | "accept4" | "connect" | "epoll_wait" | "epoll_pwait" | "epoll_pwait2" | "flock" | "ioctl" | "fcntl"
            | "fsync" | "fdatasync" | "io_uring_enter" | "getdents64" | "ftruncate" | "fallocate" | "close"
            | "splice" | "tee" | "vmsplice" | "sync_file_range" => self.descriptor(a as i32),
            "sendfile" | "copy_file_range" => {
                let (from, to) = if name == "sendfile" { (b, a) } else { (a, c) };
                format!("{} to {}", self.descriptor(from as i32), self.descriptor(to as i32))
            }
            "futex" => address(a, symbols, world),
            "nanosleep" => duration(a).unwrap_or_default(),
            "clock_nanosleep" => {
                let until = if b & libc::TIMER_ABSTIME as u64 != 0 { "until " } else { "" };
                duration(c).map(|time| format!("{until}{time}")).unwrap_or_default()
            }
            "poll" => self.polled(a, b, milliseconds(c as i32)),
            "ppoll" => self.polled(a, b, duration(c)),
            "select" | "pselect6" => self.selected(a as usize, b, c),
            "wait4" => child(a as i32),
            "waitid" => match a {
                0 => "any child".to_owned(),
                1 => format!("child {}", b as i32),
                _ => String::new(),
            },
            "msgrcv" | "msgsnd" => format!("queue {}", a as i32),
            "semop" | "semtimedop" => format!("semaphore set {}", a as i32),
            "restart_syscall" => "a sleep, poll or futex wait, resumed after a signal".to_owned(),
            _ => String::new(),
        };
        format!("{name}({meaning})")
    }

    /// `fd 3 = /path`.
    fn descriptor(&mut self, number: i32) -> String {
        format!("fd {number} = {}", self.descriptors.meaning(number))
    }

    fn named(&mut self, numbers: &[i32]) -> String {
        let mut shown: Vec<String> = numbers.iter().take(NAMED).map(|&number| self.descriptor(number)).collect();
        if numbers.len() > NAMED {
            shown.push(format!("{} more", numbers.len().saturating_sub(NAMED)));
        }
        shown.join(", ")
    }

    /// The descriptors of an array of struct pollfd (fd 4 bytes, events 2, revents 2), and the timeout.
    fn polled(&mut self, array: u64, count: u64, timeout: Option<String>) -> String {
        const MOST: usize = 1024;
        let mut bytes = vec![0; (count as usize).min(MOST).saturating_mul(8)];
        let read = memory::read_now(array, &mut bytes).unwrap_or(0);
        let numbers: Vec<i32> = bytes
            .get(..read)
            .unwrap_or_default()
            .chunks_exact(8)
            .filter_map(|entry| entry.first_chunk().map(|number| i32::from_le_bytes(*number)))
            .filter(|number| *number >= 0)
            .collect();
        let mut shown = self.named(&numbers);
        if let Some(timeout) = timeout {
            shown.push_str(if shown.is_empty() { "" } else { ", " });
            shown.push_str(&timeout);
        }
        shown
    }

    /// The descriptors of the first two sets of a select; the kernel keeps a copy, so the sets are as they were passed.
    fn selected(&mut self, count: usize, read: u64, write: u64) -> String {
        let count = count.min(1024);
        let mut numbers = Vec::new();
        for set in [read, write].into_iter().filter(|&set| set != 0) {
            let mut bytes = vec![0; count.div_ceil(8)];
            let filled = memory::read_now(set, &mut bytes).unwrap_or(0);
            for (index, byte) in bytes.iter().take(filled).enumerate() {
                numbers.extend((0..8).filter(|bit| byte >> bit & 1 == 1).map(|bit| (index * 8 + bit) as i32));
            }
        }
        numbers.retain(|&number| (number as usize) < count);
        numbers.sort_unstable();
        numbers.dedup();
        self.named(&numbers)
    }
}

fn address(address: u64, symbols: &mut Symbols<'_>, world: &World) -> String {
    let symbol =
        world.modules.module(address).and_then(|_| symbols.symbol_at(&world.modules, &world.memory, address)).map(
            |symbol| match address.wrapping_sub(symbol.address) {
                0 => format!(" <{}>", symbol.shown()),
                offset => format!(" <{}+{offset}>", symbol.shown()),
            },
        );
    format!("{address:#x}{}", symbol.unwrap_or_default())
}

/// A struct timespec.
fn duration(address: u64) -> Option<String> {
    let mut bytes = [0; 16];
    if memory::read_now(address, &mut bytes).ok()? != bytes.len() {
        return None;
    }
    let (seconds, nanoseconds) = bytes.split_first_chunk::<8>()?;
    let seconds = i64::from_le_bytes(*seconds);
    let nanoseconds = i64::from_le_bytes(*nanoseconds.first_chunk()?);
    let fraction = format!("{nanoseconds:09}");
    let fraction = fraction.trim_end_matches('0');
    Some(if fraction.is_empty() { format!("{seconds} s") } else { format!("{seconds}.{fraction} s") })
}

fn milliseconds(value: i32) -> Option<String> {
    (value >= 0).then(|| format!("{value} ms"))
}

fn child(pid: i32) -> String {
    match pid {
        -1 => "any child".to_owned(),
        0 => "any child of the process group".to_owned(),
        pid if pid < 0 => format!("any child of process group {}", pid.unsigned_abs()),
        pid => format!("child {pid}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::modules::Modules;
    use crate::symbols::Store;

    fn words(number: libc::c_long, arguments: [u64; 6]) -> String {
        let store = Store::default();
        let world = World { memory: crate::memory::Memory::new(), modules: Modules::default() };
        let call = Syscall { number: number as u64, arguments };
        let mut thread = crate::render::fixtures::thread(1, "t");
        thread.state = State::Blocked(call);
        Describer::new().state(&thread, &mut Symbols::new(&store), &world)
    }

    #[test]
    fn calls_and_what_they_wait_for() {
        use std::os::fd::AsRawFd;
        let file = std::fs::File::open("/dev/null").unwrap();
        let fd = file.as_raw_fd() as u64;
        assert_eq!(words(libc::SYS_read, [fd, 0, 0, 0, 0, 0]), format!("blocked in read(fd {fd} = /dev/null)"));
        assert_eq!(words(libc::SYS_read, [9999, 0, 0, 0, 0, 0]), "blocked in read(fd 9999 = not open)");
        assert_eq!(words(libc::SYS_futex, [0x1234, 0, 0, 0, 0, 0]), "blocked in futex(0x1234)");
        let time = [2u64, 500_000_000];
        let at = time.as_ptr() as u64;
        assert_eq!(words(libc::SYS_nanosleep, [at, 0, 0, 0, 0, 0]), "blocked in nanosleep(2.5 s)");
        assert_eq!(words(libc::SYS_clock_nanosleep, [1, 1, at, 0, 0, 0]), "blocked in clock_nanosleep(until 2.5 s)");
        let polled = [fd | 1 << 32];
        let array = polled.as_ptr() as u64;
        assert_eq!(
            words(libc::SYS_poll, [array, 1, 100, 0, 0, 0]),
            format!("blocked in poll(fd {fd} = /dev/null, 100 ms)")
        );
        let set = [1u64 << fd];
        assert_eq!(
            words(libc::SYS_select, [fd + 1, set.as_ptr() as u64, 0, 0, 0, 0]),
            format!("blocked in select(fd {fd} = /dev/null)")
        );
        assert_eq!(words(libc::SYS_pause, [0; 6]), "blocked in pause()");
        assert_eq!(words(libc::SYS_wait4, [u64::MAX, 0, 0, 0, 0, 0]), "blocked in wait4(any child)");
        assert_eq!(words(9999, [0; 6]), "blocked in system call 9999");
        assert_eq!(words(libc::SYS_nanosleep, [8, 0, 0, 0, 0, 0]), "blocked in nanosleep()");
    }
}

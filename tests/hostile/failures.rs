//! Each system call that we make fails, the first time, a later time, always: the host lives all the same, and somebody is told why.
//!
//! A second preload lets them fail (victims/failing.c). What a call can fail with is what its manual page says.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use manhole_tests::victim::{Host, Victim};
use manhole_tests::{turn, victims};

/// The calls that can fail, and how.
const FAILURES: &[(&str, i64, i32)] = &[
    ("mmap", libc::SYS_mmap, libc::ENOMEM),
    ("mremap", libc::SYS_mremap, libc::ENOMEM),
    ("munmap", libc::SYS_munmap, libc::ENOMEM),
    ("mprotect", libc::SYS_mprotect, libc::ENOMEM),
    ("madvise", libc::SYS_madvise, libc::EAGAIN),
    ("memfd_create", libc::SYS_memfd_create, libc::EMFILE),
    ("clone", libc::SYS_clone, libc::EAGAIN),
    ("unshare", libc::SYS_unshare, libc::EPERM),
    ("close_range", libc::SYS_close_range, libc::ENOMEM),
    ("socket", libc::SYS_socket, libc::EMFILE),
    ("bind", libc::SYS_bind, libc::EACCES),
    ("bind", libc::SYS_bind, libc::EADDRINUSE),
    ("listen", libc::SYS_listen, libc::EADDRINUSE),
    ("fchmod", libc::SYS_fchmod, libc::EPERM),
    ("fcntl", libc::SYS_fcntl, libc::EMFILE),
    ("connect", libc::SYS_connect, libc::ECONNREFUSED),
    ("accept4", libc::SYS_accept4, libc::EMFILE),
    ("accept4", libc::SYS_accept4, libc::ECONNABORTED),
    ("getsockopt", libc::SYS_getsockopt, libc::ENOBUFS),
    ("getpeername", libc::SYS_getpeername, libc::ENOBUFS),
    ("sendto", libc::SYS_sendto, libc::EPIPE),
    ("sendto", libc::SYS_sendto, libc::ENOBUFS),
    ("recvfrom", libc::SYS_recvfrom, libc::ECONNRESET),
    ("shutdown", libc::SYS_shutdown, libc::ENOTCONN),
    ("epoll_create1", libc::SYS_epoll_create1, libc::EMFILE),
    ("epoll_ctl", libc::SYS_epoll_ctl, libc::ENOSPC),
    ("epoll_wait", libc::SYS_epoll_wait, libc::EINTR),
    ("ppoll", libc::SYS_ppoll, libc::ENOMEM),
    ("pipe2", libc::SYS_pipe2, libc::EMFILE),
    ("openat", libc::SYS_openat, libc::EMFILE),
    ("openat", libc::SYS_openat, libc::EACCES),
    ("openat", libc::SYS_openat, libc::ENOENT),
    ("read", libc::SYS_read, libc::EIO),
    ("pread64", libc::SYS_pread64, libc::EIO),
    ("write", libc::SYS_write, libc::EIO),
    ("newfstatat", libc::SYS_newfstatat, libc::ENOMEM),
    ("getdents64", libc::SYS_getdents64, libc::ENOENT),
    ("readlinkat", libc::SYS_readlinkat, libc::ENOENT),
    ("unlink", libc::SYS_unlink, libc::EROFS),
    ("ioctl", libc::SYS_ioctl, libc::ENOTTY),
    ("process_vm_readv", libc::SYS_process_vm_readv, libc::EPERM),
    ("process_vm_readv", libc::SYS_process_vm_readv, libc::ENOMEM),
    ("process_vm_readv", libc::SYS_process_vm_readv, libc::EFAULT),
    ("process_vm_writev", libc::SYS_process_vm_writev, libc::EPERM),
    ("rt_sigaction", libc::SYS_rt_sigaction, libc::EINVAL),
    ("rt_sigqueueinfo", libc::SYS_rt_sigqueueinfo, libc::EAGAIN),
    ("rt_tgsigqueueinfo", libc::SYS_rt_tgsigqueueinfo, libc::EAGAIN),
    ("tgkill", libc::SYS_tgkill, libc::ESRCH),
    ("signalfd4", libc::SYS_signalfd4, libc::EMFILE),
    ("sigaltstack", libc::SYS_sigaltstack, libc::ENOMEM),
    ("timer_create", libc::SYS_timer_create, libc::EAGAIN),
    ("timer_settime", libc::SYS_timer_settime, libc::EINVAL),
    ("timer_delete", libc::SYS_timer_delete, libc::EINVAL),
    ("futex", libc::SYS_futex, libc::EINTR),
    ("nanosleep", libc::SYS_nanosleep, libc::EINTR),
    ("pidfd_open", libc::SYS_pidfd_open, libc::EMFILE),
    ("pidfd_getfd", libc::SYS_pidfd_getfd, libc::EPERM),
    ("prctl", libc::SYS_prctl, libc::EINVAL),
    ("get_robust_list", libc::SYS_get_robust_list, libc::EPERM),
    ("sched_setscheduler", libc::SYS_sched_setscheduler, libc::EPERM),
];

/// Those that fail for a moment only (dup(2)): who cannot put a descriptor back for good has none to put back.
const MOMENTARY: &[(&str, i64, i32)] = &[("dup3", libc::SYS_dup3, libc::EBUSY)];

/// Of these, from so many failures on, nobody has to be told: the client has left, which is no failure; or the log cannot find out what it
/// would write to, or whether it would wait for that.
const SILENT: &[(i64, i32, u32)] =
    &[(libc::SYS_sendto, libc::EPIPE, 1), (libc::SYS_newfstatat, libc::ENOMEM, 2), (libc::SYS_ppoll, libc::ENOMEM, 2)];

/// Which of the calls fail: from this one on, so many.
#[rustfmt::skip]
const WHEN: &[(u32, u32)] = &[
    (1, 1), (2, 1), (3, 1), (4, 1), (5, 1), (6, 1), (7, 1), (8, 1), (9, 1),
    (1, 1_000_000), (2, 1_000_000), (6, 1_000_000),
];

/// A session as far as it comes: what the client has got. One that is not answered goes, and is gone for the host at once: a program that is
/// being started elsewhere may have a copy of its descriptor still.
fn session(victim: &Victim, silence: Duration) -> String {
    // After a failure the manhole tries again; what it says is enough.
    let began = Instant::now();
    let Some(mut stream) = std::iter::from_fn(|| {
        (began.elapsed() < silence && victim.log().is_empty()).then(|| UnixStream::connect(victim.socket()).ok())
    })
    .find_map(|stream| stream) else {
        return String::new();
    };
    stream.set_read_timeout(Some(silence)).unwrap();
    let got = talk(&mut stream);
    let _ = stream.shutdown(std::net::Shutdown::Both);
    String::from_utf8_lossy(&got).into_owned()
}

fn talk(stream: &mut UnixStream) -> Vec<u8> {
    let mut got = Vec::new();
    for line in ["", "bt all\n", "print 6*7\n", "info fds\n", "call (int)getppid()\n", "redirect on\n"] {
        let mut piece = [0; 65536];
        if stream.write_all(line.as_bytes()).is_err() {
            break;
        }
        loop {
            match stream.read(&mut piece) {
                Ok(count) if count > 0 => got.extend(&piece[..count]),
                _ => return got,
            }
            if got.ends_with(b">>> ") {
                break;
            }
        }
    }
    got
}

/// How long nothing is heard until nothing will be; and again, where the machine may only have been busy.
const SILENCES: [Duration; 2] = [Duration::from_millis(1500), Duration::from_secs(6)];

/// What is wrong with a life of which nobody has said anything.
const NOBODY_IS_TOLD: &str = "nobody is told why: ";

/// One life of the host, with these failures: what is wrong with it.
fn lives(host: Host, is_told: bool, silence: Duration) -> Option<String> {
    let mut victim = host.ready();
    let got = session(&victim, silence);
    let mut said = Vec::new();
    for _ in 0..2 {
        victim.say("live");
        said.extend([victim.line(), victim.line()]);
    }
    let (rest, status) = victim.finish();
    if said != ["child", "lived", "child", "lived"] || rest != ["END"] || status.code() != Some(7) {
        return Some(format!("{said:?} {rest:?} {status:?}: {}", victim.log()));
    }
    let is_understood = got.contains("ThreadID=") || got.contains("cannot") || !victim.log().is_empty();
    (is_told && !is_understood).then(|| format!("{NOBODY_IS_TOLD}{got:?}"))
}

fn fails(options: &str, arguments: &[&str]) {
    let _turn = turn::shared();
    let program = victims::c("lives");
    let failing = victims::c_with("failing", &["-O2", "-shared", "-fPIC"]);
    let mut wrong = Vec::new();
    let lasting = FAILURES.iter().flat_map(|failure| WHEN.iter().map(move |when| (failure, when)));
    let momentary = MOMENTARY.iter().flat_map(|failure| WHEN.iter().map(move |when| (failure, when)));
    for (&(name, number, errno), &(first, count)) in lasting.chain(momentary.filter(|(_, (_, count))| *count == 1)) {
        let host = || {
            let host = Host::new(&program).args(arguments).options(options).also_preloads(&failing);
            host.env("FAILING", format!("{number}:{errno}:{first}:{count}"))
        };
        let is_told = !SILENT.iter().any(|&silent| (number, errno) == (silent.0, silent.1) && count >= silent.2);
        // A host that dies or hangs ends the run with a panic of its own; the others are still to be looked at.
        let life = |silence| {
            catch_unwind(AssertUnwindSafe(|| lives(host(), is_told, silence)))
                .unwrap_or_else(|_| Some("it has died".to_owned()))
        };
        let mut result = life(SILENCES[0]);
        if result.as_ref().is_some_and(|wrong| wrong.starts_with(NOBODY_IS_TOLD)) {
            result = life(SILENCES[1]);
        }
        if let Some(result) = result {
            wrong.push(format!("{name} fails with errno {errno} from call {first} on, {count} times: {result}"));
        }
    }
    assert!(wrong.is_empty(), "{options} {arguments:?}, {} times: {}", wrong.len(), wrong.join("\n"));
}

#[test]
fn without_a_thread() {
    fails("", &[]);
}

#[test]
fn with_threads() {
    fails("", &["threads"]);
}

#[test]
fn always_listening() {
    fails("thread=True", &[]);
}

//! The options in the form that the agent lives with: plain data, readable from any context.
//!
//! Context: made in the constructor, read everywhere. No heap: a forked child's arena starts empty, and these survive it.

mod locals;

use core::time::Duration;

use manhole_options::{Handler, Options, Prompt, Redirect, Signal, Thread};

pub(crate) use locals::Locals;

use crate::sys::{at_start, fd};
use crate::text::Text;

/// The longest path of a unix socket, with its NUL (unix(7)).
pub(crate) const PATH: usize = 108;

#[expect(clippy::large_enum_variant, reason = "no heap: it is read in every context")]
/// Where the log goes.
#[derive(Clone, Copy)]
pub(crate) enum Destination {
    /// A descriptor of the host, and what it stood for at the start.
    Descriptor(i32, AtStart),
    /// A file, opened for each line.
    File(Text<1024>),
}

/// What a descriptor stood for when the options were read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum AtStart {
    /// They have not been read yet.
    Unknown,
    /// For nothing: what is there later is the host's own.
    Closed,
    /// For this file (device and inode).
    Open((u64, u64)),
}

/// What the agent needs of the options. In this order: what a start writes that is told nothing comes first, in one page.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Settings {
    pub(crate) verbose: bool,
    /// Whether forked children get a manhole.
    pub(crate) patch_fork: bool,
    pub(crate) reinstall_delay: Duration,
    /// Whether a connected session ends with the process instead of keeping it.
    pub(crate) daemon_connection: bool,
    /// The signal that writes a dump to the log; 0 for none.
    pub(crate) dump_on: i32,
    /// Whether exec'ed programs inherit the preload.
    pub(crate) children: bool,
    /// Whether a thread of ours listens.
    pub(crate) thread: Thread,
    /// The signal that opens the manhole; 0 for none.
    pub(crate) activate_on: i32,
    /// The signal whose handler serves one client; 0 for none.
    pub(crate) oneshot_on: i32,
    /// How long `oneshot_on` waits for its client; `None` for ever.
    pub(crate) oneshot_timeout: Option<Duration>,
    /// What the agent's threads block, as the kernel has it: bit `n - 1` stands for signal `n`.
    pub(crate) sigmask: u64,
    /// Whether what goes to standard error goes to the client too.
    pub(crate) redirect_stderr: bool,
    /// When output goes to the client.
    pub(crate) redirect: Redirect,
    /// Whether a client's lines are run and nothing is sent back.
    pub(crate) exec: bool,
    /// A manhole that is not open after this long is worth a warning.
    pub(crate) start_timeout: Duration,
    /// How long a command of the application has the prompt; `None` for ever.
    pub(crate) timeout: Option<Duration>,
    /// How long a client waits for the lock of the Python interpreter; `None` for ever.
    pub(crate) gil_timeout: Option<Duration>,
    /// Whether a client gets Python's prompt where there is a Python.
    pub(crate) wants_python: bool,
    /// The socket's path; `{pid}` stands for the process id.
    pub(crate) socket_path: Text<256>,
    pub(crate) destination: Destination,
    /// What the prompt knows besides the symbols.
    pub(crate) locals: Locals,
}

impl Settings {
    /// What holds before the options are read.
    pub(crate) const DEFAULT: Settings = Settings {
        verbose: false,
        destination: Destination::Descriptor(2, AtStart::Unknown),
        socket_path: Text::new(),
        patch_fork: true,
        reinstall_delay: Duration::from_millis(500),
        daemon_connection: false,
        dump_on: 0,
        children: true,
        thread: Thread::Auto,
        activate_on: 0,
        oneshot_on: 0,
        oneshot_timeout: None,
        sigmask: u64::MAX,
        redirect_stderr: true,
        redirect: Redirect::Line,
        exec: false,
        locals: Locals::new(),
        start_timeout: Duration::from_millis(500),
        timeout: Some(Duration::from_secs(10)),
        gil_timeout: Some(Duration::from_secs(2)),
        wants_python: true,
    };

    /// Takes over what the options say. Every field is written, and of the long texts no more than they hold.
    #[cold]
    pub(crate) fn take_over(&mut self, options: &Options) {
        let Settings {
            verbose,
            destination,
            socket_path,
            patch_fork,
            reinstall_delay,
            daemon_connection,
            dump_on,
            children,
            thread,
            activate_on,
            oneshot_on,
            oneshot_timeout,
            sigmask,
            redirect_stderr,
            redirect,
            exec,
            locals,
            start_timeout,
            timeout,
            gil_timeout,
            wants_python,
        } = self;
        *verbose = options.verbose;
        *patch_fork = options.patches_fork();
        *reinstall_delay = options.reinstall_delay;
        *daemon_connection = options.daemon_connection;
        *dump_on = options.dump_on.map_or(0, Signal::number);
        *children = options.children;
        *thread = options.thread;
        *activate_on = options.activate_on.map_or(0, Signal::number);
        *oneshot_on = options.oneshot_on.map_or(0, Signal::number);
        *oneshot_timeout = options.oneshot_timeout;
        *sigmask = options.sigmask.as_deref().map_or(u64::MAX, Signal::mask);
        *redirect_stderr = options.redirect_stderr;
        *redirect = options.redirect;
        *exec = options.connection_handler == Handler::Exec;
        locals.replace(&options.locals);
        *start_timeout = options.start_timeout;
        *timeout = options.timeout;
        *gil_timeout = options.gil_timeout;
        *wants_python = options.prompt != Prompt::Native;
        *destination = match &options.verbose_destination {
            manhole_options::Destination::Descriptor(number) => {
                let at_start = fd::stat_of(*number).map_or(AtStart::Closed, |stat| AtStart::Open(stat.identity));
                Destination::Descriptor(*number, at_start)
            }
            manhole_options::Destination::Path(path) => {
                let mut text = Text::new();
                put_path(&mut text, path.as_bytes());
                Destination::File(text)
            }
        };
        put_path(socket_path, options.socket_path.as_deref().map_or(at_start::SOCKET_PATH.to_bytes(), str::as_bytes));
    }
}

/// The path as it is meant now: a host that goes to another directory later takes nothing along.
fn put_path<const N: usize>(text: &mut Text<N>, path: &[u8]) {
    text.clear();
    let mut room = [0; N];
    let is_relative = !path.starts_with(b"/");
    let directory = is_relative.then(|| fd::read_link(c"/proc/self/cwd", &mut room).ok()).flatten();
    // What becomes too long that way stays as it is, and what lies outside of the root (`(unreachable)`, getcwd(2)).
    if let Some(directory) = directory
        && directory.starts_with(b"/")
        && directory.len() + 1 + path.len() < N
    {
        text.push(directory);
        text.push(if directory == b"/" { b"" } else { b"/" });
    }
    text.push(path);
}

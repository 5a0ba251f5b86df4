# The console inside the interpreter. A worker calls one of the functions at the end for each line; all names here are in a dictionary that
# nobody else sees. While a line runs, descriptors 0 to 2 lead to the client, so all that is left to do is that nothing stays in a
# buffer. Answers are bytes: a digit, and what there is to tell. Python 3.7 and later.
import atexit
import code
import io
import os
import signal
import socket
import sys
import traceback
from _thread import get_ident

_STREAMS = ("stdin", "stdout", "stderr", "__stdin__", "__stdout__", "__stderr__")
_write = os.write


class _Channel(io.RawIOBase):
    """What stands in the place of a stream: to the client while a line runs, else to where the stream leads."""

    def __init__(self, number, original):
        self.number = number
        self.original = original

    def writable(self):
        return True

    def fileno(self):
        return self.number

    def write(self, data):
        data = bytes(data)
        if _session.is_inside(self):
            rest = data
            while rest:
                rest = rest[_write(self.number, rest):]
        elif self.original is not None:
            self.original.write(data.decode("utf-8", "replace"))
        return len(data)


class ManholeConsole(code.InteractiveConsole):
    def write(self, data):
        _session.complaints.write(data)


class _Session:
    def __init__(self):
        self.process = os.getpid()
        self.thread = None
        self.lines = 0
        self.is_busy = False
        self.is_open = False
        self.namespace = {}
        self.console = None
        self.put = self.before = {}
        self.complaints = sys.stderr

    def open(self, redirect, with_errors, waits, values):
        self.namespace = {
            "dump_stacktraces": dump_stacktraces, "sys": sys, "os": os, "socket": socket, "traceback": traceback,
        }
        self.only_own = redirect == "thread"
        self.output = self.errors = None
        if redirect != "off":
            self.output = _stream(1, sys.stdout)
            self.errors = _stream(2, sys.stderr) if with_errors else None
        self.complaints = self.errors or self.output or sys.stderr or io.StringIO()
        self.is_open = True
        if waits:
            atexit.register(self.wait)
        wrong = []
        for name, text in values:
            try:
                self.namespace[name] = eval(text, self.namespace)
            except BaseException as error:
                wrong.append("locals: %s=%s: %r\n" % (name, text, error))
        return "".join(wrong)

    def is_inside(self, channel):
        """Whether what is written now is the client's."""
        if self.thread is None or os.getpid() != self.process:
            return False
        return not self.only_own or self.thread == get_ident()

    def enter(self):
        self.thread = get_ident()
        # What an earlier line has begun, and does still, is no part of this one.
        if self.console is None or self.is_busy:
            self.console = ManholeConsole(self.namespace)
        self.is_busy = True
        self.lines += 1
        if self.output is None:
            return self.lines
        self.restore()
        names = dict.fromkeys(("stdin", "__stdin__"), io.TextIOWrapper(io.FileIO(0, closefd=False), "utf-8", "replace"))
        names.update(dict.fromkeys(("stdout", "__stdout__"), self.output))
        if self.errors is not None:
            names.update(dict.fromkeys(("stderr", "__stderr__"), self.errors))
        self.before = {name: getattr(sys, name, None) for name in names}
        self.put = names
        for name, stream in names.items():
            setattr(sys, name, stream)
        return self.lines

    def leave(self, line):
        _forget_thread()
        # Another line has begun since this one was given up.
        if line != self.lines:
            return
        self.restore()
        self.thread = None
        self.is_busy = False

    def restore(self):
        for name, stream in self.before.items():
            # Whoever has put another one there meanwhile keeps it.
            if getattr(sys, name, None) is self.put[name]:
                setattr(sys, name, stream)
        self.before = {}

    def wait(self):
        """Before the interpreter ends: as long as a client is there, its lines are run."""
        while self.is_open and os.getpid() == self.process:
            signal.sigtimedwait([], 0.05)

    def close(self):
        self.restore()
        self.is_open = False
        atexit.unregister(self.wait)
        for name in ("last_type", "last_value", "last_traceback", "last_exc"):
            if hasattr(sys, name):
                delattr(sys, name)


def _stream(number, original):
    return io.TextIOWrapper(_Channel(number, original), "utf-8", "backslashreplace", write_through=True)


def _forget_thread():
    """The thread of the line is none of the program's: threading keeps no note of it."""
    threading = sys.modules.get("threading")
    try:
        thread = threading._active.get(get_ident())
        if isinstance(thread, threading._DummyThread):
            with threading._active_limbo_lock:
                threading._active.pop(get_ident(), None)
    except Exception:
        pass


def dump_stacktraces():
    """What each thread executes in Python, in the form of the dump."""
    pieces = []
    for thread, frame in sys._current_frames().items():
        pieces.append("\n######### ProcessID=%d, ThreadID=%d #########" % (os.getpid(), thread))
        for file, line, function, source in traceback.extract_stack(frame):
            pieces.append('File: "%s", line %d, in %s' % (file, line, function))
            if source:
                pieces.append("  " + source)
    pieces.append("#" * 45 + "\n\n\n")
    _session.complaints.write("\n".join(pieces))


_session = _Session()


def _open(redirect, with_errors, waits, values):
    return b"0" + _session.open(redirect, with_errors, waits, values).encode("utf-8", "backslashreplace")


def _line(data):
    """Runs a line: 0 when that is all, 1 when it goes on, 2 when the client wants to leave."""
    line = _session.enter()
    try:
        return b"1" if _session.console.push(data.decode("utf-8", "surrogateescape")) else b"0"
    except SystemExit:
        return b"2"
    except KeyboardInterrupt:
        _session.console.resetbuffer()
        _session.complaints.write("\nKeyboardInterrupt\n")
        return b"0"
    finally:
        _session.leave(line)


def _execute(data):
    """Runs a line and shows nothing: 0, 2 when the client wants to leave, 3 and the error when there is one."""
    try:
        exec(compile(data.decode("utf-8", "surrogateescape"), "<string>", "exec"), _session.namespace)
        return b"0"
    except SystemExit:
        return b"2"
    except BaseException as error:
        return b"3" + repr(error).encode("utf-8", "backslashreplace")


def _close():
    _session.close()
    return b"0"

# The console inside the interpreter. A worker calls one of the functions at the end for each line; all names here are in a dictionary that
# nobody else sees; `_emit` among them gives bytes to the client, and `_ident` is the calling thread as the interpreter knows it, where `get_ident` may
# have been replaced by one for which a thread is something else. While a line runs, descriptors 1 and 2 lead to the client too, unless the
# options say otherwise. Answers are bytes: a digit, and what there is to tell. Python 3.8 and later.
import atexit
import signal


def _sleep():
    """Lets others run; nobody has replaced this function by one that does something else."""
    signal.sigtimedwait([], 0.005)


def _wait():
    """Before the interpreter ends: as long as a client is there, its lines are run, unless the options say otherwise."""
    if "_leave_thread" in globals():
        _leave_thread()
    client = _emit(b"") >> 3
    while client and _emit(b"") >> 3 == client and _emit(b"") & 4:
        _sleep()
    # It may have left a line that still runs. What the program prints now is to find its own descriptors: at the end nobody may wait until a pipe
    # is emptied.
    for _ in range(400):
        if not (client and _emit(b"") & 3 and _emit(b"") & 4):
            break
        _sleep()


# Before anything that takes time: a thread that the interpreter leaves behind would be in the middle of it.
atexit.register(_wait)

import builtins
import code
import gc
import io
import os
import sys
import traceback
from _thread import allocate_lock, get_ident
from functools import partial as _partial
from itertools import starmap as _starmap

try:
    import socket
except ImportError:
    # A part of it is in C, and has to find the interpreter.
    socket = None

_INPUT = ("stdin", "__stdin__")
_read = os.read


_own_modules = {}


def _without_readline(name):
    """A module of the standard library for this console alone: readline, which it would import, takes hold of the program's terminal and of what the
    program has set there."""
    if name in _own_modules:
        return _own_modules[name]
    import importlib.util

    def imported(name, *others, **named):
        if name == "readline":
            raise ImportError(name)
        return _without_readline(name) if name in ("rlcompleter", "bdb") else builtins.__import__(name, *others, **named)

    spec = importlib.util.find_spec(name)
    if spec is None:
        raise ImportError("no module named " + name)
    module = importlib.util.module_from_spec(spec)
    module.__builtins__ = {**vars(builtins), "__import__": imported}
    exec(spec.loader.get_code(name), vars(module))
    _own_modules[name] = module
    return module


class _Channel(io.RawIOBase):
    """What stands in the place of a stream as long as a client is there."""

    def __init__(self, number, original, session):
        self.number = number
        self.manhole_original = original
        self.session = session
        try:
            self.has_number = original.fileno() == number
        except Exception:
            self.has_number = False

    def writable(self):
        return True

    def fileno(self):
        return self.number

    def write(self, data):
        data = bytes(data)
        session = self.session
        is_here = session.is_here()
        if is_here and session.thread is not None and session.thread == _ident():
            self.give(data)
        elif is_here and not session.only_own and self.has_number and session.leads_to_client():
            # By the descriptor it goes to the client and to where it belongs.
            self.pass_on(data)
            try:
                self.manhole_original.flush()
            except (OSError, ValueError):
                pass
        else:
            if is_here and not session.only_own:
                _emit(data)
            self.pass_on(data)
        return len(data)

    def flush(self):
        """What the original holds back goes where it belongs; not by the line's doing, as it would come to the client."""
        session = self.session
        if self.manhole_original is not None and not (session.thread == _ident() and session.leads_to_client()):
            self.manhole_original.flush()

    def pass_on(self, data):
        """What the program prints goes where it belongs."""
        if self.manhole_original is not None:
            self.manhole_original.write(data.decode("utf-8", "replace"))

    def give(self, data):
        """What the line prints, behind what programs have printed that it has started."""
        for _ in range(100):
            if not (self.session.is_redirected and _emit(b"") & 2):
                break
            _sleep()
        else:
            # Where that belongs nobody takes it.
            self.session.is_redirected = False
        while data:
            taken = _emit(data)
            if taken < 0:
                return self.pass_on(data)
            data = data[taken:]
            if data:
                _sleep()


class _Input(io.RawIOBase):
    """What a line reads: descriptor 0 leads to the client only from then on that a line does read."""

    def __init__(self, session):
        self.session = session

    def readable(self):
        return True

    def readinto(self, buffer):
        for _ in range(400):
            if self.session.thread != _ident():
                # The line was given up.
                return 0
            if _has_input():
                data = _read(0, len(buffer))
                buffer[:len(data)] = data
                return len(data)
            _sleep()
        raise OSError("the client's input cannot be had: the process uses its own, or its output is not redirected")


class _Kept:
    """The program's standard input while a line runs that may use it: exit() and quit() close what they find in its place."""

    def __init__(self, stream):
        self.manhole_kept = stream

    def manhole_chosen(self):
        return self.manhole_kept

    @property
    def __class__(self):
        return type(self.manhole_chosen())

    def close(self):
        pass

    def __bool__(self):
        return self.manhole_chosen() is not None

    def __getattr__(self, name):
        return getattr(self.manhole_chosen(), name)

    def __iter__(self):
        return iter(self.manhole_chosen())

    def __next__(self):
        return next(self.manhole_chosen())

    def __repr__(self):
        return repr(self.manhole_chosen())


class _Own(_Kept):
    """The client's stream where `is_own` says so; for all others it is the program's still."""

    def __init__(self, stream, own, is_own):
        super().__init__(stream)
        self.manhole_own = own
        self.manhole_is_own = is_own

    def manhole_chosen(self):
        return self.manhole_own if self.manhole_is_own() else self.manhole_kept


class ManholeConsole(code.InteractiveConsole):
    def write(self, data):
        _session.complaints.write(data)


class _Session:
    def __init__(self):
        self.process = os.getpid()
        self.client = self.main = 0
        self.thread = None
        self.lines = 0
        self.wrong = ""
        self.values = []
        self.is_busy = False
        self.is_open = False
        self.is_redirected = False
        self.namespace = {}
        self.console = None
        self.debugger = None
        # How often a debugger was let go: one that begins for an earlier wish is none of now.
        self.wish = 0
        self.before = {}
        self.complaints = sys.stderr

    def is_here(self):
        """Whether the client is. One that has left may not have been able to say so: its last line needs a thread too."""
        return self.is_open and _emit(b"") >> 3 == self.client and os.getpid() == self.process

    def is_line(self):
        """Whether the calling thread is the one that runs a line."""
        return self.thread == _ident()

    def leads_to_client(self):
        """Whether what is written to the descriptors goes to the client now."""
        return _emit(b"") & 1 == 1 and os.getpid() == self.process

    def open(self, client, main, redirect, with_errors, values):
        self.client, self.main, self.values = client, main, values
        self.namespace = {
            "dump_stacktraces": dump_stacktraces, "sys": sys, "os": os, "socket": socket, "traceback": traceback,
        }
        if socket is None:
            del self.namespace["socket"]
        self.only_own = redirect == "thread"
        self.output = self.errors = None
        if redirect != "off":
            self.output = _stream(1, sys.stdout, self)
            self.errors = _stream(2, sys.stderr, self) if with_errors else None
            self.replace(("stdout", "__stdout__"), self.output)
            self.replace(("stderr", "__stderr__"), self.errors)
        self.complaints = self.errors or self.output or sys.stderr or io.StringIO()
        self.is_open = True
        _right_main_thread(main)
        if not self.is_here():
            # The client has left meanwhile.
            self.close()

    def evaluate(self):
        """The option `locals`. Whatever each of them does, the others are there; after one that is interrupted they are left to the next line.
        Gives whether all is well."""
        is_interrupted = False
        while self.values and not is_interrupted:
            name, text = self.values.pop(0)
            try:
                self.namespace[name] = eval(text, self.namespace)
            except BaseException as error:
                self.wrong += "locals: %s=%s: %r\n" % (name, text, error)
                is_interrupted = isinstance(error, KeyboardInterrupt)
        _right_main_thread(self.main)
        if not self.is_here():
            self.close()
        return not is_interrupted

    def what_is_wrong(self):
        """What has failed at the opening, once."""
        wrong, self.wrong = self.wrong, ""
        return wrong

    def replace(self, names, stream):
        for name in names:
            if stream is not None:
                self.before[name] = _original(getattr(sys, name, None)), stream
                setattr(sys, name, stream)

    def restore(self, names):
        for name in names:
            before, stream = self.before.get(name, (None, None))
            # Whoever has put another one there meanwhile keeps it.
            if stream is not None and getattr(sys, name, None) is stream:
                setattr(sys, name, before)
            # Last: an interrupt may come at any moment.
            self.before.pop(name, None)

    def enter(self, is_redirected):
        self.lines += 1
        self.thread = _ident()
        self.is_redirected = is_redirected and self.output is not None
        # What an earlier line has begun, and does still, is no part of this one.
        if self.console is None or self.is_busy:
            self.console = ManholeConsole(self.namespace)
        self.is_busy = True
        if self.is_redirected:
            self.restore(_INPUT)
            own = io.TextIOWrapper(_Input(self), "utf-8", "replace")
            for name in _INPUT:
                self.replace((name,), _Own(_original(getattr(sys, name, None)), own, self.is_line))
        else:
            self.keep_input()
        if sys.displayhook is sys.__displayhook__:
            self.replace(("displayhook",), self.show)

    def show(self, value):
        """As the interpreter shows values, but that `_` is this console's: the program's own one may translate its texts."""
        if self.thread != _ident():
            return sys.__displayhook__(value)
        if value is not None:
            text = repr(value)
            sys.stdout.write(text + "\n")
            self.namespace["_"] = value

    def keep_input(self):
        self.restore(_INPUT)
        if sys.stdin is not None:
            self.replace(("stdin",), _Kept(_original(sys.stdin)))

    def leave(self, line):
        for stream in (self.output, self.errors):
            if stream is not None:
                stream.flush()
        _right_main_thread(self.main)
        _forget_thread()
        # Another line has begun since this one was given up.
        if line != self.lines:
            return
        self.restore(_INPUT + ("displayhook",))
        self.thread = None
        self.is_redirected = self.is_busy = False

    def close(self):
        self.restore(list(self.before))
        self.is_open = False
        _let_go()
        atexit.unregister(_wait)
        for name in ("last_type", "last_value", "last_traceback", "last_exc"):
            if hasattr(sys, name):
                delattr(sys, name)


def _original(stream):
    """The stream itself, where one stands that the session before is about to take away."""
    while True:
        if hasattr(stream, "manhole_kept"):
            stream = stream.manhole_kept
        elif hasattr(getattr(stream, "buffer", None), "manhole_original"):
            stream = stream.buffer.manhole_original
        else:
            return stream


def _stream(number, original, session):
    original = _original(original)
    stream = io.TextIOWrapper(_Channel(number, original, session), "utf-8", "backslashreplace", line_buffering=True)
    # What the program's own can do beside: a notebook tells it which cell prints.
    for name in _names(original):
        try:
            # What is computed when it is asked for is not asked for.
            is_computed = hasattr(type(getattr(type(original), name, None)), "__set__")
            if not is_computed and not hasattr(stream, name):
                setattr(stream, name, getattr(original, name))
        except Exception:
            pass
    return stream


def _names(thing):
    try:
        return dir(thing)
    except Exception:
        return []


def _right_main_thread(main):
    """The module `threading` takes the thread that imports it first for the main one, before Python 3.13."""
    threading = sys.modules.get("threading")
    thread = getattr(threading, "_main_thread", None)
    if sys.version_info >= (3, 13) or not main or getattr(thread, "_ident", None) != get_ident():
        return
    with threading._active_limbo_lock:
        threading._active.pop(thread._ident, None)
        thread._ident, thread._native_id = main, os.getpid()
        threading._active[main] = thread
    # What it waits for at the end of the interpreter is released by the end of the thread that it belongs to.
    lock = allocate_lock()
    lock.acquire()
    with threading._shutdown_locks_lock:
        threading._shutdown_locks.discard(thread._tstate_lock)
        thread._tstate_lock = lock
        threading._shutdown_locks.add(lock)


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


def _open(client, main, redirect, with_errors, values):
    try:
        _session.open(client, main, redirect, with_errors, values)
        return b"0"
    except BaseException:
        _session.restore(list(_session.before))
        _session.is_open = False
        # Nothing follows.
        return b""


def _values():
    """Apart from the opening: they may be interrupted. Then this is the answer: 6, and what comes after them is not run."""
    if _session.values and _session.is_open and not _session.evaluate():
        return b"6"
    return b""


def _opened():
    """What there is to tell of the opening."""
    _values()
    return b"0" + _session.what_is_wrong().encode("utf-8", "backslashreplace")


def _line(data, is_redirected):
    """Runs a line: 0 when that is all, 1 when it goes on, 2 when the client wants to leave."""
    line = _session.lines + 1
    try:
        _session.enter(is_redirected)
        wrong = _session.what_is_wrong()
        if wrong:
            _session.complaints.write(wrong)
        return b"1" if _session.console.push(data.decode("utf-8", "surrogateescape")) else b"0"
    except SystemExit:
        return b"2"
    except KeyboardInterrupt:
        _session.console.resetbuffer()
        _session.complaints.write("\nKeyboardInterrupt\n")
        return b"0"
    except BaseException:
        # The console's own, or the program's `sys.excepthook`: without this the console would have the line before it still, and run it with the next.
        _session.console.resetbuffer()
        _session.complaints.write(traceback.format_exc())
        return b"0"
    finally:
        _session.leave(line)


def _give_up():
    """The statement that has begun is not run."""
    _session.console.resetbuffer()
    return b"0"


def _execute(data):
    """Runs a line and shows nothing: 0, 2 when the client wants to leave, 3 and the error when there is one."""
    _session.keep_input()
    try:
        exec(compile(data.decode("utf-8", "surrogateescape"), "<string>", "exec"), _session.namespace)
        return b"0"
    except SystemExit:
        return b"2"
    except BaseException as error:
        return b"3" + repr(error).encode("utf-8", "backslashreplace")
    finally:
        _session.restore(_INPUT)


def _complete(data):
    """The names that what ends there may mean, each in a line."""
    text = data.decode("utf-8", "replace")
    found = []
    try:
        rlcompleter = _without_readline("rlcompleter")
    except ImportError:
        return b"0"
    if text:
        completer = rlcompleter.Completer(_session.namespace)
        while len(found) < 200:
            name = completer.complete(text, len(found))
            if name is None:
                break
            found.append(name)
    return b"0" + "\n".join(found).encode("utf-8", "replace")


def _objects(count):
    """What the collector knows of, by type: the types with the most objects first."""
    types = {}
    for thing in gc.get_objects():
        kind = type(thing)
        number, size = types.get(kind, (0, 0))
        try:
            size += sys.getsizeof(thing)
        except Exception:
            pass
        types[kind] = number + 1, size
    lines = ["%10s %12s  type" % ("objects", "bytes")]
    most = sorted(types.items(), key=lambda item: item[1], reverse=True)
    for kind, (number, size) in most[:count]:
        lines.append("%10d %12d  %s.%s" % (number, size, kind.__module__, kind.__qualname__))
    if len(most) > count:
        lines.append("(%d types more; %%objects N shows N)" % (len(most) - count))
    return _text(lines)


def _gc():
    """The state of the collector."""
    lines = ["enabled: %s; frozen objects: %d" % (gc.isenabled(), gc.get_freeze_count())]
    numbers = zip(gc.get_count(), gc.get_threshold(), gc.get_stats())
    for generation, (count, threshold, stats) in enumerate(numbers):
        lines.append("generation %d: count %d of %d, %s" % (
            generation, count, threshold, ", ".join("%s %d" % item for item in stats.items())))
    lines.append("uncollectable objects in gc.garbage: %d" % len(gc.garbage))
    return _text(lines)


def _modules():
    """The modules that are loaded, and the files they are from."""
    lines = []
    for name, module in sorted(dict(sys.modules).items()):
        lines.append("%-40s %s" % (name, getattr(module, "__file__", None) or "(built in)"))
    return _text(lines)


def _text(lines):
    return b"0" + "".join(line + "\n" for line in lines).encode("utf-8", "backslashreplace")


def _close():
    _session.close()
    return b"0"

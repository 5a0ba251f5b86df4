

# pdb in one of the program's threads, at the client: the second part of the console. The thread begins in the debugger with the next line that
# it executes. Each line of the client's is a script of its own: it is handed to the debugger, and the script ends when that asks for another.


class _Wire:
    """The client, as the debugger's streams."""
    encoding = "utf-8"
    errors = "backslashreplace"

    def __init__(self, session, ident):
        self.session = session
        self.ident = ident
        # While a line of the client's runs this stands in the place of the program's streams.
        self.input, self.output = _original(sys.stdin), _original(sys.stdout)
        self.asks = self.is_over = self.is_interrupted = self.is_sent = False
        # Whoever takes the mark out decides whether the line that the thread executes is still to be interrupted.
        self.mark = None
        self.line = None
        self.tail = ""

    def is_here(self):
        return not self.is_over and self.session.is_here()

    def write(self, text):
        """Whole lines: what stands before the end of an unfinished one is the prompt, when a line is read next."""
        if get_ident() != self.ident:
            return self.output.write(text) if self.output is not None else len(text)
        lines, newline, self.tail = (self.tail + text).rpartition("\n")
        self.give(lines + newline)
        return len(text)

    def give(self, text):
        data = text.encode(self.encoding, self.errors)
        while data and self.is_here():
            taken = _emit(data)
            if taken < 0:
                break
            data = data[taken:]
            if data:
                _sleep()

    def flush(self):
        if get_ident() != self.ident and self.output is not None:
            self.output.flush()

    def __getattr__(self, name):
        if get_ident() == self.ident:
            raise AttributeError(name)
        return getattr(self.output, name)

    def isatty(self):
        return False

    def interrupt(self):
        """Raises KeyboardInterrupt in the thread if that executes a line of the client's."""
        try:
            (self.mark or []).pop()
        except IndexError:
            return False
        self.is_interrupted = True
        _interrupt(self.ident)
        self.is_sent = True
        return True

    def settle(self):
        """In the thread, before it does anything but the line: no interrupt comes from here on, and one that was sent is raised here at the latest."""
        mark, self.mark = self.mark, None
        if mark is not None:
            try:
                mark.pop()
            except IndexError:
                while not self.is_sent:
                    _sleep()
                for _ in range(2):
                    pass
        self.is_interrupted = False

    def begin(self, line):
        """In the console's thread. Who has let go meanwhile never takes it."""
        self.asks = False
        self.line = line

    def readline(self, *size):
        if get_ident() != self.ident:
            return self.input.readline(*size)
        self.settle()
        self.line, self.asks = None, True
        while self.line is None:
            if not self.is_here():
                return ""
            _sleep()
        self.is_sent, self.mark = False, [True]
        line, self.line = self.line, None
        # Who lets go sees the mark, or is seen here.
        if not self.is_here():
            self.settle()
            return ""
        return line


def _debugger(wire, state, ident):
    # Breakpoints belong to the module: those of the program's own debugger, and of the one before, are not this one's.
    for name in ("pdb", "bdb"):
        _own_modules.pop(name, None)
    pdb = _without_readline("pdb")

    class Debugger(pdb.Pdb):
        # CO_GENERATOR, CO_COROUTINE, CO_ASYNC_GENERATOR.
        MAY_REST = 0x20 | 0x80 | 0x200

        def __init__(self):
            options = {"stdin": wire, "stdout": wire, "nosigint": True, "readrc": False}
            try:
                super().__init__(backend="settrace", **options)
            except TypeError:
                super().__init__(**options)
            self.has_begun = self.has_let_go = False
            self.tool = None
            self.is_watched = False
            self.watched = []
            # What traces the program itself (a coverage, another debugger) is back afterwards: of the thread, and of each frame.
            self.tracer = [None]
            self.tracers = {}
            # Frames that may rest and go on somewhere else.
            self.resting = set()

        # The console's thread: before, and when it is over.

        def watch(self, frame):
            """Begins with the next line that the thread executes."""
            while frame is not None:
                self.watched.append(frame)
                frame = frame.f_back
            if hasattr(sys, "monitoring"):
                return self.monitor()
            # What runs on the other thread's state is C's alone.
            self.tracer = []
            if _as_thread(state, _partial(self.tracer.extend, _starmap(sys.gettrace, [()]))) != 0:
                return False
            for frame in self.watched:
                self.tracers[frame] = frame.f_trace
                frame.f_trace = self.arrives
            self.is_watched = _as_thread(state, _partial(sys.settrace, self.arrives)) == 0
            return self.is_watched

        def monitor(self):
            monitoring = sys.monitoring
            events = monitoring.events
            for tool in (4, 3, 5, 0):
                try:
                    monitoring.use_tool_id(tool, "manhole")
                except ValueError:
                    continue
                self.tool = tool
                break
            else:
                return False
            for event in (events.LINE, events.JUMP, events.PY_START, events.PY_RESUME):
                monitoring.register_callback(self.tool, event, self.comes_by)
            for frame in self.watched:
                # A loop in one line begins no other.
                monitoring.set_local_events(self.tool, frame.f_code, events.LINE | events.JUMP)
            monitoring.set_events(self.tool, events.PY_START | events.PY_RESUME)
            # From here on the thread takes all of this away again.
            self.is_watched = True
            return True

        def unwatch(self):
            watched, self.watched = self.watched, []
            if self.tool is not None:
                tool, self.tool = self.tool, None
                sys.monitoring.set_events(tool, 0)
                for frame in watched:
                    sys.monitoring.set_local_events(tool, frame.f_code, 0)
                events = sys.monitoring.events
                for event in (events.LINE, events.JUMP, events.PY_START, events.PY_RESUME):
                    sys.monitoring.register_callback(tool, event, None)
                sys.monitoring.free_tool_id(tool)
            elif not self.has_begun and not hasattr(sys, "monitoring"):
                for frame in watched:
                    frame.f_trace = self.tracers.get(frame)
                if self.tracer:
                    _as_thread(state, _partial(sys.settrace, self.tracer[0]))

        # The thread that is debugged.

        def arrives(self, frame, event, argument):
            if wire.is_over:
                return None
            if not self.is_watched:
                # The program traces the thread itself, which comes by before all is set.
                return self.arrives
            if not self.has_begun:
                if not self.begins(frame):
                    return None
                sys.settrace(self.trace_dispatch)
            return self.trace_dispatch(frame, event, argument)

        def comes_by(self, code, *places):
            if os.getpid() != wire.session.process:
                # A child that another thread has forked.
                self.unwatch()
            elif get_ident() == ident and self.is_watched and not self.has_begun and not wire.is_over:
                frame = sys._getframe(1)
                self.unwatch()
                if not self.begins(frame):
                    return
                if len(places) == 2:
                    # A jump. From 3.14 on the trace function hears of no line when the loop has only one.
                    self.trace_dispatch(frame, "line", None)
                if not wire.is_over:
                    # Nothing that is called here may come behind this: it would be stopped in itself.
                    sys.settrace(self.trace_dispatch)
                elif self.tracers is not None:
                    self.let_go(frame)

        def begins(self, frame):
            """Whether it has: what fails here is none of the program's."""
            try:
                self.begin(frame)
                return True
            except BaseException as error:
                self.let_go(frame)
                if not isinstance(error, Exception):
                    raise
                return False

        def begin(self, frame):
            self.has_begun = True
            self.reset()
            if hasattr(sys, "monitoring"):
                self.tracer = [sys.gettrace()]
            while frame is not None:
                if hasattr(sys, "monitoring"):
                    self.tracers[frame] = frame.f_trace
                frame.f_trace = self.trace_dispatch
                self.botframe = frame
                frame = frame.f_back
            self.set_step()

        def trace_dispatch(self, frame, event, argument):
            if get_ident() != ident:
                return None
            try:
                result = None if wire.is_over else super().trace_dispatch(frame, event, argument)
                if result is not None and event == "call" and frame.f_code.co_flags & self.MAY_REST:
                    self.resting.add(frame)
            except Exception as error:
                wire.give("*** the debugger has failed: %r\n" % (error,))
                wire.is_over = True
                result = None
            except BaseException:
                # A handler of the program's has been called here.
                self.let_go(frame)
                raise
            if wire.is_over:
                self.let_go(frame)
                return None
            return result

        def let_go(self, frame):
            wire.is_over = True
            tracers, self.tracers = self.tracers, None
            if tracers is None:
                # A generator that was stopped in, and has rested since.
                frame.f_trace = None
                return
            if self.breaks:
                self.clear_all_breaks()
            frames, self.resting = self.resting, set()
            while frame is not None:
                frames.add(frame)
                frame = frame.f_back
            for frame in frames:
                if frame in tracers or frame.f_trace in (self.trace_dispatch, self.arrives):
                    frame.f_trace = tracers.get(frame)
            # The program may have set another one.
            if sys.gettrace() in (self.trace_dispatch, self.arrives):
                sys.settrace(self.tracer[0])
            self.has_let_go = True

        def _cmdloop(self):
            while True:
                try:
                    self.cmdloop()
                    wire.settle()
                    return
                except KeyboardInterrupt:
                    if not wire.is_interrupted:
                        # The program's.
                        raise
                    wire.is_interrupted = False
                wire.give("*** KeyboardInterrupt\n")

        def handle_command_def(self, line):
            # There the end of the input is one more command of the list.
            return super().handle_command_def(line) if wire.is_here() else True

        def onecmd(self, line):
            try:
                return super().onecmd(line)
            finally:
                # What stands behind it in the same line goes with it.
                if wire.is_interrupted or not wire.is_here():
                    del self.cmdqueue[:]

        def default(self, line):
            try:
                return super().default(line)
            finally:
                # It puts back what was there before the line: the client may have left since, and what stood for it.
                if not wire.is_here():
                    for name in ("stdin", "stdout"):
                        stream = getattr(sys, name)
                        if isinstance(stream, _Kept) or isinstance(getattr(stream, "buffer", None), _Channel):
                            setattr(sys, name, _original(stream))

        def do_clear(self, argument):
            """cl(ear) [NUMBER... | FILE:LINE]

            Deletes these breakpoints, or all: nobody is asked, for that would be on the program's own input.
            """
            if argument:
                return super().do_clear(argument)
            self.clear_all_breaks()
            self.message("Deleted all breakpoints")

        do_cl = do_clear

        def do_detach(self, _argument):
            """detach

            Lets the thread run on, without the debugger.
            """
            self.set_step()
            wire.is_over = True
            return True

        do_quit = do_q = do_exit = do_EOF = do_detach

        def do_continue(self, argument):
            """c(ont(inue))

            Lets the thread run on until it comes to a breakpoint. Where there is none this is the same as detach.
            """
            return super().do_continue(argument) if self.breaks else self.do_detach(argument)

        do_c = do_cont = do_continue

        def do_run(self, _argument):
            """The program is not started anew."""
            self.error("a process that runs is not started anew")

        do_restart = do_run

        def do_interact(self, _argument):
            """What this starts elsewhere reads the program's input, or takes the program's SIGINT."""
            self.error("not here: a line that is no command of the debugger's is executed in the frame, ! before one that is")

        do_debug = do_interact

    return Debugger()


def _pdb(state, ident, name):
    """pdb in the thread with this number in Python, whose PyThreadState is at this address: 4 and its prompt when it asks for a line."""
    _let_go()
    if not hasattr(sys, "monitoring") and hasattr(sys, "gettotalrefcount"):
        return b"3a debug build of Python before 3.12 ends when something is done in the place of another thread"
    if ident == get_ident():
        return b"3that is the thread of this prompt"
    wish = _session.wish
    wire = _Wire(_session, ident)
    try:
        debugger = _debugger(wire, state, ident)
    except ImportError as error:
        return b"3pdb is not there: " + str(error).encode()
    frame = sys._current_frames().get(ident)
    if frame is None:
        return b"3the thread executes nothing in Python"
    _session.debugger = debugger
    try:
        # This may have been given up while the lock did not come.
        if wish != _session.wish:
            _let_go()
            return b"0"
        if debugger.watch(frame):
            return _debugged(name.decode())
    except BaseException:
        # Nobody is to stand still where no prompt says so.
        _let_go()
        raise
    _let_go()
    return b"3the thread cannot be traced: it has ended, or other tools have taken every place"


def _pdb_line(data):
    """A line for the debugger: 4 and its prompt when it asks for another one."""
    wire = _session.debugger and _session.debugger.stdin
    if wire is None or wire.is_over:
        return b"3the debugger has let the thread go"
    wire.begin(data.decode("utf-8", "surrogateescape") + "\n")
    return _debugged(None)


def _debugged(name):
    debugger = _session.debugger
    if debugger is None:
        return b"0"
    wire = debugger.stdin
    waited = 0
    try:
        while wire.is_here() and not wire.asks:
            _sleep()
            waited += 1
            if waited == 100 and name and not debugger.has_begun:
                wire.give("Waiting until %s executes a line of Python. Ctrl-C gives up.\n" % name)
        if wire.is_here():
            return _next_prompt(wire)
        # What is left of this one is not to be what the next one takes for the program's.
        for _ in range(200):
            if debugger.has_let_go or not wire.is_over:
                break
            _sleep()
        answer = b"0"
    except KeyboardInterrupt:
        answer = b"0\nLet go: the thread runs on.\n"
        for _ in range(200):
            if wire.line is None or not wire.is_here():
                break
            _sleep()
        if wire.interrupt():
            for _ in range(200):
                if wire.asks or not wire.is_here():
                    break
                _sleep()
            if wire.asks and wire.is_here():
                return _next_prompt(wire)
            if wire.is_here():
                answer = b"0\nLet go: the thread has not noticed yet; it ends that line, and runs on.\n"
    _let_go()
    return answer


def _next_prompt(wire):
    prompt, wire.tail = wire.tail, ""
    return b"4" + prompt.encode("utf-8", "backslashreplace")


def _let_go():
    _session.wish += 1
    debugger, _session.debugger = _session.debugger, None
    if debugger is not None:
        debugger.stdin.is_over = True
        debugger.stdin.interrupt()
        debugger.unwatch()

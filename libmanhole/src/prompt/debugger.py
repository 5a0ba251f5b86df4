

# pdb in one of the program's threads, at the client: the second part of the console. The thread begins in the debugger with the next line that
# it executes. Each line of the client's is a script of its own: it is handed to the debugger, and the script ends when that asks for another.


class _Wire:
    """The client, as the debugger's streams."""
    encoding = "utf-8"
    errors = "backslashreplace"

    def __init__(self, session, ident):
        self.session = session
        self.ident = ident
        self.asks = self.is_over = self.is_interrupted = self.is_sent = False
        # Whoever takes the mark out decides whether the line that the thread executes is still to be interrupted.
        self.mark = None
        self.line = None
        self.tail = ""

    def is_here(self):
        return not self.is_over and self.session.is_here()

    def write(self, text):
        """Whole lines: what stands before the end of an unfinished one is the prompt, when a line is read next."""
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
        pass

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
        """In the console's thread."""
        self.is_sent = False
        self.asks, self.mark = False, [True]
        self.line = line

    def readline(self):
        self.settle()
        self.line, self.asks = None, True
        while self.line is None:
            if not self.is_here():
                return ""
            _sleep()
        return self.line


def _debugger(wire, state, ident):
    pdb = _without_readline("pdb")

    class Debugger(pdb.Pdb):
        def __init__(self):
            options = {"stdin": wire, "stdout": wire, "nosigint": True, "readrc": False}
            try:
                super().__init__(backend="settrace", **options)
            except TypeError:
                super().__init__(**options)
            self.has_begun = False
            self.tool = None
            self.is_watched = False
            self.watched = []
            # What traces the program itself (a coverage, another debugger) is back afterwards: of the thread, and of each frame.
            self.tracer = [None]
            self.tracers = {}

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
            if _as_thread(state, _partial(self.tracer.extend, map(_methodcaller("__call__"), [sys.gettrace]))) != 0:
                return False
            for frame in self.watched:
                self.tracers[frame] = frame.f_trace
                frame.f_trace = self.arrives
            return _as_thread(state, _partial(sys.settrace, self.arrives)) == 0

        def monitor(self):
            monitoring = sys.monitoring
            events = monitoring.events
            self.tool = next((tool for tool in (4, 3, 5, 0) if monitoring.get_tool(tool) is None), None)
            if self.tool is None:
                return False
            monitoring.use_tool_id(self.tool, "manhole")
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
            self.begin(frame)
            sys.settrace(self.trace_dispatch)
            return self.trace_dispatch(frame, event, argument)

        def comes_by(self, code, *places):
            if get_ident() == ident and self.is_watched and not self.has_begun and not wire.is_over:
                frame = sys._getframe(1)
                self.unwatch()
                self.begin(frame)
                if len(places) == 2:
                    # A jump. From 3.14 on the trace function hears of no line when the loop has only one.
                    self.trace_dispatch(frame, "line", None)
                if not wire.is_over:
                    # Nothing that is called here may come behind this: it would be stopped in itself.
                    sys.settrace(self.trace_dispatch)
                elif self.tracers is not None:
                    self.let_go(frame)

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
            try:
                result = None if wire.is_over else super().trace_dispatch(frame, event, argument)
            except KeyboardInterrupt:
                self.let_go(frame)
                raise
            except BaseException as error:
                wire.give("*** the debugger has failed: %r\n" % (error,))
                wire.is_over = True
                result = None
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
            while frame is not None:
                frame.f_trace = tracers.get(frame)
                frame = frame.f_back
            sys.settrace(self.tracer[0])

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
    frame = sys._current_frames().get(ident)
    if frame is None:
        return b"3the thread executes nothing in Python"
    wire = _Wire(_session, ident)
    try:
        debugger = _debugger(wire, state, ident)
    except ImportError as error:
        return b"3pdb is not there: " + str(error).encode()
    _session.debugger = debugger
    try:
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
        answer = b"0"
    except KeyboardInterrupt:
        answer = b"0\nLet go: the thread runs on.\n"
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
    debugger, _session.debugger = _session.debugger, None
    if debugger is not None:
        debugger.stdin.is_over = True
        debugger.stdin.interrupt()
        debugger.unwatch()

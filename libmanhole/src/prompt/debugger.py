

# pdb in one of the program's threads, at the client: the second part of the console. The thread begins in the debugger with the next line that
# it executes. Each line of the client's is a script of its own: it is handed to the debugger, and the script ends when that asks for another.


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
            self.wire = wire
            self.has_begun = self.has_let_go = False
            self.tool = None
            self.is_watched = False
            self.watched = []
            # What traces the program itself (a coverage, another debugger) is back afterwards: of the thread, and of each frame.
            self.tracer = [None]
            self.tracers = {}
            # Where pdb has left what it keeps for its own variables.
            self.noted = []

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
                try:
                    sys.monitoring.set_events(tool, 0)
                    for frame in watched:
                        sys.monitoring.set_local_events(tool, frame.f_code, 0)
                    events = sys.monitoring.events
                    for event in (events.LINE, events.JUMP, events.PY_START, events.PY_RESUME):
                        sys.monitoring.register_callback(tool, event, None)
                except Exception:
                    # An audit hook of the program's.
                    pass
                finally:
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
                if not self.begins(frame) or not self.traces(frame):
                    return None
            return self.trace_dispatch(frame, event, argument)

        def comes_by(self, code, *places):
            if os.getpid() != wire.session.process:
                # A child that another thread has forked.
                self.unwatch()
            elif _ident() == ident and self.is_watched and not self.has_begun and not wire.is_over:
                frame = sys._getframe(1)
                self.unwatch()
                if not self.begins(frame):
                    return
                if len(places) == 2:
                    # A jump. From 3.14 on the trace function hears of no line when the loop has only one.
                    self.trace_dispatch(frame, "line", None)
                if not wire.is_over:
                    # Nothing that is called here may come behind this: it would be stopped in itself.
                    try:
                        sys.settrace(self.trace_dispatch)
                    except Exception as error:
                        self.is_refused(frame, error)
                elif self.tracers is not None:
                    self.let_go(frame)

        def traces(self, frame):
            try:
                sys.settrace(self.trace_dispatch)
                return True
            except Exception as error:
                self.is_refused(frame, error)
                return False

        def is_refused(self, frame, error):
            """By an audit hook of the program's."""
            wire.give("*** the thread cannot be traced: %r\n" % (error,))
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
            if _ident() != ident:
                return None
            try:
                result = None if wire.is_over else super().trace_dispatch(frame, event, argument)
            except Exception as error:
                wire.take_back()
                wire.give("*** the debugger has failed: %r\n" % (error,))
                wire.is_over = True
                result = None
            except BaseException as error:
                is_ours = isinstance(error, KeyboardInterrupt) and wire.is_interrupted
                wire.take_back()
                self.let_go(frame)
                if not is_ours:
                    # A handler of the program's has been called here.
                    raise
            if wire.is_over:
                self.let_go(frame)
                return None
            if event == "return":
                # Nothing of ours stays at a frame that ends or rests, and keeps what it holds: when it goes on, that is a call.
                rests = frame.f_code.co_flags & self.MAY_REST
                frame.f_trace = self.tracers.get(frame) if rests else self.tracers.pop(frame, None)
                return None
            return result

        def stop_here(self, frame):
            # The console's own functions stand in the place of the program's streams.
            return frame.f_globals is not globals() and super().stop_here(frame)

        def guarded(self, act, otherwise):
            """What the client has said earlier is executed now: Ctrl-C and the client's leaving end it as they end a line."""
            if wire.mark is not None:
                return act()
            wire.is_sent, wire.mark = False, [True]
            result = otherwise
            try:
                if wire.is_here():
                    result = act()
                if wire.is_interrupted:
                    # It has caught that itself.
                    del self.cmdqueue[:]
                wire.settle()
                return result
            except KeyboardInterrupt:
                is_ours = wire.is_interrupted
                wire.take_back()
                if not is_ours:
                    raise
                del self.cmdqueue[:]
                return otherwise
            except BaseException:
                wire.take_back()
                raise

        def break_here(self, frame):
            return self.canonic(frame.f_code.co_filename) in self.breaks and self.guarded(_partial(super().break_here, frame), True)

        def bp_commands(self, frame):
            return self.guarded(_partial(super().bp_commands, frame), True)

        def preloop(self):
            self.guarded(super().preloop, None)

        def forget(self):
            super().forget()
            # Up to 3.12 it keeps the names of the last frame.
            vars(self).pop("curframe_locals", None)

        def set_convenience_variable(self, frame, name, value):
            if "__pdb_convenience_variables" not in frame.f_globals:
                self.noted.append(frame.f_globals)
            super().set_convenience_variable(frame, name, value)

        def let_go(self, frame):
            wire.is_over = True
            tracers, self.tracers = self.tracers, None
            if tracers is None:
                # A generator that was stopped in, and has rested since.
                frame.f_trace = None
                return
            if self.breaks:
                self.clear_all_breaks()
            for names in self.noted:
                names.pop("__pdb_convenience_variables", None)
            while frame is not None:
                if frame in tracers or frame.f_trace in (self.trace_dispatch, self.arrives):
                    frame.f_trace = tracers.get(frame)
                frame = frame.f_back
            # The program may have set another one.
            if sys.gettrace() in (self.trace_dispatch, self.arrives):
                try:
                    sys.settrace(self.tracer[0])
                except Exception:
                    # As in `is_refused`.
                    pass
            self.has_let_go = True

        # The console's thread: when it is over.

        def has_ended(self):
            """Whether the thread has, which then has not let go."""
            return self.has_begun and not self.has_let_go and not _lives(state)

        def clear_up(self):
            """Where it may have. From 3.12 on the interpreter would watch all threads as it did that one; when a trace function is set it looks anew."""
            if self.has_begun and not self.has_let_go and hasattr(sys, "monitoring"):
                own = sys.gettrace()
                try:
                    sys.settrace(lambda *_: None)
                    sys.settrace(own)
                except Exception:
                    # As in `is_refused`.
                    pass

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
                    wire.take_back()
                wire.give("*** KeyboardInterrupt\n")

        def handle_command_def(self, line):
            # There the end of the input is one more command of the list.
            return super().handle_command_def(line) if wire.is_here() else True

        def onecmd(self, line):
            try:
                if wire.mark is None and not wire.is_here():
                    return self.do_detach(None)
                # One that was not read just now belongs to a breakpoint, or shows what is displayed.
                return self.guarded(_partial(super().onecmd, line), None)
            finally:
                # What stands behind it in the same line goes with it.
                if wire.is_interrupted or not wire.is_here():
                    del self.cmdqueue[:]

        def default(self, line):
            # For the line alone: what it has kept of these leads to the program's streams afterwards, as it does in other threads.
            is_line = [True]

            def is_own():
                return _ident() == ident and is_line and wire.is_here()

            streams = self.stdin, self.stdout
            self.stdin, self.stdout = (_Own(_program_s(name), wire, is_own) for name in ("stdin", "stdout"))
            try:
                return super().default(line)
            finally:
                is_line.clear()
                self.stdin, self.stdout = streams
                # It puts back what was there before the line: the client may have left since, and what stood for it.
                if not wire.is_here():
                    for name in ("stdin", "stdout"):
                        stream = getattr(sys, name, None)
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
    if ident == _ident():
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
    except BaseException as error:
        # Nobody is to stand still where no prompt says so.
        _let_go()
        if not isinstance(error, Exception):
            raise
        return b"3the thread cannot be traced: " + repr(error).encode("utf-8", "backslashreplace")
    _let_go()
    return b"3the thread cannot be traced: it has ended, or other tools have taken every place"


def _pdb_line(data):
    """A line for the debugger: 4 and its prompt when it asks for another one."""
    wire = _session.debugger and _session.debugger.wire
    if wire is None or wire.is_over:
        return b"3the debugger has let the thread go"
    wire.begin(data.decode("utf-8", "surrogateescape") + "\n")
    return _debugged(None)


def _debugged(name):
    debugger = _session.debugger
    if debugger is None:
        return b"0"
    wire = debugger.wire
    waited = 0
    try:
        while wire.is_here() and not wire.asks:
            _sleep()
            waited += 1
            if waited % 20 == 0 and debugger.has_ended():
                wire.give("The thread has ended.\n")
                break
            if waited == 100 and name and not debugger.has_begun:
                wire.give("Waiting until %s executes a line of Python. Ctrl-C gives up.\n" % name)
        if wire.asks and wire.is_here():
            return _next_prompt(wire)
        # What is left of this one is not to be what the next one takes for the program's.
        for _ in range(200):
            if debugger.has_let_go or not wire.is_over or debugger.has_ended():
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


def _leave_thread():
    """In a thread that comes to its end: it is debugged no more."""
    debugger = _session.debugger
    if debugger is not None and debugger.wire.ident == _ident() and debugger.has_begun and not debugger.wire.is_over:
        debugger.wire.give("The thread has come to its end.\n")
        debugger.let_go(sys._getframe())


def _let_go():
    _session.wish += 1
    debugger, _session.debugger = _session.debugger, None
    if debugger is not None:
        debugger.wire.is_over = True
        debugger.wire.interrupt()
        debugger.unwatch()
        debugger.clear_up()

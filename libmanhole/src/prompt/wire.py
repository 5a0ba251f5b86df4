

# What leads from the debugger to the client and back: the third part of the console.


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
                while not self.is_sent and os.getpid() == self.session.process:
                    _sleep()
                for _ in range(2):
                    pass
        self.is_interrupted = False

    def take_back(self):
        """The same where the line has ended in another way: an interrupt that was sent ends here."""
        try:
            self.settle()
        except KeyboardInterrupt:
            self.is_interrupted = False

    def begin(self, line):
        """In the console's thread. Who has let go meanwhile never takes it."""
        self.asks = False
        self.line = line

    def readline(self, *size):
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


class _Nothing(io.TextIOBase):
    """What a stream leads to that the program has not got."""

    def read(self, *size):
        return ""

    readline = read

    def write(self, text):
        return len(text)


def _program_s(name):
    stream = _original(getattr(sys, name, None))
    return _Nothing() if stream is None else stream

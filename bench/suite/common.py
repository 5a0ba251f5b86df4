"""What all parts share: where things are, what is built and started, the manhole's client, and tables. Measures nothing itself."""

import contextlib
import os
import platform
import re
import shutil
import socket
import statistics
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BENCH = os.path.join(ROOT, "bench")
TARGET = os.environ.get("CARGO_TARGET_DIR", os.path.join(ROOT, "target"))
LIBRARY = os.environ.get("MANHOLE_LIB", os.path.join(TARGET, "release", "libmanhole.so"))
BUILT = os.path.join(TARGET, "bench")
PROMPT = b">>> "
PATIENCE = 120  # seconds for one measurement; what lasts longer is `> 120 s`


class Failed(Exception):
    """What could not be measured; the text says why, and stands in the table."""


def built(name, *command):
    """The path of what `command` makes of sources in bench/."""
    os.makedirs(BUILT, exist_ok=True)
    path = os.path.join(BUILT, name)
    compiler, *words = command
    subprocess.run([compiler, "-O2", "-o", path, *words], cwd=BENCH, check=True)
    return path


def shared(name, source, *flags):
    return built(name, "gcc", "-shared", "-fPIC", *flags, source, "-lpthread")


def installed():
    """A copy of the library, as an installation makes one: a file that the linker has written piece by piece stands in the kernel's
    cache by single pages, which take longer to map."""
    os.makedirs(BUILT, exist_ok=True)
    path = os.path.join(BUILT, "libmanhole.so")
    with contextlib.suppress(FileNotFoundError):
        os.remove(path)
    return shutil.copyfile(LIBRARY, path)


def preloads():
    """The preloads that parts compare: what each is called, and the environment that it takes."""
    library = installed()
    empty = shared("empty_preload.so", "empty_preload.c")
    listening = shared("listening_preload.so", "listening_preload.c")
    threaded = shared("listening_preload_thread.so", "listening_preload.c", "-DTHREAD")
    return {
        "no preload": {},
        "an empty C preload": {"LD_PRELOAD": empty},
        "a listening C preload": {"LD_PRELOAD": listening},
        "a listening C preload, one thread": {"LD_PRELOAD": threaded},
        "libmanhole": {"LD_PRELOAD": library},
        "libmanhole, `thread=True`": {"LD_PRELOAD": library, "MANHOLE": "thread=True"},
        "libmanhole, `MANHOLE=off`": {"LD_PRELOAD": library, "MANHOLE": "off"},
    }


def environment(changes):
    kept = {name: value for name, value in os.environ.items() if name not in ("LD_PRELOAD", "MANHOLE", "PYTHONMANHOLE")}
    return {**kept, **changes}


def path_of(pid):
    return f"/tmp/manhole-{pid}"


@contextlib.contextmanager
def started(command, changes, ready=b"ready"):
    """A program that says `ready`, or is ready when it sleeps (`ready=None`); it ends with its standard input, or is ended."""
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment(changes))
    try:
        process.said = b"" if ready is None else process.stdout.readline()
        if ready is not None and not (process.said and process.said.startswith(ready)):
            sys.exit(f"{command[0]} said {process.said!r}")
        if ready is None:
            wait_until(lambda: sleeps(process.pid), f"{command[0]} to sleep")
        if changes.get("LD_PRELOAD") and changes.get("MANHOLE") != "off" and "empty" not in changes["LD_PRELOAD"]:
            wait_until(lambda: os.path.exists(path_of(process.pid)), path_of(process.pid))
        yield process
    finally:
        process.stdin.close()
        if ready is None:
            process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path_of(process.pid))


def sleeps(pid):
    with open(f"/proc/{pid}/syscall", encoding="ascii") as file:
        return file.read().startswith("230 ")  # clock_nanosleep(2)


def wait_until(condition, what, seconds=30):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            sys.exit(f"waited {seconds} s for {what}")
        time.sleep(0.002)


class Client:
    """One connection to a manhole; `answer` holds what has come, `seconds` how long it took since the connect."""

    def __init__(self, pid, until=PROMPT):
        wait_until(lambda: self.connected(pid), path_of(pid))
        self.answer = b""
        self.seconds = self.wait(until)

    def connected(self, pid):
        """python-manhole's path is there before it listens."""
        self.connection = socket.socket(socket.AF_UNIX)
        self.connection.settimeout(PATIENCE)
        self.began = time.perf_counter()
        try:
            self.connection.connect(path_of(pid))
            return True
        except (FileNotFoundError, ConnectionRefusedError):
            self.connection.close()
            return False

    def wait(self, until):
        pieces, tail = [], self.answer
        while until not in tail:
            try:
                piece = self.connection.recv(1 << 20)
            except TimeoutError:
                raise Failed(f"> {PATIENCE} s") from None
            if not piece:
                raise Failed(f"has hung up after {tail[-80:]!r}")
            pieces.append(piece)
            tail = tail[-len(until):] + piece if len(pieces) > 1 else tail + piece
        seconds = time.perf_counter() - self.began
        self.answer += b"".join(pieces)
        return seconds

    def ask(self, line, until=b"\n>>> "):
        self.answer = b""
        self.began = time.perf_counter()
        self.connection.sendall(line + b"\n")
        return self.wait(until)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_WR)
            while self.connection.recv(1 << 20):
                pass
        self.connection.close()


def debug_information_of_libc():
    return os.path.isdir("/usr/lib/debug/.build-id")


def machine():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        found = re.search(r"model name\s*: (.*)", file.read())
    model = found.group(1) if found else "unknown processor"
    dbg = " with debug information" if debug_information_of_libc() else ""
    load = " ".join(f"{value:.1f}" for value in os.getloadavg())
    system = platform.freedesktop_os_release().get("PRETTY_NAME", "Linux")
    return f"{model}, {os.cpu_count()} CPUs, {system}, Linux {platform.release()}, {' '.join(platform.libc_ver())}{dbg}, load {load}"


def median(values):
    return statistics.median(values) if values else None


def tenth(values):
    return sorted(values)[len(values) // 10]


def table(title, head, rows):
    """A Markdown table; what is no text in a row is shown by its `str`."""
    print(f"\n### {title}\n\n| {' | '.join(head)} |\n|---|{'---:|' * (len(head) - 1)}")
    for row in rows:
        print(f"| {' | '.join(map(str, row))} |")
    sys.stdout.flush()


def milliseconds(seconds):
    if seconds is None:
        return "-"
    return f"{seconds * 1000:.1f}" if seconds < 1 else f"{seconds * 1000:,.0f}"


def progress(text):
    print(text, file=sys.stderr, flush=True)

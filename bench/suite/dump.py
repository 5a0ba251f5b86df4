"""Parts `dump` and `python`: connect to last byte, the stacks of all threads, against the peers' commands from start to end.

Every answer is checked: all frames of the victim's own functions must be there, with their lines where the peer gives lines.
`cold` is the first connection to a process, `warm` a later one. The greeting shows threads of the same stack once, under the
heads of all of them (and names the rest by number); `bt all` shows each stack in full, as gdb and eu-stack do.
"""

import contextlib
import re

from suite import peers
from suite.common import LIBRARY, Client, Failed, built, machine, median, milliseconds, progress, started, table

OURS = {"LD_PRELOAD": LIBRARY}


def victim():
    return built("threads", "gcc", "-g", "threads.c", "spinner.c", "-lpthread")


def counted(process):
    """What threads.c has said: (threads, frames of levels)."""
    return tuple(map(int, re.findall(rb"=(\d+)", process.said)))


def shown(answer, frame):
    """How many times `frame` stands in all threads' stacks of our dump: a stack that several threads have counts for each."""
    heads = frames = 0
    found = 0
    for line in answer.decode(errors="replace").splitlines():
        if line.startswith("#########"):
            if frames:
                found += heads * frames
                heads = frames = 0
            heads += 1
        elif more := re.match(r"\(and (\d+) more threads with this stack", line):
            heads += int(more.group(1))
        elif re.search(frame, line):
            frames += 1
        elif not line and frames:
            found += heads * frames
            heads = frames = 0
        elif not line:
            heads = 0
    return found + heads * frames


def checked(found, expected, what):
    if found < expected:
        raise Failed(f"{what}: {found} of {expected} frames")


def greeting(pid, levels):
    with Client(pid, b"\n>>> ") as client:
        checked(shown(client.answer, r'threads\.c", line \d+, in level_'), levels, "the greeting")
        return client.seconds


def in_full(pid, levels):
    with Client(pid, b"\n>>> ") as client:
        seconds = client.ask(b"bt all")
        checked(len(re.findall(rb"in level_\w+ \(\) at .*threads\.c:\d+", client.answer)), levels, "bt all")
        return seconds


def several(rounds, action):
    """The median of some rounds, fewer when one lasts long; or why there is none."""
    times = []
    try:
        while len(times) < (rounds if sum(times) < 20 else 1):
            times.append(action())
    except Failed as reason:
        return str(reason)
    return median(times)


def warm_up(name, program):
    """Frida's first start on a machine takes long, and may fail by that."""
    with started([program, "1"], {}) as process, contextlib.suppress(Failed):
        peers.stacks(name, process.pid, 1)


def native(failures, threads, rounds):
    program = victim()
    command = [program, str(threads)]
    results = {}

    def cold():
        with started(command, OURS) as process:
            return greeting(process.pid, counted(process)[1])

    results["manhole, cold"] = several(rounds, cold)
    with started(command, OURS) as process:
        levels = counted(process)[1]
        several(1, lambda: greeting(process.pid, levels))
        results["manhole, warm"] = several(rounds, lambda: greeting(process.pid, levels))
        results["manhole, `bt all` in a session"] = several(rounds, lambda: in_full(process.pid, levels))
    for name in peers.NATIVE:
        progress(f"{threads} threads: {name}")
        if reason := failures.get(name.split()[0].strip("`,")):
            results[name] = reason
            continue
        if "frida" in name:
            warm_up(name, program)
        with started(command, {}) as process:
            results[name] = several(min(rounds, 3), lambda: peers.stacks(name, process.pid, levels))
    return results


def cells(counts, columns):
    return [[name, *(value if isinstance(value := column[name], str) else milliseconds(value) for column in columns)] for name in columns[0]]


def ratio_rows(columns, ours, equal, what="fastest peer of equal information"):
    """How many times faster than the fastest of the peers `equal` each of our rows is."""
    rows = []
    for own in ours:
        row = [f"{what} / {own}"]
        for column in columns:
            known = [column[name] for name in equal if isinstance(column.get(name), float)]
            value = column[own]
            row.append(f"{min(known) / value:.1f}" if known and isinstance(value, float) else "-")
        rows.append(row)
    return rows


def dump(options, failures):
    counts = options.threads
    columns = [native(failures, count, options.rounds) for count in counts]
    head = ["ms", *(f"{count:,} threads" for count in counts)]
    rows = cells(counts, columns)
    equal = [name for name, (_, _, lines) in peers.NATIVE.items() if lines]
    rows += ratio_rows(columns, ["manhole, cold", "manhole, warm", "manhole, `bt all` in a session"], equal)
    table("Stacks of a C program: functions, files and lines of all threads, 15 frames each", head, rows)
    print(f"\nMedians of {options.rounds} (peers: up to 3). {machine()}")


VICTIM = """
import sys, threading, ctypes
if "upstream" in sys.argv:
    import manhole
    manhole.install(verbose=False)
lock = threading.Lock()
lock.acquire()
there = threading.Semaphore(0)
def descend(depth):
    if depth:
        return descend(depth - 1)
    there.release()
    lock.acquire()
threading.stack_size(256 << 10)
for _ in range(int(sys.argv[1])):
    threading.Thread(target=descend, args=(14,), daemon=True).start()
    there.acquire()
if len(sys.argv) > 3:
    import os
    os.sched_setaffinity(0, os.sched_getaffinity(0) - {int(sys.argv[3])})
    spinner = ctypes.CDLL(sys.argv[2])
    spinner.spin_mark.restype = ctypes.c_long
    assert spinner.spin_start(int(sys.argv[3])) == 0
print("ready", flush=True)
for line in sys.stdin:
    print("gap", spinner.spin_mark(), flush=True)
"""

END_OF_DUMP = b"#" * 45 + b"\n\n\n"
GREETED = b"(ManholeConsole)\n>>> "


def python_session(pid, frames):
    """Seconds until the end of the dump, and until the prompt."""
    with Client(pid, END_OF_DUMP) as client:
        dumped = client.seconds
        found = shown(client.answer, r", in descend$") if b"#########" in client.answer else 0
        checked(found, frames, "the dump")
        return dumped, client.wait(GREETED)


def pythons(failures, threads, rounds):
    command = [peers.python(), "-c", VICTIM, str(threads)]
    frames = threads * 15
    results = {}

    def cold():
        with started(command, OURS) as process:
            return python_session(process.pid, frames)[0]

    results["manhole, cold, until the end of the dump, with native frames"] = several(rounds, cold)
    with started(command, OURS) as process:
        several(1, lambda: python_session(process.pid, frames)[0])
        results["manhole, warm, until the end of the dump, with native frames"] = several(rounds, lambda: python_session(process.pid, frames)[0])
        results["manhole, warm, until Python's prompt"] = several(rounds, lambda: python_session(process.pid, frames)[1])
    name = "python-manhole 1.8.1, until its prompt, Python's frames alone"
    if reason := failures.get("manhole"):
        results[name] = reason
    else:
        with started([*command, "upstream"], {}) as process:
            results[name] = several(rounds, lambda: python_session(process.pid, frames)[1])
    for name in peers.PYTHON:
        progress(f"Python, {threads} threads: {name}")
        if reason := failures.get(name.strip("`").split()[0]):
            results[name] = reason
            continue
        with started(command, {}) as process:
            results[name] = several(min(rounds, 3), lambda: peers.python_stacks(name, process.pid, frames))
    return results


def python(options, failures):
    counts = [count for count in options.threads if count <= 1000]
    columns = [pythons(failures, count, options.rounds) for count in counts]
    rows = cells(counts, columns)
    ours = [name for name in columns[0] if "native frames" in name]
    for peer in ("`pystack remote --native`", "`py-spy dump --native`"):
        rows += ratio_rows(columns, ours, [peer], peer)
    table("Stacks of a Python, 15 functions deep", ["ms", *(f"{count:,} threads" for count in counts)], rows)
    print("\nOf native frames py-spy shows the interpreter's functions without lines, and addresses in stripped libraries; pystack and manhole show functions and lines.")
    print(f"\nMedians of {options.rounds} (peers: up to 3). {machine()}")

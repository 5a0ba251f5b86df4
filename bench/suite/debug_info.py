"""Part `debug_info`: the prompt over a program with much debug information, against gdb.

Builds tests/victims/big_debug.py's program (the defaults give about 500 MB of debug information, and take some minutes). In each round a
new process is entered:
   - print of a global, the first one of the process; of another one; of the first again; of a name that is nowhere
   - the line of an address, the first one; of forty others
   - what the process has grown by (Rss) at the end of the session, and four seconds after it
   - gdb, started and attached: print of the same global, start to end of the command
The files are in the page cache. Needs 2 GB of disk.
"""

import os
import subprocess
import sys
import time

from suite.common import LIBRARY, ROOT, TARGET, Client, machine, median, milliseconds, started, table

RECORDS = 2900  # of each unit

OTHER_LINES = "lines of others, each in a unit of its own"

QUESTIONS = (
    ("print of a global, the first", "print server.verbosity", "= 3"),
    ("print of another one", "print value_17", "= 18"),
    ("print of the first again", "print server.verbosity", "= 3"),
    ("print of a name that is nowhere", "print no_such_name", "No symbol"),
    ("line of an address, the first", "info line *{use_9}", "unit_9.c"),
    *((OTHER_LINES, f"info line *{{use_{unit}}}", f"unit_{unit}.c") for unit in range(100, 140)),
    ("line of the first again", "info line *{use_9}", "unit_9.c"),
)



def program(units):
    directory = os.path.join(TARGET, "victims")
    os.makedirs(directory, exist_ok=True)
    path = os.path.join(directory, f"big_{units}_{RECORDS}")
    if not os.path.exists(path):
        script = os.path.join(ROOT, "tests", "victims", "big_debug.py")
        subprocess.run([sys.executable, script, path, str(units), str(RECORDS)], check=True)
    return path


def addresses(pid, path):
    """Where the functions are that the questions name."""
    symbols = subprocess.run(["nm", path], stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()
    offsets = {words[2]: int(words[0], 16) for words in map(str.split, symbols) if words[-1].startswith("use_")}
    with open(f"/proc/{pid}/maps", encoding="utf-8") as maps:
        base = min(int(line.split("-")[0], 16) for line in maps if os.path.realpath(path) in line)
    return {name: hex(base + offset) for name, offset in offsets.items()}


def resident(pid):
    """What the process has in memory, in KiB."""
    with open(f"/proc/{pid}/smaps_rollup", encoding="utf-8") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("Rss:"))


def entered(path, failures):
    """One round: the seconds of each question, the growth in KiB at the end and later, and gdb's seconds or None."""
    with started([path], {"LD_PRELOAD": LIBRARY, "MANHOLE": "timeout=60"}, ready=b"") as victim:
        before = resident(victim.pid)
        times = []
        with Client(victim.pid) as client:
            known = addresses(victim.pid, path)
            for _, line, expected in QUESTIONS:
                line = line.format(**known)
                times.append(client.ask(line.encode(), b">>> "))
                if expected.encode() not in client.answer:
                    sys.exit(f"{line}: {client.answer}")
            grown = resident(victim.pid) - before
        time.sleep(4)
        left = resident(victim.pid) - before
        if "gdb" in failures:
            return times, grown, left, None
        gdb = ["gdb", "-nx", "-batch", "-p", str(victim.pid), "-ex", QUESTIONS[0][1]]
        began = time.perf_counter()
        said = subprocess.run(gdb, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True).stdout
        peer = time.perf_counter() - began
        if b"= 3" not in said:
            sys.exit(f"gdb: {said}")
        return times, grown, left, peer


def debug_info(options, failures):
    path = program(options.units)
    rounds = [entered(path, failures) for _ in range(options.rounds)]
    rows = []
    for name in dict.fromkeys(name for name, _, _ in QUESTIONS):
        asked = [number for number, (known, _, _) in enumerate(QUESTIONS) if known == name]
        rows.append([name, f"{milliseconds(median([times[number] for times, *_ in rounds for number in asked]))} ms"])
    rows.append(["more memory at the end of the session", f"{median([grown for _, grown, _, _ in rounds]) / 1024:.1f} MiB"])
    rows.append(["four seconds after it", f"{median([left for _, _, left, _ in rounds]) / 1024:.1f} MiB"])
    if "gdb" in failures:
        rows.append(["gdb", failures["gdb"]])
    else:
        peer = median([peer for *_, peer in rounds])
        rows.append(["gdb, attached for the first print", f"{milliseconds(peer)} ms"])
        rows.append(["gdb's first print / ours", f"{peer / median([times[0] for times, *_ in rounds]):.1f}"])
    table(f"The prompt over {os.path.getsize(path) / 1e6:.0f} MB of program and debug information", ["", ""], rows)
    print(f"\nMedians of {options.rounds}. {machine()}")

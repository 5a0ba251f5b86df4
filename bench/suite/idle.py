"""Part `idle`: how often the threads of idle processes run within some seconds. Each time is a context switch, voluntary or not."""

import contextlib
import glob
import time

from suite import dump
from suite.common import LIBRARY, Client, machine, started, table, wait_until
from suite.memory import threads_of


def switches(pid):
    count = 0
    for path in glob.glob(f"/proc/{pid}/task/*/status"):
        with open(path, encoding="ascii") as file:
            count += sum(int(line.split()[1]) for line in file if "ctxt_switches" in line)
    return count


def idle(options, _):
    threads = [dump.victim(), "10"]
    ours = {"auto": {"LD_PRELOAD": LIBRARY}, "`thread=True`": {"LD_PRELOAD": LIBRARY, "MANHOLE": "thread=True"}}
    with contextlib.ExitStack() as stack:
        processes = {"`sleep`, no preload": stack.enter_context(started(["sleep", "1000"], {}, ready=None))}
        for name, changes in ours.items():
            processes[f"`sleep`, {name}"] = stack.enter_context(started(["sleep", "1000"], changes, ready=None))
            processes[f"10 threads, {name}"] = stack.enter_context(started(threads, changes))
            later = stack.enter_context(started(["sleep", "1000"], changes, ready=None))
            before = threads_of(later.pid)
            with Client(later.pid):
                pass
            wait_until(lambda pid=later.pid, count=before: threads_of(pid) == count, "our thread to go")
            processes[f"`sleep`, {name}, after a session"] = later
        time.sleep(6)  # what follows a start or a session
        before = {name: switches(process.pid) for name, process in processes.items()}
        time.sleep(options.idle)
        rows = [[name, threads_of(process.pid), switches(process.pid) - before[name]] for name, process in processes.items()]
    table(f"Wake-ups of an idle process in {options.idle} s", ["", "threads", "context switches"], rows)
    print(f"\n{machine()}")

"""Part `memory`: what `sleep` has in memory under each preload, and after a session. One process at a time, so that nobody shares the
library's pages with it: what is counted is all that it costs."""

import glob
import time

from suite.common import Client, machine, median, preloads, started, table, wait_until

DUMPS = 20
LINES = (b"info threads", b"bt all", b"print 6 * 7", b"info maps", b"help", b"print (int)getpid()")


def fields(path, names):
    with open(path, encoding="ascii") as file:
        known = dict(line.split(":", 1) for line in file if ":" in line)
    return [int(known[name].split()[0]) for name in names]


def memory_of(pid):
    """KiB: Pss, Private_Dirty, Private_Clean, VmSize"""
    found = fields(f"/proc/{pid}/smaps_rollup", ["Pss", "Private_Dirty", "Private_Clean"])
    return found + fields(f"/proc/{pid}/status", ["VmSize"])


def threads_of(pid):
    return len(glob.glob(f"/proc/{pid}/task/*"))


def medians(samples):
    return [median(column) for column in zip(*samples)]


def session(pid):
    for _ in range(DUMPS):
        with Client(pid):
            pass
    with Client(pid) as client:
        for line in LINES:
            client.ask(line)


def memory(options, _):
    kinds = {name: changes for name, changes in preloads().items() if "off" not in name}
    samples = {name: [] for name in kinds}
    after = {}
    for _ in range(options.rounds):
        for name, changes in kinds.items():
            with started(["sleep", "1000"], changes, ready=None) as process:
                before = threads_of(process.pid)
                samples[name].append(memory_of(process.pid))
                if name.startswith("libmanhole"):
                    session(process.pid)
                    wait_until(lambda: threads_of(process.pid) == before, "our thread to go")
                    if before > 1:
                        settle(process.pid)
                    after.setdefault(f"{name}, after a session", []).append(memory_of(process.pid))
    empty = medians(samples["an empty C preload"])
    rows = []
    for name, values in {**samples, **after}.items():
        found = medians(values)
        rows.append([name, *(f"{value:,.0f}" for value in found), f"{found[0] - empty[0]:+,.0f}", f"{found[3] - empty[3]:+,.0f}"])
    head = ["KiB", "Pss", "Private_Dirty", "Private_Clean", "VmSize", "Pss over the empty preload", "VmSize over it"]
    table("Memory of `sleep`", head, rows)
    print(f"\nMedians of {options.rounds}; a session: {DUMPS} connections, then {len(LINES)} lines at the prompt. {machine()}")


def settle(pid):
    """Waits until a process whose thread stays has given back what it gives back: until Pss is the same for five seconds."""
    last, since = None, time.monotonic()
    while time.monotonic() - since < 5:
        now = memory_of(pid)[0]
        if now != last:
            last, since = now, time.monotonic()
        time.sleep(0.5)

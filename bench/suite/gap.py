"""Part `gap`: for how long a dump stops a running thread. A thread that has a CPU for itself (spinner.c) keeps its longest gap, while all
other threads, the manhole's and the peer have the other CPUs.

Rounds in which the scheduler took the spinner's CPU away count only where there is no other.
"""

import os
import time

from suite import dump, peers
from suite.common import Failed, machine, median, progress, shared, started, table

WINDOW = 0.1  # seconds that the baseline lasts


def mark(process):
    """(the longest gap since the last mark in us, whether the scheduler left the spinner alone)"""
    process.stdin.write(b"mark\n")
    process.stdin.flush()
    gap = int(process.stdout.readline().split()[1])
    return abs(gap) / 1000, gap >= 0


def gaps(process, rounds, action):
    results = []
    try:
        spent = 0
        while len(results) < (rounds if spent < 30 else 1):
            mark(process)
            spent += action()
            results.append(mark(process))
    except Failed as reason:
        return [str(reason), "", "", ""]
    clean = [gap for gap, alone in results if alone]
    kept = clean or [gap for gap, _ in results]
    remark = f"{len(clean)} of {len(results)}" if clean else f"{len(results)}, all preempted"
    return [f"{median(kept):,.1f}", f"{min(kept):,.1f}", f"{max(kept):,.1f}", remark]


def nothing():
    time.sleep(WINDOW)
    return WINDOW


def native(failures, threads, rounds, cpu):
    command = [dump.victim(), str(threads), str(cpu)]
    rows = []
    with started(command, dump.OURS) as process:
        levels = dump.counted(process)[1]
        rows.append([f"(no dump, {WINDOW * 1000:.0f} ms)", *gaps(process, rounds, nothing)])
        rows.append(["manhole, cold", *gaps(process, 1, lambda: dump.greeting(process.pid, levels))])
        rows.append(["manhole, warm", *gaps(process, rounds, lambda: dump.greeting(process.pid, levels))])
        rows.append(["manhole, `bt all` in a session", *gaps(process, rounds, lambda: dump.in_full(process.pid, levels))])
    for name in peers.NATIVE:
        progress(f"gap: {name}")
        if reason := failures.get(name.split()[0].strip("`,")):
            rows.append([name, reason, "", "", ""])
            continue
        with started(command, {}) as process:
            rows.append([name, *gaps(process, min(rounds, 3), lambda: peers.stacks(name, process.pid, levels))])
    return rows


def python(failures, threads, rounds, cpu):
    spinner = shared("spinner.so", "spinner.c")
    command = [peers.python(), "-c", dump.VICTIM, str(threads), spinner, str(cpu)]
    frames = threads * 15
    rows = []
    with started(command, dump.OURS) as process:
        rows.append([f"Python (no dump, {WINDOW * 1000:.0f} ms)", *gaps(process, rounds, nothing)])
        rows.append(["Python, manhole, warm, until the prompt", *gaps(process, rounds, lambda: dump.python_session(process.pid, frames)[1])])
    for name in peers.PYTHON:
        progress(f"gap: {name}")
        if reason := failures.get(name.strip("`").split()[0]):
            rows.append([name, reason, "", "", ""])
            continue
        with started(command, {}) as process:
            rows.append([f"Python, {name}", *gaps(process, min(rounds, 3), lambda: peers.python_stacks(name, process.pid, frames))])
    return rows


def gap(options, failures):
    allowed = sorted(os.sched_getaffinity(0))
    if len(allowed) < 2:
        print("\n### Longest gap of a running thread\n\nNot measured: this needs a second CPU.")
        return
    cpu = allowed[-1]
    os.sched_setaffinity(0, allowed[:-1])  # for us and the peers; the victims free it for their spinner by spin_start
    try:
        rows = native(failures, options.gap_threads, options.gap_rounds, cpu)
        rows += python(failures, options.gap_threads, options.gap_rounds, cpu)
    finally:
        os.sched_setaffinity(0, allowed)
    title = f"Longest gap of a running thread during a dump of {options.gap_threads:,} blocked ones"
    table(title, ["µs", "median", "least", "worst", "rounds that count"], rows)
    print(f"\nThe thread is alone on CPU {cpu}. {machine()}")

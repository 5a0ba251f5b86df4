"""Part `start`: /bin/true from posix_spawn(3) to the end of wait(2), under each preload in turn (starts.c)."""

import subprocess

from suite.common import built, machine, preloads, table


def start(options, _):
    program = built("starts", "gcc", "starts.c")
    kinds = preloads()
    words = [program, str(options.starts), "/bin/true"]
    for changes in kinds.values():
        words += ["--", *(f"{name}={value}" for name, value in changes.items())]
    said = subprocess.run(words, capture_output=True, text=True, check=True).stdout.splitlines()
    found = {name: tuple(int(number) / 1000 for number in line.split()) for name, line in zip(kinds, said, strict=True)}
    bare = found["no preload"]
    rows = []
    for name, (middle, tenth) in found.items():
        against = "a listening C preload, one thread" if "thread=True" in name else "a listening C preload"
        extra = [value - base for value, base in zip(found[name], bare)]
        of = [value - base for value, base in zip(found[against], bare)]
        ratio = "-" if not name.startswith("libmanhole") else f"{extra[0] / of[0]:.2f}, {extra[1] / of[1]:.2f}"
        rows.append([name, f"{middle:.0f}", f"{tenth:.0f}", f"{extra[0]:+.0f}", f"{extra[1]:+.0f}", ratio])
    head = ["µs", "median", "10th percentile", "extra (median)", "extra (10th)", "extra / the listening preload's (median, 10th)"]
    table(f"Start and end of /bin/true, {options.starts:,} rounds", head, rows)
    print(f"\n`thread=True` is compared with the preload that starts a thread. {machine()}")

"""Part `steady`: what the preload costs loops that are bound by the CPU, malloc, stdio and shared_ptr (steady.cpp), in a program of one
thread and in one of two, against no preload. Interleaved; each process says its best of nine, the table has the medians of processes."""

import subprocess

from suite.common import built, environment, machine, median, preloads, table

KINDS = ("no preload", "an empty C preload", "a listening C preload, one thread", "libmanhole", "libmanhole, `thread=True`")


def steady(options, _):
    program = built("steady", "g++", "-std=c++17", "steady.cpp", "-lpthread")
    known = preloads()
    for title, words in (("one thread", [program]), ("two threads", [program, "thread"])):
        samples = {kind: {} for kind in KINDS}
        for _ in range(options.steady):
            for kind in KINDS:
                output = subprocess.run(words, env=environment(known[kind]), capture_output=True, text=True, check=True).stdout
                for line in output.splitlines():
                    name, value = line.split()
                    samples[kind].setdefault(name, []).append(float(value))
        bare = {name: median(values) for name, values in samples[KINDS[0]].items()}
        rows = [[f"{KINDS[0]}, ns", *(f"{value:.2f}" for value in bare.values())]]
        for kind in KINDS[1:]:
            rows.append([kind, *(f"{median(values) / bare[name]:.3f}" for name, values in samples[kind].items())])
        table(f"Steady state of a program of {title}, ratio to no preload", ["", *bare], rows)
    print(f"\nMedians of {options.steady} processes, each the best of nine. {machine()}")

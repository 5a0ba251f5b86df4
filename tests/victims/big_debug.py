#!/usr/bin/env python3
"""Builds a program with as much debug information as is wanted, out of generated C units.

    big_debug.py OUTPUT UNITS RECORDS [FLAG...]

Each of the UNITS has RECORDS structures of its own (about 700 bytes of .debug_info each), uses what the unit in the middle defines
(`server`, `compute`), and has a static `hidden` of the same name as all others'. UNITS=250 RECORDS=2900 gives about 500 MB. FLAGs
go to the compiler. The program prints "ready" and waits for the end of its input.
"""

import concurrent.futures
import os
import subprocess
import sys
import tempfile

HEADER = """
struct config { int verbosity; long limits[4]; const char *name; };
enum color { RED, GREEN = 7 };
extern struct config server;
extern int compute(int parameter);
#define MEMBERS(n) \\
  int first_##n; long second_##n; char *third_##n; struct config *fourth_##n; enum color fifth_##n; \\
  unsigned sixth_##n : 3; double seventh_##n[3]; int (*eighth_##n)(int, struct config *)
"""


def unit(number, units, records):
    lines = ['#include "all.h"']
    before = "config"
    for record in range(records):
        name = f"record_{number}_{record}"
        parts = " ".join(f"MEMBERS(part{part});" for part in range(6))
        lines.append(f"struct {name} {{ struct {before} *next; {parts} }};")
        before = name
    lines.append(f"struct {before} last_{number}; static int hidden = {number}; int value_{number} = {number} + 1;")
    lines.append(f"int use_{number}(int x) {{ int local = x + hidden++; return compute(local) + server.verbosity; }}")
    if number == units // 2:
        lines.append('struct config server = { 3, { 1, 2, 3, 4 }, "big" };')
        lines.append("enum color favourite = GREEN;")
        lines.append("int compute(int parameter) { return parameter + server.verbosity; }")
    return "\n".join(lines) + "\n"


def main():
    output, units, records, flags = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:]
    output = os.path.abspath(output)
    with tempfile.TemporaryDirectory(dir=os.path.dirname(output)) as directory:
        def write(name, text):
            with open(os.path.join(directory, name), "w", encoding="utf-8") as file:
                file.write(text)

        def compiled(name):
            command = ["gcc", "-O0", "-g", "-fno-eliminate-unused-debug-types", *flags, "-c", name, "-o", name + ".o"]
            subprocess.run(command, cwd=directory, check=True)
            return name + ".o"

        def build(number):
            name = f"unit_{number}.c"
            write(name, unit(number, units, records))
            built = compiled(name)
            os.unlink(os.path.join(directory, name))
            return built

        write("all.h", HEADER)
        uses = " ".join(f"int use_{number}(int);" for number in range(units))
        calls = " + ".join(f"use_{number}(1)" for number in range(units))
        write("main.c", f"""#include <stdio.h>
{uses}
int main(void) {{ int sum = {calls}; puts("ready"); fflush(stdout); while (getchar() != EOF) sum++; return sum == 1; }}
""")
        with concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
            objects = list(pool.map(build, range(units)))
        subprocess.run(["gcc", "-O0", "-g", *flags, "main.c", *objects, "-o", output], cwd=directory, check=True)


main()

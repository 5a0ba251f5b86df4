"""Part `prompt`: connect to `>>> ` in a small process: the first connection of a process, and later ones. Where the debug information of the
C library is installed and compressed (Debian: libc6-dbg), the first connection has to decompress it."""

import os

from suite import dump, peers
from suite.common import LIBRARY, Client, Failed, debug_information_of_libc, machine, median, milliseconds, started, table

PYTHON = 'import sys\nif len(sys.argv) > 1:\n    import manhole\n    manhole.install(verbose=False)\nprint("ready", flush=True)\nsys.stdin.read()'


def hidden():
    """`sleep` in a mount namespace where nothing is in /usr/lib/debug."""
    script = 'mount -t tmpfs none /usr/lib/debug && exec env "LD_PRELOAD=$0" sleep 1000'
    return ["unshare", "-m", "sh", "-c", script, LIBRARY]


def session(pid, until):
    with Client(pid, until) as client:
        return client.seconds


def measured(command, changes, ready, until, rounds):
    first, later = [], []
    try:
        for _ in range(rounds):
            with started(command, changes, ready) as process:
                first.append(session(process.pid, until))
                later += [session(process.pid, until) for _ in range(5)]
    except Failed as reason:
        return [str(reason), "", "", ""]
    return [milliseconds(median(first)), milliseconds(max(first)), milliseconds(median(later)), milliseconds(max(later))]


def prompt(options, failures):
    ours = {"LD_PRELOAD": LIBRARY}
    always = {**ours, "MANHOLE": "thread=True"}
    ready = b"ready"
    rows = [["`sleep`", *measured(["sleep", "1000"], ours, None, b">>> ", options.prompts)]]
    rows.append(["`sleep`, `thread=True`", *measured(["sleep", "1000"], always, None, b">>> ", options.prompts)])
    if debug_information_of_libc() and os.geteuid() == 0:
        rows.append(["`sleep`, where libc6-dbg is not installed", *measured(hidden(), {}, None, b">>> ", options.prompts)])
    rows.append(["C, 10 threads", *measured([dump.victim(), "10"], ours, ready, b"\n>>> ", options.prompts)])
    python = [peers.python(), "-c", PYTHON]
    rows.append(["Python", *measured(python, ours, ready, dump.GREETED, options.prompts)])
    if reason := failures.get("manhole"):
        rows.append(["python-manhole 1.8.1", reason, "", "", ""])
    else:
        rows.append(["python-manhole 1.8.1", *measured([*python, "upstream"], {}, ready, dump.GREETED, options.prompts)])
    head = ["ms", "first connection, median", "worst", "later ones, median", "worst"]
    table("Connect to the prompt of a small process", head, rows)
    print(f"\nMedians of {options.prompts} processes, 5 later connections each. {machine()}")

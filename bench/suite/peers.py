"""The peers: how each is installed and started, and what its output must hold before its time counts."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time

from suite.common import BENCH, PATIENCE, TARGET, Failed, progress

ENVIRONMENT = os.path.join(TARGET, "bench-peers")
PACKAGES = ["manhole==1.8.1", "py-spy", "pystack", "frida"]
DEBIAN = {"gdb": "gdb", "eu-stack": "elfutils", "gcc": "gcc", "g++": "g++", "cargo": "cargo"}
GDB = ("gdb", "-nx", "-batch", "-iex", "set debuginfod enabled off", "-iex", "set auto-load off")


def python():
    """The interpreter of the virtual environment."""
    return os.path.join(ENVIRONMENT, "bin", "python")


def install():
    """Installs what is missing; returns what could not be, by name, with the reason."""
    missing = [package for program, package in DEBIAN.items() if not shutil.which(program)]
    base = "/usr/bin/python3" if os.path.exists("/usr/bin/python3") else sys.executable
    if subprocess.run([base, "-c", "import ensurepip"], stderr=subprocess.DEVNULL, check=False).returncode:
        missing.append("python3-venv")
    if missing and os.geteuid() == 0 and shutil.which("apt-get"):
        progress(f"installing: {' '.join(missing)}")
        quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        subprocess.run(["apt-get", "update", "-qq"], stdout=sys.stderr, check=False)
        words = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing]
        subprocess.run(words, stdout=sys.stderr, env=quiet, check=False)
    failures = {}
    for program, package in DEBIAN.items():
        if not shutil.which(program):
            failures[program] = f"not installed (apt-get install {package})"
    if not os.path.exists(python()):
        made = subprocess.run([base, "-m", "venv", ENVIRONMENT], capture_output=True, text=True, check=False)
        if made.returncode:
            return {**failures, **{package: f"no virtual environment: {made.stdout.strip()[-100:]}" for package in PACKAGES}}
    for package in PACKAGES:
        name = package.split("==")[0]
        known = [python(), "-m", "pip", "show", "--quiet", name]
        if subprocess.run(known, capture_output=True, check=False).returncode == 0:
            continue
        progress(f"installing {package}")
        done = subprocess.run([python(), "-m", "pip", "install", "--quiet", package], capture_output=True, text=True, check=False)
        if done.returncode:
            failures[name] = f"not installed: {done.stderr.strip().splitlines()[-1][:100]}"
    return failures


def versions():
    """One line that names the peers' versions."""
    said = []
    for program in ("gdb", "eu-stack"):
        if shutil.which(program):
            first = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout.splitlines()[0]
            said.append(f"{program} {first.split()[-1]}")
    if os.path.exists(python()):
        listed = subprocess.run([python(), "-m", "pip", "list", "--format=freeze"], capture_output=True, text=True, check=False).stdout
        names = [package.split("==")[0] for package in PACKAGES]
        said += [line.replace("==", " ") for line in listed.splitlines() if line.split("==")[0].replace("_", "-") in names]
        version = subprocess.run([python(), "--version"], capture_output=True, text=True, check=False).stdout.strip()
        said.append(version)
    return ", ".join(said)


def run(words):
    """(seconds, output) of a command, which is ended with all that it has started when it lasts too long."""
    began = time.perf_counter()
    try:
        process = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
        )
    except OSError as error:
        raise Failed(f"cannot be started: {error.strerror}") from error
    try:
        output, errors = process.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        raise Failed(f"> {PATIENCE} s") from None
    took = time.perf_counter() - began
    if process.returncode and not output:
        last = errors.decode(errors="replace").strip().splitlines() or [f"status {process.returncode}"]
        raise Failed(last[-1][:120])
    return took, output.decode(errors="replace")


# name -> (command, the pattern of one frame of a level, whether source lines are expected). Frida has no names for functions of libc that are
# not exported, and "0" for the innermost frame.
NATIVE = {
    "gdb `thread apply all bt`": ((*GDB, "-p", "PID", "-ex", "thread apply all bt"), r"\bin level_\w+ \(|^#\d+ +level_\w+ \(", True),
    "eu-stack -s (lines)": (("eu-stack", "-s", "-p", "PID"), r" level_\w+$", True),
    "eu-stack (names alone)": (("eu-stack", "-p", "PID"), r" level_\w+$", False),
    "frida, a script": ((python(), os.path.join(BENCH, "frida_stacks.py"), "PID"), r"!level_\w+", True),
}


def stacks(name, pid, levels):
    """Seconds that a peer takes for the stacks of a process of threads.c, of which it must have shown all frames."""
    words, frame, lines = NATIVE[name]
    took, output = run([word.replace("PID", str(pid)) for word in words])
    found = len(re.findall(frame, output, re.MULTILINE))
    if found < levels:
        raise Failed(f"has shown {found} of {levels} frames: {output.strip()[-80:]!r}")
    known = output.count("threads.c")
    if lines and known < levels:
        raise Failed(f"has shown {known} lines for {levels} frames")
    return took


# name -> (command, what shows that frames of the machine are there too; py-spy has addresses of the C library, without names)
NATIVE_FRAME = r"PyThread_acquire_lock|libc\.so|sem_"
PYTHON = {
    "`py-spy dump --native`": (("py-spy", "dump", "--native", "--pid", "PID"), NATIVE_FRAME),
    "`py-spy dump` (Python's frames alone)": (("py-spy", "dump", "--pid", "PID"), None),
    "`pystack remote --native`": (("pystack", "remote", "--native", "PID"), NATIVE_FRAME),
}


def python_stacks(name, pid, frames):
    """The same for a process of the Python victim."""
    words, native = PYTHON[name]
    program = os.path.join(ENVIRONMENT, "bin", words[0])
    took, output = run([program, *(word.replace("PID", str(pid)) for word in words[1:])])
    found = len(re.findall(r"\bdescend\b(?!\()", output))
    if found < frames:
        raise Failed(f"has shown {found} of {frames} frames: {output.strip()[-80:]!r}")
    if native and not re.search(native, output):
        raise Failed("has shown no native frames")
    return took

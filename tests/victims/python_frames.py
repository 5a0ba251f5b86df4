"""Threads of Python that wait in every way that a stack can look like, one that never waits, and one that keeps the interpreter's lock.

    python_frames.py [busy] [switches] [long] [stuck] [sub] [deadlock=LIBRARY] [spins=LIBRARY]

Prints `ready pid=N threads=N` when all are where they stay. Then, for each line of standard input, it prints `frames JSON`: what
sys._current_frames() says of each thread but the main one and the busy one, as {kernel's id: [[file, line, function], ...]}, innermost
first. With `long` a function has a name of 5000 characters. With `sub` there is a sub-interpreter as well. With `stuck` a thread keeps the lock for ever, so nothing is answered any more; so it is with `deadlock`, where it
waits for a mutex whose owner waits for the lock, and with `spins`, where it runs for ever (LIBRARY is keeps_lock.c).
"""

import asyncio
import ctypes
import json
import os
import sys
import threading
import time

reached = threading.Semaphore(0)
forever = threading.Event()
libc = ctypes.CDLL(None)


def wait():
    reached.release()
    forever.wait()


def descend(depth):
    if depth:
        return descend(depth - 1)
    wait()


class Box:
    def __del__(self):
        wait()

    @property
    def größe(self):
        return sorted([2, 1], key=self.key)

    def key(self, number):
        wait()
        return number


class Made:
    def __init__(self, is_last):
        if is_last:
            wait()


def makes():
    # Made so often that the call is specialized: the interpreter has a frame of its own for it then.
    for number in range(3000):
        Made(number == 2999)


def generates():
    yield from inner()


def inner():
    wait()
    yield 1


async def awaits():
    await asyncio.sleep(0)
    await deeper()


async def deeper():
    wait()


def by_c():
    callback = ctypes.CFUNCTYPE(None)(wait)
    callback()


def in_c():
    reached.release()
    libc.pause()


def lines():
    # fmt: off
    (lambda:
        [
            wait()
            for _ in
            range(1)
        ]
     )()
    # fmt: on


def handles():
    try:
        raise ValueError
    except ValueError:
        wait()
    finally:
        forever.clear()


def destroys():
    box = Box()
    del box


def busy():
    def leaf(number):
        return number + 1

    reached.release()
    number = 0
    while True:
        number = leaf(number)


def rests(number):
    time.sleep(0.0003)
    return number


def computes(number):
    for _ in range(5000):
        number += 1
    return number


def switches():
    def deep(depth):
        def less(number):
            deep(depth - 1)
            return number

        sorted([2, 1], key=less if depth else computes)

    reached.release()
    while True:
        # The one has fewer calls of C's on its way than the other.
        sorted([2], key=rests)
        deep(3)


def stuck():
    reached.release()
    # A call by PyDLL keeps the interpreter's lock.
    ctypes.PyDLL(None).pause()


def owns(library):
    """Owns the mutex, and wants the interpreter's lock when somebody has that who wants the mutex."""
    ctypes.CDLL(library).take()
    start(lambda: wants(library))
    # The C library's function waits without the lock, and wants it after that.
    while True:
        libc.usleep(1000)


def wants(library):
    reached.release()
    ctypes.PyDLL(library).take()


def spins(library):
    reached.release()
    ctypes.PyDLL(library).spin()


def start(function):
    thread = threading.Thread(target=function, daemon=True, name=function.__name__)
    thread.start()
    reached.acquire()
    return thread


def answer(threads):
    ids = {thread.ident: thread.native_id for thread in threads}
    frames = {}
    for ident, frame in sys._current_frames().items():
        if ident in ids:
            stack = frames[ids[ident]] = []
            while frame:
                stack.append([frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name])
                frame = frame.f_back
    print("frames", json.dumps(frames), flush=True)


def main():
    waiting = [
        wait,
        lambda: descend(300),
        lambda: Box().größe,
        lambda: list(generates()),
        lambda: asyncio.run(awaits()),
        by_c,
        in_c,
        lines,
        handles,
        destroys,
        makes,
        lambda: exec(compile("wait()", "<text>", "exec"), {"wait": wait}),
    ]
    threads = [start(function) for function in waiting]
    # Its name is an attribute as any other, wherever the interpreter keeps them.
    threads[3].name = "a longer name than the kernel has room for: größe"
    with_dictionary = start(wait)
    for number in range(40):
        setattr(with_dictionary, f"attribute{number}", number)
    with_dictionary.name = "with a dictionary"
    threads.append(with_dictionary)
    if "busy" in sys.argv:
        start(busy)
    if "switches" in sys.argv:
        start(switches)
    if "long" in sys.argv:
        start(lambda: exec(compile("def %s(): wait()\n%s()" % ("n" * 5000, "n" * 5000), "<text>", "exec"), {"wait": wait}))
    if "sub" in sys.argv:
        name = "_interpreters" if sys.version_info >= (3, 13) else "_xxsubinterpreters"
        globals()["kept"] = __import__(name).create()
    print(f"ready pid={os.getpid()} threads={threading.active_count()}", flush=True)
    if "stuck" in sys.argv:
        start(stuck)
    for argument in sys.argv:
        kind, _, library = argument.partition("=")
        if kind in ("deadlock", "spins"):
            function = {"deadlock": owns, "spins": spins}[kind]
            threading.Thread(target=function, args=(library,), daemon=True).start()
    for _ in sys.stdin:
        answer(threads)
    os._exit(0)


main()

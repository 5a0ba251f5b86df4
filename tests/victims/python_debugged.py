"""Threads for a debugger to stop, and for it to leave as they were.

The main thread calls work() again and again, `other thread` too; `waits` never executes anything, and `in one line` never begins another one. For each line of standard input the main
thread prints what is left of a debugger: `state TRACED... N`, the names of the threads that are traced and how often work() was called.
fork() is for the debugger's user: how a child ends that calls work(); and ends(), which comes to its end when `sys.ended` is there. SIGTERM ends the program with 3.

    python_debugged.py [green]     with `green` the module _thread numbers threads in another way than the interpreter
"""

import _thread
import os
import select
import signal
import sys

if sys.argv[1:] == ["green"]:
    _thread.get_ident = lambda real=_thread.get_ident: real() + 1

import threading

count = 0
traced = set()


def work(number):
    global count
    doubled = number * 2
    count += 1
    return doubled


def look(name):
    frame = sys._getframe()
    while frame:
        if frame.f_trace is not None or sys.gettrace() is not None:
            traced.add(name)
        frame = frame.f_back


def other():
    while True:
        look("other")
        threading.Event().wait(0.01)
        work(1000)


def waits(event):
    event.wait()


def ends():
    while not hasattr(sys, "ended"):
        threading.Event().wait(0.01)


def in_one_line():
    [select.select([], [], [], 0.01) for _ in iter(int, 1)]


def say(*words):
    # Python's streams are the client's.
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


def fork():
    child = os.fork()
    if child == 0:
        work(5)
        os._exit(7)
    return os.waitpid(child, 0)[1] >> 8


def loop():
    number = 0
    while True:
        number += 1
        work(number)
        if select.select([0], [], [], 0.01)[0]:
            word = os.read(0, 100).decode().strip()
            if not word:
                os._exit(0)
            traced.clear()
            look("main")
            threading.Event().wait(0.05)
            say("state", *sorted(traced), count)


def main():
    while True:
        try:
            loop()
        except KeyboardInterrupt:
            say("KeyboardInterrupt")


signal.signal(signal.SIGTERM, lambda *_: sys.exit(3))
threading.Thread(target=other, daemon=True, name="other thread").start()
threading.Thread(target=waits, args=(threading.Event(),), daemon=True, name="waits").start()
threading.Thread(target=in_one_line, daemon=True, name="in one line").start()
print(f"ready pid={os.getpid()}", flush=True)
main()

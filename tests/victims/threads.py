"""Python threads blocked in various ways, for the manhole of an interpreter.

Prints `thread NAME TID` for each and `ready pid=N threads=N`; ends at the end of stdin.
"""

import os
import queue
import select
import socket
import subprocess
import sys
import threading
import time

held = threading.Lock()
held.acquire()
never_set = threading.Event()
never_filled = queue.Queue()
condition = threading.Condition()
reading, writing = os.pipe()
listener = socket.socket(socket.AF_UNIX)
listener.bind("")  # an abstract name of the kernel's choice
listener.listen(1)
child = subprocess.Popen(["sleep", "1000"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
left_arrival = threading.Semaphore(0)


def in_condition():
    with condition:
        condition.wait()


def nested(depth, leaf):
    if depth:
        return nested(depth - 1, leaf)
    return leaf()


def c_calls_python(leaf):
    # Python -> C (sort) -> Python: frames of both kinds in turn.
    sorted([1], key=lambda _: leaf())


BODIES = {
    "lock": lambda: held.acquire(),
    "lock-timeout": lambda: held.acquire(timeout=100000),
    "event": never_set.wait,
    "queue": never_filled.get,
    "condition": in_condition,
    "sleep": lambda: time.sleep(100000),
    "select": lambda: select.select([reading], [], []),
    "read": lambda: os.read(reading, 1),
    "accept": listener.accept,
    "wait-child": child.wait,
    "nested": lambda: nested(30, never_set.wait),
    "c-and-python": lambda: c_calls_python(never_set.wait),
}


def start(name, body):
    def run():
        print("thread", name, threading.get_native_id(), flush=True)
        left_arrival.release()
        body()

    threading.Thread(target=run, name=name, daemon=True).start()
    left_arrival.acquire()


for name, body in BODIES.items():
    start(name, body)
print(f"ready pid={os.getpid()} threads={len(BODIES) + 1}", flush=True)
sys.stdin.read()
child.kill()
os._exit(0)

"""One thread, which does what the argument says and never comes to rest in a call that can be waited for."""
import fcntl
import os
import socket
import sys
import tempfile


def counts():
    number = 0
    while True:
        number += 1


def allocates():
    while True:
        [bytes(100000) for _ in range(10)]
        dict(enumerate(range(1000)))


def opens():
    with open(path) as file:
        file.read()


def locks():
    with open(path + ".lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)


def connects(listener, address):
    # Nobody accepts, and no more can wait for it.
    listener.bind(address)
    listener.listen(0)
    others = [socket.socket(listener.family) for _ in range(4)]
    for other in others:
        other.setblocking(False)
        other.connect_ex(listener.getsockname())
    with socket.socket(listener.family) as last:
        last.connect(listener.getsockname())
        print("connected", flush=True)
        counts()


def connects_by_tcp():
    connects(socket.socket(), ("127.0.0.1", 0))


def connects_here():
    global listener
    listener = socket.socket(socket.AF_UNIX)
    connects(listener, "")


directory = tempfile.mkdtemp()
path = os.path.join(directory, "fifo")
os.mkfifo(path)
held = open(path + ".lock", "w")
fcntl.flock(held, fcntl.LOCK_EX)
print("ready", flush=True)
globals()[sys.argv[1]]()

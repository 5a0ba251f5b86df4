"""Does what its standard input says, one word a line, and says what it has done. With an argument: with python-manhole, and these options."""
import atexit
import ctypes
import os
import subprocess
import sys
import threading

if len(sys.argv) > 1:
    import manhole

    manhole.install(**eval(f"dict({sys.argv[1]})"))
x = 41
streams = [sys.stdin, sys.stdout, sys.stderr, sys.__stdin__, sys.__stdout__, sys.__stderr__]
stop = threading.Event()
threading.Thread(target=stop.wait, daemon=True, name="waits").start()
atexit.register(lambda: print("atexit", flush=True))
print(f"ready pid={os.getpid()}", flush=True)
while True:
    # Nothing is read ahead: what follows may be for somebody else.
    word = b""
    while not word.endswith(b"\n"):
        byte = os.read(0, 1)
        if not byte:
            os._exit(0)
        word += byte
    word = word.decode().strip()
    if word == "streams":
        now = [sys.stdin, sys.stdout, sys.stderr, sys.__stdin__, sys.__stdout__, sys.__stderr__]
        same = all(one is other and not one.closed for one, other in zip(streams, now))
        last = [name for name in ("last_type", "last_value", "last_traceback", "last_exc") if hasattr(sys, name)]
        print("streams", same, threading.active_count(), last, flush=True)
    elif word == "stuck":
        # A call by PyDLL keeps the interpreter's lock: until a byte comes. Nobody has it between the calls either.
        library, byte, interval = ctypes.PyDLL(None), ctypes.create_string_buffer(1), sys.getswitchinterval()
        sys.setswitchinterval(1000)
        library.write(1, b"stuck\n", 6)
        library.read(0, byte, 1)
        sys.setswitchinterval(interval)
        print("free", flush=True)
    elif word == "fork":
        child = os.fork()
        if child == 0:
            print("child", flush=True)
            os._exit(0)
        os.waitpid(child, 0)
        print("forked", flush=True)
    elif word == "program":
        # It writes, and ends when this process does.
        subprocess.Popen(["sh", "-c", "echo started; exec cat"], stdin=subprocess.PIPE)
    elif word == "print":
        print("printed", flush=True)
    elif word == "end":
        break
print("END", flush=True)

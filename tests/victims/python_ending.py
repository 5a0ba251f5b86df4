"""Ends when its standard input does, in the way that its argument says.

    threads     while threads are there that it does not wait for
    alone       with no thread beside the main one
    importing   while somebody imports the module `atexit`, who does not get on before the interpreter ends
"""
import sys
import threading
import time


class Slow:
    def find_spec(self, name, path=None, target=None):
        if name == "atexit":
            print("imports", flush=True)
            while not sys.is_finalizing():
                time.sleep(0.01)


if sys.argv[1] == "threads":
    for _ in range(2):
        threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()
elif sys.argv[1] == "importing":
    sys.modules.pop("atexit", None)
    sys.meta_path.insert(0, Slow())
print("ready", flush=True)
sys.stdin.read()

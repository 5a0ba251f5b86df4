"""Starts a child by multiprocessing, in the way that its argument says, and says its pid. Both live until standard input ends."""
import multiprocessing
import os
import sys


def child(there, end):
    there.put(os.getpid())
    end.get()


if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[1])
    there, end = context.Queue(), context.Queue()
    process = context.Process(target=child, args=(there, end))
    process.start()
    print(f"ready pid={os.getpid()} child={there.get()}", flush=True)
    sys.stdin.read()
    end.put("end")
    process.join()

"""Counts in a greenlet, with everything patched by gevent, or nothing when it is told so."""
import sys

from gevent import monkey

if "unpatched" not in sys.argv:
    monkey.patch_all()

import gevent  # noqa: E402

ticks = 0


def tick():
    global ticks
    while True:
        ticks += 1
        gevent.sleep(0.005)


gevent.spawn(tick)
print("ready", flush=True)
while True:
    gevent.sleep(1)

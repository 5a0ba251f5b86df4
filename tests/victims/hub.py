"""Counts in a green thread: `hub.py gevent|eventlet patched|unpatched`, with everything patched or nothing."""
import sys

if sys.argv[1] == "gevent":
    from gevent import monkey

    if sys.argv[2] == "patched":
        monkey.patch_all()
    import gevent as hub
else:
    import eventlet as hub

    if sys.argv[2] == "patched":
        hub.monkey_patch()

ticks = 0


def tick():
    global ticks
    while True:
        ticks += 1
        hub.sleep(0.005)


hub.spawn(tick)
print("ready", flush=True)
while True:
    hub.sleep(1)

"""A web application: `/` answers the pid of the process that serves it; `/stuck/PATH` answers the pid at once and the rest
once somebody opens the fifo PATH for writing, as a request does that hangs on something else.

Under uWSGI, with MONITORED in the environment: a worker opens its manhole when its pid is written to that file.
"""
import ctypes
import os

try:
    import uwsgi
except ImportError:
    uwsgi = None


def open_manhole(_signal):
    with open(os.environ["MONITORED"]) as file:
        if file.read().strip() == str(os.getpid()):
            ctypes.CDLL(None).manhole_install(b"strict=False")


if uwsgi and "MONITORED" in os.environ:
    uwsgi.register_signal(17, "workers", open_manhole)
    uwsgi.add_file_monitor(17, os.environ["MONITORED"])


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    yield b"%d\n" % os.getpid()
    path = environ["PATH_INFO"]
    if path.startswith("/stuck/"):
        with open(path[len("/stuck"):]) as fifo:
            yield fifo.read().encode()

"""A load for nginx: several clients at once, each with a connection for each request; the master is told to do things after fixed numbers of requests.

Takes nginx's socket, its pid file and how many requests each client makes of each kind. Prints how often which answer came.
"""
import collections, hashlib, http.client, os, signal, socket, sys, threading, time

door, pid_file, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
KINDS = ["/small.txt", "/numbers.txt", "/large.bin", "/threads/large.bin", "/proxy/numbers.txt", "/proxy/large.bin", "/zipped/numbers.txt", "/none/x", "/moved"]
CLIENTS = 4
answers, lock, done = collections.Counter(), threading.Lock(), threading.Semaphore(0)


class Connection(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(60)
        self.sock.connect(door)


def ask(kind):
    try:
        connection = Connection("nginx")
        connection.request("GET", kind, headers={"Connection": "close", "Accept-Encoding": "gzip"})
        response = connection.getresponse()
        body = response.read()
        connection.close()
        return response.status, len(body), hashlib.sha1(body).hexdigest()[:12]
    except (OSError, http.client.HTTPException) as error:
        return type(error).__name__, str(error), ""


def client():
    for _ in range(count):
        for kind in KINDS:
            answer = (kind, *ask(kind))
            with lock:
                answers[answer] += 1
            done.release()


def master():
    """Its id; 0 while there is none: it is about to be replaced."""
    try:
        return int(open(pid_file).read() or 0)
    except FileNotFoundError:
        return 0


def until(condition):
    deadline = time.monotonic() + 60
    while not condition():
        if time.monotonic() > deadline:
            print("nginx does not do what it was told to", flush=True)
            os._exit(1)
        time.sleep(0.01)


def children(pid):
    return set(open(f"/proc/{pid}/task/{pid}/children").read().split())


def reload():
    before = children(master())
    os.kill(master(), signal.SIGHUP)
    until(lambda: len(children(master()) - before) >= 2)


def reopen():
    os.rename("logs/access.log", "logs/access.log.1")
    os.kill(master(), signal.SIGUSR1)
    until(lambda: os.path.exists("logs/access.log"))


def replace():
    """The program executes itself with the listening sockets, and the old one goes."""
    old = master()
    os.kill(old, signal.SIGUSR2)
    until(lambda: master() not in (0, old) and len(children(master())) >= 2)
    os.kill(old, signal.SIGWINCH)
    os.kill(old, signal.SIGQUIT)


until(lambda: master() and os.path.exists(door))
clients = [threading.Thread(target=client) for _ in range(CLIENTS)]
for each in clients:
    each.start()
steps = [reload, reopen, reload, replace, reload]
for step in steps:
    for _ in range(CLIENTS * count * len(KINDS) // (len(steps) + 1)):
        done.acquire()
    step()
for each in clients:
    each.join()
for answer, times in sorted(answers.items(), key=str):
    print(times, *answer)

"""Tasks for Celery's workers: `pid` is who works, `stuck` says so in the file PATH.pid and waits until somebody opens the fifo PATH."""
import os

import celery

app = celery.Celery("celery_app", broker=os.environ["BROKER"], backend=os.environ["BROKER"])


@app.task
def pid():
    return os.getpid()


@app.task
def stuck(path):
    with open(path + ".new", "w") as file:
        file.write(str(os.getpid()))
    os.rename(path + ".new", path + ".pid")
    with open(path) as fifo:
        return fifo.read()

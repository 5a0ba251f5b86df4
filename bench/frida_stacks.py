"""What a user of Frida writes to see the stacks of all threads: attach to argv[1], walk each thread's stack, and print function, file and
line of each frame."""

import sys
import threading

import frida

SCRIPT = """
for (const thread of Process.enumerateThreads()) {
    const frames = Thread.backtrace(thread.context, Backtracer.ACCURATE).map(DebugSymbol.fromAddress);
    send("thread " + thread.id + " " + thread.state + "\\n" + frames.map(frame => "  " + frame.toString()).join("\\n"));
}
send(null);
"""

done = threading.Event()


def on_message(message, _):
    text = message.get("payload", message.get("description"))
    if text is None or message["type"] == "error":
        done.set()
    if text is not None:
        print(text)


session = frida.attach(int(sys.argv[1]))
script = session.create_script(SCRIPT)
script.on("message", on_message)
script.load()
done.wait()
session.detach()

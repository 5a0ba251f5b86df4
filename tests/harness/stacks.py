# Runs inside gdb: prints one line of JSON per thread of the process it is attached to.
import json

import gdb

for thread in sorted(gdb.selected_inferior().threads(), key=lambda each: each.ptid[1]):
    thread.switch()
    frames, error, frame = [], None, None
    try:
        frame = gdb.newest_frame()
        while frame is not None and len(frames) < 200000:
            inlined = frame.type() == gdb.INLINE_FRAME
            start = None
            if not inlined:
                # "name + 12 in section .text of /lib/libc.so.6": the symbol's own start, whatever its names are
                text = gdb.execute("info symbol %#x" % frame.pc(), to_string=True)
                words = text.split(" in section ")[0].rsplit(" + ", 1)
                if len(words) == 2 and words[1].isdigit():
                    start = frame.pc() - int(words[1])
                elif " in section " in text:
                    start = frame.pc()
            place = frame.find_sal()
            frames.append({
                "pc": frame.pc(), "name": frame.name(), "inlined": inlined, "start": start,
                "signal": frame.type() == gdb.SIGTRAMP_FRAME, "line": place.line if place.symtab else 0,
            })
            frame = frame.older()
    except gdb.error as failure:
        error = str(failure)
    print("STACK " + json.dumps({"tid": thread.ptid[1], "name": thread.name, "frames": frames, "error": error}))

# Runs inside gdb: prints one line of JSON per thread of the process it is attached to.
#
# gdb also shows tail calls: where the callee's caller made its call by a jump, it makes a frame for it out of the
# debug information of the call site (DW_TAG_call_site). Such a frame has no activation: nothing of it is on the stack, it
# returns to nowhere, and where several paths of jumps are possible gdb itself shows none. They are left out here, with the
# frames that are inlined into them. All that is on the stack stays.
import json

import gdb

for thread in sorted(gdb.selected_inferior().threads(), key=lambda each: each.ptid[1]):
    thread.switch()
    frames, inlines, error, frame = [], [], None, None
    try:
        frame = gdb.newest_frame()
        while frame is not None and len(frames) < 200000:
            if frame.type() == gdb.TAILCALL_FRAME:
                inlines = []
                frame = frame.older()
                continue
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
            seen = {
                "pc": frame.pc(), "name": frame.name(), "inlined": inlined, "start": start,
                "signal": frame.type() == gdb.SIGTRAMP_FRAME, "line": place.line if place.symtab else 0,
            }
            if inlined:
                inlines.append(seen)  # it belongs to the function that is yet to come
            else:
                frames += inlines + [seen]
                inlines = []
            frame = frame.older()
    except gdb.error as failure:
        error = str(failure)
    frames += inlines
    print("STACK " + json.dumps({"tid": thread.ptid[1], "name": thread.name, "frames": frames, "error": error}))

# Runs lines in gdb, each as a person would type it, and says what each has answered. For tests/harness/gdb.rs.
import json
import os
import gdb

with open(os.environ["TABLE_OF_LINES"]) as lines:
    for line in lines.read().split("\n"):
        answer = {"line": line}
        try:
            answer["text"] = gdb.execute(line, False, True)
        except gdb.error as error:
            answer["error"] = str(error)
        print("ANSWER " + json.dumps(answer))

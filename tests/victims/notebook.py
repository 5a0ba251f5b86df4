"""A notebook's front end: executes each line of standard input in the kernel of a connection file, and prints `did` and what the kernel has
printed meanwhile."""
import json
import sys

from jupyter_client import BlockingKernelClient

client = BlockingKernelClient(connection_file=sys.argv[1])
client.load_connection_file()
client.start_channels()
client.wait_for_ready(timeout=60)
print("ready", flush=True)
for line in sys.stdin:
    printed = []

    def hook(message):
        if message["msg_type"] == "stream":
            printed.append(message["content"]["text"])

    reply = client.execute_interactive(line, timeout=60, output_hook=hook)
    print("did", reply["content"]["status"], json.dumps("".join(printed)), flush=True)

"""LocalLambda started and stopped over and over: it always ends, and leaves nothing behind.

`make soak` runs 2,000 cycles; the suite runs a small version. A script, because pytest would hold back what
Python says at its exit.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

CYCLES = int(os.environ.get("STREAMIFY_SOAK_CYCLES", "25"))
ROOT = Path(__file__).parent.parent.parent
EXAMPLES = ROOT / "examples"

# asyncio's development mode also warns of callbacks that took long, which says something about the machine.
START = """
import faulthandler, http.client, logging, os, sys, threading
logging.getLogger("asyncio").setLevel(logging.ERROR)
sys.path.insert(0, sys.argv[1])
from streamify_server.local import LocalLambda
"""

CYCLE = """
def cycle():
    aws = LocalLambda()
    aws.start()
    aws.add_function("hello", handler="hello.handler", code=sys.argv[2], timeout=30)
    caller = http.client.HTTPConnection(aws.endpoint_url.removeprefix("http://"))
    caller.request("POST", "/2015-03-31/functions/hello/invocations", b'{"name": "Ada"}')
    assert caller.getresponse().read().startswith(b"Hello Ada")
    caller.close()
    aws.stop()
    assert threading.active_count() == 1, threading.enumerate()

for number in range(int(sys.argv[3])):
    faulthandler.dump_traceback_later(60, exit=True)
    cycle()
    faulthandler.cancel_dump_traceback_later()
    if number == 4:
        descriptors = os.listdir("/dev/fd")
assert len(os.listdir("/dev/fd")) == len(descriptors), os.listdir("/dev/fd")
"""

AT_ONCE = """
running = [LocalLambda().start() for _ in range(int(sys.argv[3]))]
for aws in running:
    aws.stop()
"""


@pytest.mark.timeout(1200)
@pytest.mark.parametrize(
    ("script", "count"), [(CYCLE, CYCLES), (AT_ONCE, max(10, CYCLES // 20))], ids=["cycles", "at once"]
)
def test_locallambda_starts_and_stops_without_a_word(script: str, count: int) -> None:
    command = [
        sys.executable,
        "-X",
        "dev",
        "-W",
        "error",
        "-c",
        START + script,
        str(ROOT / "src"),
        str(EXAMPLES),
    ]
    done = subprocess.run([*command, str(count)], capture_output=True, text=True, timeout=1100)
    assert (done.returncode, done.stderr) == (0, "")

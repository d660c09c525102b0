"""Ends what a killed evalkit leaves: bwrap ties its children to our life only once it has set itself up."""

import os
import subprocess
import sys
from functools import cache
from secrets import token_hex

# Waits for the end of its stdin, which is our end however we end; then ends whatever carries our mark in its argv,
# for a second: what was forked a moment before may not show its argv yet.
WAITS = """
import os, signal, sys, time
mark, own = sys.argv[1].encode(), os.getpid()
signal.signal(signal.SIGINT, signal.SIG_IGN)
sys.stdin.buffer.read()
end = time.monotonic() + 1
while time.monotonic() < end:
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/cmdline", "rb") as file:
                if mark in file.read() and int(name) != own:
                    os.kill(int(name), signal.SIGKILL)
        except OSError:
            pass
    time.sleep(0.05)
"""


def mark() -> str:
    """What the argv of our sandboxes carries. The first call starts the process that looks for it at our end."""
    return _guarded(os.getpid())[0]


@cache
def _guarded(pid: int) -> tuple[str, subprocess.Popen[bytes]]:
    """A fork of ours is another process, with a guard of its own."""
    made = f"evalkit-{pid}-{token_hex(8)}"
    guard = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", WAITS, made],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        start_new_session=True,
    )
    return made, guard

"""What candidates that cheat, break out or tear down have in common, and how they are refused."""

import contextlib
import time
from pathlib import Path
from secrets import token_hex

from evalkit.core.types import Candidate
from evalkit.run.tests_verifier import TestsVerifier

ADDS_ALONE = "def f(n):\n    return n + 1\nif __name__ == '__main__':\n    print(f(int(input())))\n"
NAME = f"job{token_hex(6)}"  # what a candidate's processes are called, by which they are found from the host


def living():
    """The candidate's processes, as the host sees them; one that is being ended gets a moment."""
    for _ in range(100):
        found = [entry.parent.name for entry in Path("/proc").glob("[0-9]*/comm") if read(entry).strip() == NAME]
        if not found:
            break
        time.sleep(0.02)
    return found


def read(path):
    with contextlib.suppress(OSError):
        return path.read_text(errors="replace")
    return ""


async def refused(sandbox, one, text, timeout_s=20):
    name = f"open('/proc/self/comm', 'w').write({NAME!r})\n"
    verdict = await TestsVerifier(sandbox, timeout_s=timeout_s).verify(one, Candidate(name + text))
    assert not verdict.accepted
    assert verdict.failure is not None
    assert verdict.findings
    return verdict

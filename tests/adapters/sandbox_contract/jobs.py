"""Jobs for a sandbox, and what is seen of them from the host."""

import asyncio
import contextlib
import os
import time
from pathlib import Path

from evalkit.core.ports import Job, Limits


def python(code, *argv, **limits):
    return Job(("python", "-c", code, *argv), limits=Limits(**limits))


def living(word):
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if word.encode() in (entry / "cmdline").read_bytes() and entry.name != str(os.getpid()):
                found.append(entry.name)
    return found


async def until(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        await asyncio.sleep(0.02)


def over(tree, code, files=None, **more):
    limits = Limits(**{"seconds": 60, **more.pop("limits", {})})
    return Job(("python", "-c", code), files or {}, tree=str(tree), limits=limits, **more)


def listed(tree):
    return {
        str(path.relative_to(tree)): os.readlink(path) if path.is_symlink() else path.is_file() and path.read_text()
        for path in sorted(tree.rglob("*"))
    }

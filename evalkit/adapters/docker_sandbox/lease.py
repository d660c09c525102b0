"""Whose container is it, and until when? So that what a killed run left behind is found and removed."""

import hashlib
import os
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from evalkit.adapters.docker_sandbox.client import not_found, translated

LABEL = "evalkit.sandbox"
GRACE_S = 60.0


@dataclass(frozen=True)
class Lease:
    """Who made a container (this machine, a process and when that began) and when it ends by itself (Unix time)."""

    host: str
    pid: int
    began: int
    expires: int

    def labels(self, mark: str) -> dict[str, str]:
        """As the engine keeps it; `mark` names one sandbox object."""
        return {
            LABEL: mark,
            f"{LABEL}.owner": f"{self.host}/{self.pid}/{self.began}",
            f"{LABEL}.until": f"{self.expires}",
        }

    @property
    def over(self) -> bool:
        """Whether nobody can want the container any more."""
        if time.time() > self.expires + GRACE_S:
            return True
        return self.host == machine() and began(self.pid) != self.began


def lease(seconds: float) -> Lease:
    """This process's, for so long."""
    return Lease(machine(), os.getpid(), began(os.getpid()), int(time.time() + seconds))


def read(labels: Mapping[str, str]) -> Lease | None:
    """The lease that a container's labels hold."""
    try:
        host, pid, start = labels[f"{LABEL}.owner"].split("/")
        return Lease(host, int(pid), int(start), int(labels[f"{LABEL}.until"]))
    except (KeyError, ValueError):
        return None


def sweep(api: Any) -> int:
    """Remove the containers of runs that are gone, also those that were made and never started; how many."""
    found = api.containers(all=True, filters={"label": LABEL})
    over = [one["Id"] for one in found if (held := read(one["Labels"])) is None or held.over]
    return sum(remove(api, container) for container in over)


def remove(api: Any, container: str) -> bool:
    """End and remove a container; False if it was gone, or going, already."""
    import docker.errors  # noqa: PLC0415  for runs that need it only

    try:
        api.remove_container(container, force=True, v=True)
    except not_found():
        return False
    except docker.errors.APIError as error:
        if error.status_code == 409:  # noqa: PLR2004  HTTP's conflict: its removal is under way
            return False
        with translated("removing a container"):
            raise
    return True


def began(pid: int) -> int:
    """When a process began, in the kernel's ticks; 0 if there is none. Process ids are used again."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return 0
    return int(text.rpartition(")")[2].split()[19])


@cache
def machine() -> str:
    """This machine since it was started, as far as process ids reach: two containers on one host are two machines."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    parts = [socket.gethostname(), boot, str(Path("/proc/self/ns/pid").readlink())]
    return hashlib.sha256(" ".join(parts).encode()).hexdigest()[:16]

"""One container for one attempt: shut in from the start, and what it may use."""

import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Any

from evalkit.adapters.docker_sandbox.launch import ENVIRONMENT, TREE
from evalkit.adapters.docker_sandbox.lease import lease
from evalkit.core.ports import Job, Limits
from evalkit.run.overlaid import open_files

KEEPER = "65533:65533"  # who keeps the container alive: another user than the candidate, who can thus not end it
CANDIDATE = "65534:65534"
KEEPERS = 2  # docker's init, and what it waits for
LAUNCHERS = 3  # a shell and the two processes that unpack the files, before the candidate is there
MB = 2**20


@dataclass(frozen=True)
class Shape:
    """What containers that can stand in for one another have in common."""

    image: str  # the engine's id of it
    limits: Limits  # seconds and output are the job's own and not part of it: see `shape`
    cpus: float
    volumes: tuple[str, ...] = ()  # what the image declares; they would be folders on the host's disk
    open_files: int = 256
    tree: str = ""
    mounts: tuple[str, ...] = ()


def shape(image: str, job: Job, cpus: float, volumes: tuple[str, ...] = (), more: int = 0) -> Shape:
    """The shape that this job needs, with so many megabytes more than its limits, for the copy of its tree."""
    limits = job.limits
    kept = Limits(0, limits.memory_mb + more, limits.processes, limits.file_mb + more, limits.scratch_mb + more, 0)
    return Shape(image, kept, cpus, volumes, open_files(job), job.tree, job.mounts)


@dataclass
class Container:
    """A started container; `starved` is set when it has run out of memory, `ends` is on the monotonic clock."""

    id: str
    ends: float
    starved: Event = field(default_factory=Event)

    def lasts(self, seconds: float) -> bool:
        """Whether it lives so much longer."""
        return time.monotonic() + seconds < self.ends


def create(api: Any, wanted: Shape, mark: str, life_s: float) -> str:
    """Make a container that is not started yet; its id."""
    return str(
        api.create_container(
            wanted.image,
            [str(int(life_s))],
            entrypoint=["sleep"],
            user=KEEPER,
            hostname="sandbox",
            environment=ENVIRONMENT,
            working_dir="/",
            labels=lease(life_s).labels(mark),
            healthcheck={"test": ["NONE"]},
            host_config=api.create_host_config(**_shut_in(wanted)),
        )["Id"]
    )


def _shut_in(wanted: Shape) -> dict[str, Any]:
    from docker.types import Mount, Ulimit  # noqa: PLC0415  for runs that need it only

    limits, memory = wanted.limits, wanted.limits.memory_mb * MB
    tmpfs = f"rw,nosuid,nodev,exec,size={limits.scratch_mb}m,mode=0700,uid=65534,gid=65534"
    ulimits = {"nofile": wanted.open_files, "fsize": limits.file_mb * MB, "core": 0, "msgqueue": 0, "memlock": 0}
    return {
        "network_mode": "none",
        "read_only": True,
        "tmpfs": dict.fromkeys(("/tmp", *wanted.volumes), tmpfs) | _hidden(wanted) | _open(wanted),  # noqa: S108  inside
        "shm_size": limits.scratch_mb * MB,
        "ipc_mode": "private",
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges"],
        "pids_limit": max(limits.processes, LAUNCHERS) + KEEPERS,
        "mem_limit": memory,
        "memswap_limit": memory,
        "nano_cpus": int(wanted.cpus * 1e9),
        "ulimits": [Ulimit(name=name, soft=value, hard=value) for name, value in ulimits.items()],
        "oom_score_adj": 500,  # where the machine itself runs out, before anything else of the user's
        "init": True,
        "auto_remove": True,
        "log_config": {"Type": "none"},
        "mounts": [Mount(inside, host, type="bind", read_only=True) for inside, host in _bound(wanted).items()],
    }


def _bound(wanted: Shape) -> dict[str, str]:
    """The host's folders by their paths inside."""
    tree = {TREE: wanted.tree} if wanted.tree else {}
    return {path: path for path in map(os.path.normpath, wanted.mounts)} | tree


def _open(wanted: Shape) -> dict[str, str]:
    """An image's /root lets nobody through, also not to a folder of the host's that is mounted beneath it.

    The engine gives the tmpfs the mode of the image's folder, whatever is asked for: hence its owner.
    """
    beneath = any(path.startswith("/root/") for path in map(os.path.normpath, wanted.mounts))
    return {"/root": "rw,nosuid,nodev,noexec,size=64k,mode=0700,uid=65534,gid=65534"} if beneath else {}


def _hidden(wanted: Shape) -> dict[str, str]:
    """A tree's history, where it has one: the copy leaves it out, but the tree itself can be read as well."""
    return {f"{TREE}/.git": "ro,size=4k"} if wanted.tree and Path(wanted.tree, ".git").is_dir() else {}

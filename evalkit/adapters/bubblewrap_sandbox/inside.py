"""What a candidate sees: a read-only system and Python, made-up users, a working folder; nothing of ours."""

import os
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path, PurePosixPath

from evalkit.core.errors import SandboxError
from evalkit.core.ports import Job

WORK = "/tmp/evalkit-work"  # noqa: S108  the sandbox's own tmpfs, not the host's
HOME = "/tmp/home"  # noqa: S108  of a job with a tree, whose tests would find in the tree what others left there
SHM = "/tmp/.shm"  # noqa: S108
NOBODY = 65534
SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64")
ETC = ("/etc/ld.so.cache", "/etc/alternatives")
DEVICES = ("null", "zero", "full", "random", "urandom")
MADE_UP = {
    "/etc/passwd": f"nobody:x:{NOBODY}:{NOBODY}:nobody:{WORK}:/bin/sh\n",
    "/etc/group": f"nogroup:x:{NOBODY}:\n",
    "/etc/hosts": "127.0.0.1 localhost\n",
}


def steps_down() -> bool:
    """Whether we are the machine's root, whose processes the kernel never counts: inside, nobody runs then."""
    if os.geteuid() != 0:
        return False
    ranges = [[int(word) for word in line.split()] for line in Path("/proc/self/uid_map").read_text().splitlines()]
    return any(first <= NOBODY < first + count for first, _, count in ranges)


def command(job: Job) -> list[str]:
    """The argv inside. Raises SandboxError for a command that is not there."""
    name, *rest = job.argv
    argv = [sys.executable, "-B", "-s", *rest] if name == "python" else [name, *rest]
    if not name.startswith(".") and not shutil.which(argv[0], path=environment(job)["PATH"]):
        raise SandboxError(f"the command {name!r} is not installed on this machine (looked in /usr and Python's)")
    if not steps_down():
        return argv
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise SandboxError("root needs setpriv for the sandbox: install util-linux, or run as another user")
    return [setpriv, f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--inh-caps=-all", "--", *argv]


def environment(job: Job) -> Mapping[str, str]:
    """All that a candidate sees of an environment."""
    return {
        "PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin",
        "HOME": HOME if job.tree else WORK,
        "TMPDIR": "/tmp" if job.tree else WORK,  # noqa: S108  inside
        "LANG": "C.UTF-8",
        "PYTHONPATH": _extra_packages(),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONHASHSEED": "0",  # the same candidate gets the same verdict
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",  # it reserves address space a thread
        **job.env,
    }


def system(mounts: Sequence[str] = ()) -> Iterator[str]:
    """The options of bwrap that lay out everything but the working folder's files."""
    for name in SYSTEM:
        if Path(name).is_symlink():
            yield from ("--symlink", str(Path(name).readlink()), name)
        elif Path(name).is_dir():
            yield from ("--ro-bind", name, name)
    bound = sorted({*_python(), *map(os.path.normpath, mounts)})  # those above first
    yield from _parents(["/etc/x", "/dev/x", *bound])
    # Debian keeps what Java cannot start without in /etc.
    for path in (*ETC, *sorted(map(str, Path("/etc").glob("java-*-openjdk")))):
        yield from ("--ro-bind-try", path, path)
    for path in bound:
        yield from ("--ro-bind", os.path.realpath(path), path)
    for path in hidden(["/usr", *bound]):
        yield from ("--perms", "0755", "--size", "4096", "--tmpfs", path, "--remount-ro", path)
    yield from ("--proc", "/proc", "--symlink", SHM, "/dev/shm")  # noqa: S108  inside
    for name in DEVICES:
        yield from ("--dev-bind", f"/dev/{name}", f"/dev/{name}")
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        yield from ("--symlink", f"/proc/self/fd/{number}", f"/dev/{name}")
    yield from ("--symlink", "/proc/self/fd", "/dev/fd")


@cache
def _python() -> list[str]:
    """The folders that our Python needs, at their own paths: only these of a home directory appear inside."""
    places = {sys.base_prefix, sys.base_exec_prefix, sys.prefix, sys.exec_prefix}
    hop = Path(sys.executable)
    while hop.is_symlink():  # a venv's python points to another, which may stand behind a linked folder
        hop = hop.parent / hop.readlink()
        places |= {os.path.normpath(hop.parent.parent), os.path.realpath(hop.parent.parent)}
    places |= {_extra_packages()} - {""}
    places |= {os.path.realpath(place) for place in places}
    return [place for place in sorted(places) if not any(_inside(place, other) for other in places | {"/usr"})]


@cache
def _extra_packages() -> str:
    """Where pytest lies, if not in Python's own folders: e.g. installed for the user."""
    spec = find_spec("pytest")
    folder = str(Path(spec.origin).parent.parent) if spec and spec.origin else ""
    return "" if any(_inside(folder, prefix) for prefix in (sys.prefix, sys.base_prefix)) else folder


def hidden(bound: list[str]) -> list[str]:
    """What must not be seen though it lies in a bound folder: evalkit with its datasets' answers, the project."""
    home = os.environ.get("EVALKIT_HOME", "")
    ours = {os.path.realpath(home) if home else "", str(Path.cwd())}
    needed = [sys.executable, os.path.realpath(sys.executable), os.__file__, "/usr/bin/env", "/usr/lib/os-release"]
    kept = {path for path in ours if any(_inside(one, path) for one in needed)}  # started from Python's own folder
    # An editable install leaves conf and rubrics in site-packages/evalkit, beside the package in the checkout.
    copies = {str(path) for path in (Path(entry, "evalkit") for entry in sys.path if entry) if path.is_dir()}
    secret = {str(Path(__file__).parents[2]), *copies, *(ours - kept)}
    return [path for path in sorted(secret) if any(_inside(path, other) for other in bound)]


def _inside(path: str, other: str) -> bool:
    return path != other and PurePosixPath(path).is_relative_to(other)


def _parents(paths: list[str]) -> Iterator[str]:
    """Own the folders above: bwrap would make them for its own user only."""
    folders = {str(parent) for path in paths for parent in PurePosixPath(path).parents} - {"/", "/tmp"}  # noqa: S108
    for folder in sorted(folders):
        yield from ("--perms", "0755", "--dir", folder)

"""The working folder over a host's tree: what lies beneath, how large it may get, and what is laid on top."""

import shutil
from collections.abc import Iterator

from evalkit.adapters.bubblewrap_sandbox.guard import mark
from evalkit.adapters.bubblewrap_sandbox.inside import WORK, steps_down
from evalkit.core.errors import SandboxError
from evalkit.core.ports import Execution, Job
from evalkit.run.overlaid import gone, locked, pack, weight_mb

# bwrap gives an overlay's upper layer no size, so it could fill the machine's memory. Hence bwrap starts where a tmpfs
# of the right size covers a folder that no sandbox needs; it holds what is written to the tree and to /tmp.
SCRATCH = "/sys"
STAGE = f"""
PATH=/usr/sbin:/usr/bin:/sbin:/bin
umask 0
mount -t tmpfs -o size="$1",mode=755 evalkit {SCRATCH} && mkdir {SCRATCH}/upper {SCRATCH}/work &&
    mkdir -m 1777 {SCRATCH}/shared && shift && exec "$@"
"""
LAID = "/tmp/.evalkit"  # noqa: S108  inside
ORIGINAL = "/.evalkit"
FAILED = 125
# bwrap takes the end of a pipe for a word to go on, and ties its children to our life only once it is set up: the
# command starts at a first line on its stdin, and never if evalkit was killed before it wrote one. That line is a
# nonce where something must be laid first: a candidate cannot pass its own failure off as one of ours.
GATE = 'read go && exec "$@"'
LAYING_GATE = """
read go || exit 1
why=$({{ {steps}; }} 2>&1) || {{ echo "$go $why" >&2; exit {failed}; }}
{limit}
exec "$@"
"""


class Ground:
    """What a job's working folder stands on. `copied`: the tree is copied inside, because no overlay can be had."""

    def __init__(self, job: Job, *, copied: bool) -> None:
        self._job, self.copied, self.overlaid = job, copied, bool(job.tree) and not copied
        self._laid = (
            {"gone": _names(gone(job)), "locked": _names(locked(job)), "files": pack(job) if job.files else b""}
            if job.tree
            else {}
        )

    @property
    def files(self) -> dict[str, bytes]:
        """What has to lie inside, by its path there, before the gate opens."""
        return {f"{LAID}/{name}": content for name, content in self._laid.items() if content}

    def stage(self) -> list[str]:
        """The start of bwrap's command line."""
        if not self.overlaid:
            return []
        unshare = shutil.which("unshare")
        if unshare is None:
            raise SandboxError("a tree in the sandbox needs unshare: install util-linux")
        size = str(self._job.limits.scratch_mb * 2**20)
        return [unshare, "--mount" if steps_down() else "-rm", "/bin/sh", "-c", STAGE, "sh", size]

    def scratch(self) -> Iterator[str]:
        """The options of bwrap for what can be written."""
        if self.overlaid:
            yield from ("--bind", f"{SCRATCH}/shared", "/tmp")  # noqa: S108  inside
            yield from ("--overlay-src", self._job.tree, "--overlay", f"{SCRATCH}/upper", f"{SCRATCH}/work", WORK)
            return
        size = str((self._job.limits.scratch_mb + (weight_mb(self._job.tree) if self.copied else 0)) * 2**20)
        yield from ("--perms", "1777", "--size", size, "--tmpfs", "/tmp")  # noqa: S108  inside
        if self.copied:  # only root has a folder that the copier alone can look into
            yield from ("--perms", "0700", "--dir", ORIGINAL, "--ro-bind", self._job.tree, f"{ORIGINAL}/tree")

    def gate(self) -> tuple[str, ...]:
        """The command that makes the working folder what the job asks for, and then becomes the job's."""
        if not self._laid:
            return ("/bin/sh", "-c", GATE, mark())
        steps = [f"cp -R --preserve=mode,timestamps,links {ORIGINAL}/tree/. ."] if self.copied else []
        steps += ["chmod 0777 ."]
        steps += [f"xargs -0 chmod a+rwx -- < {LAID}/locked"] if self._laid["locked"] else []
        steps += [f"xargs -0 rm -rf -- < {LAID}/gone"] if self._laid["gone"] else []
        steps += [f"tar -xpmf {LAID}/files"] if self._job.files else []
        steps += [f"rm -r {LAID}"] if self.files else []
        limit = f"ulimit -f {self._job.limits.file_mb * 2048}" if self.copied else ""  # in POSIX's blocks
        return ("/bin/sh", "-c", LAYING_GATE.format(steps=" && ".join(steps), failed=FAILED, limit=limit), mark())

    def faults(self, done: Execution, nonce: str) -> None:
        """Raises SandboxError if the gate said that the working folder could not be made."""
        if done.exit_code == FAILED and done.stderr.startswith(nonce):
            why = done.stderr.removeprefix(nonce).strip()[-300:]
            raise SandboxError(
                f"the tree could not be laid into the sandbox: {why}. Is scratch_mb or file_mb too small?"
            )


def _names(paths: list[str]) -> bytes:
    return b"".join(path.encode("utf-8", "surrogateescape") + b"\0" for path in paths)

"""How a job gets into its container: one command that lays the files from its stdin and becomes the job's."""

import io
import tarfile
from collections.abc import Iterable

from evalkit.core.ports import Job
from evalkit.run.overlaid import gone, locked, pack

WORK = "/tmp/evalkit-work"  # noqa: S108  the container's own tmpfs, not the host's
HOME = "/tmp/home"  # noqa: S108  of a job with a tree, whose tests would find in the tree what others left there
TREE = "/evalkit/tree"
BLOCK = tarfile.RECORDSIZE
ENVIRONMENT = {
    "HOME": WORK,
    "TMPDIR": WORK,
    "LANG": "C.UTF-8",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONHASHSEED": "0",  # the same candidate gets the same verdict
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}
READY, MISSING, BROKEN = "ready", "missing", "broken"
# Copying files in is refused on a read-only root, even onto a tmpfs. dd takes exactly an archive's blocks, so that
# what follows is left for the job; it says nothing before it has read, so that no word of it is lost between the
# answer's head and body. Its first line is its own: from there on, what comes is the job's. A tree is copied, for only
# the host's root could lay an overlay, and on a disk without limit; its own files may be larger than the job's may get.
LAUNCH = f"""
umask 0
lists=$1; blocks=$2; largest=$3; shift 3
unpack() {{ dd bs={BLOCK} count="$1" iflag=fullblock 2>/dev/null | tar -x"$3"f - -C "$2" 2>&1; }}
broken() {{ echo '{BROKEN}' "$1" $why; exit 1; }}
mkdir -m 0700 {WORK} && cd {WORK} || broken 'no working folder'
if [ "$lists" != 0 ]; then
    mkdir /tmp/.evalkit {HOME}
    why=$(unpack "$lists" /tmp/.evalkit) || broken 'the lists could not be unpacked:'
    why=$( (cp -a {TREE}/. . && chmod 0700 . &&
        xargs -0 -r chmod u+rwx -- </tmp/.evalkit/locked && xargs -0 -r rm -rf -- </tmp/.evalkit/gone) 2>&1) ||
        broken 'the tree could not be copied:'
    rm -rf /tmp/.evalkit
fi
why=$(unpack "$blocks" . m) || broken 'the files could not be unpacked:'
[ "$largest" = 0 ] || ulimit -f "$largest"
umask 022
if [ "$1" = python ]; then
    shift
    set -- "$(command -v python3 || command -v python || echo python3)" -B -s "$@"
fi
case $1 in
    .*) ;;
    *) command -v "$1" >/dev/null || {{ echo '{MISSING}'; exit 1; }} ;;
esac
echo '{READY}'
exec "$@"
"""


def command(job: Job, lists: bytes, archive: bytes) -> list[str]:
    """The argv inside."""
    largest = job.limits.file_mb * 2048 if job.tree else 0  # in POSIX's blocks
    numbers = (len(lists) // BLOCK, len(archive) // BLOCK, largest)
    return ["sh", "-c", LAUNCH, "evalkit", *map(str, numbers), *job.argv]


def environment(job: Job) -> dict[str, str]:
    """What goes over the container's own."""
    return {**({"HOME": HOME, "TMPDIR": "/tmp"} if job.tree else {}), **job.env}  # noqa: S108  inside


def archives(job: Job) -> tuple[bytes, bytes]:
    """What must go from the tree (empty where there is none), and the files, each a tar of whole blocks."""
    if not job.tree:
        return b"", pack(job)
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for name, paths in {"gone": gone(job), "locked": locked(job)}.items():
            content = _names(paths)
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o600
            tar.addfile(entry, io.BytesIO(content))
    return packed.getvalue(), pack(job)


def _names(paths: Iterable[str]) -> bytes:
    return b"".join(path.encode("utf-8", "surrogateescape") + b"\0" for path in paths)

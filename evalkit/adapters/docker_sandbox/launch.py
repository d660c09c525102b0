"""How a job gets into its container: one command that unpacks the files from its stdin and becomes the job's."""

import io
import tarfile
from collections.abc import Mapping
from pathlib import PurePosixPath

from evalkit.core.ports import Job

WORK = "/tmp/evalkit-work"  # noqa: S108  the container's own tmpfs, not the host's
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
# Copying files in is refused on a read-only root, even onto a tmpfs. dd takes exactly the archive's blocks, so that
# what follows is left for the job; it says nothing before it has read, so that no word of it is lost between the
# answer's head and body. Its first line is its own: from there on, what comes is the job's.
LAUNCH = f"""
umask 0
blocks=$1; shift
mkdir -m 0700 "$HOME" && cd "$HOME" || {{ echo '{BROKEN} no working folder'; exit 1; }}
why=$(dd bs={BLOCK} count="$blocks" iflag=fullblock 2>/dev/null | tar -xf - 2>&1) || {{
    echo "{BROKEN} the files could not be unpacked:" $why; exit 1; }}
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


def command(job: Job, archive: bytes) -> list[str]:
    """The argv inside."""
    return ["sh", "-c", LAUNCH, "evalkit", str(len(archive) // BLOCK), *job.argv]


def pack(files: Mapping[str, str]) -> bytes:
    """The files as a tar of whole blocks. Raises ValueError for a path that leaves the working folder."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for name in sorted(_folders(files)):
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(entry)
        for name, text in files.items():
            content = text.encode("utf-8", "surrogatepass")
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o666
            tar.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def _folders(files: Mapping[str, str]) -> set[str]:
    folders: set[str] = set()
    for name in files:
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or "\0" in name:
            raise ValueError(f"{name!r} is no path inside the sandbox's working folder")
        folders |= {str(parent) for parent in path.parents if parent.parts}
    return folders

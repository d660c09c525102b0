"""What a service needs in an environment of its own: evalkit's requirements as they are installed here, and its code.

Not evalkit by its name: on package indexes that may be somebody else's.
"""

import zipfile
from collections.abc import Collection, Iterator
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from packaging.requirements import Requirement

from evalkit.places import PACKAGE, installed


def pinned(extras: Collection[str] = ()) -> list[str]:
    """`name==version` of each requirement, and of those of these extras."""
    found = {name: version(name) for name in _names(extras)}
    return [f"{name}=={number}" for name, number in sorted(found.items())]


def pack(target: Path) -> Path:
    """The package as one zip, laid out as in its wheel. A server takes each file as a request, hence one."""
    roots = [(PACKAGE, "evalkit"), *((installed(name), f"evalkit/{name}") for name in ("conf", "rubrics"))]
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as packed:
        written: set[str] = set()
        for root, under in roots:
            for path in sorted(one for one in root.rglob("*") if one.is_file() and "__pycache__" not in one.parts):
                name = f"{under}/{path.relative_to(root).as_posix()}"
                if name not in written:
                    packed.write(path, name)
                    written.add(name)
    return target


def _names(extras: Collection[str]) -> Iterator[str]:
    for line in requires("evalkit") or ():
        wanted = Requirement(line)
        if wanted.marker is None or any(wanted.marker.evaluate({"extra": extra}) for extra in ("", *extras)):
            try:
                version(wanted.name)
            except PackageNotFoundError:
                continue
            yield wanted.name

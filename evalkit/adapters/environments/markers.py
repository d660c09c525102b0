"""What packages need under another Python than the one that runs pip."""

from collections.abc import Iterator
from importlib.metadata import distributions
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


def unmet(folder: Path, python: str) -> Iterator[str]:
    """The requirements of the packages in `folder` that `python` (such as `3.9`) has and that are not there."""
    there = {canonicalize_name(one.name): one for one in distributions(path=[str(folder)])}
    meant = {"python_version": python, "python_full_version": f"{python}.0", "extra": ""}
    for one in there.values():
        for text in one.requires or ():
            wanted = Requirement(text)
            applies = wanted.marker is None or wanted.marker.evaluate(meant)
            if applies and canonicalize_name(wanted.name) not in there:
                yield f"{wanted.name}{wanted.specifier}"

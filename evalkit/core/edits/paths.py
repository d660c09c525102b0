"""Which files an edit may name: inside the folder, no file beneath another, and none that the tests stand on."""

import re
from collections.abc import Collection, Iterable
from fnmatch import fnmatchcase
from sys import stdlib_module_names

TESTS = "test_candidate.py"  # where the tests lie: theirs is the one file that no instance gives away
# By name in any folder. What pytest or Python run or read by themselves, before any test.
PROTECTED = (
    "conftest.py", "pytest.ini", ".pytest.ini", "pytest.toml", ".pytest.toml", "tox.ini", "setup.cfg",
    "pyproject.toml", "sitecustomize.py", "usercustomize.py", "*.pth", "__pycache__",
)  # fmt: skip
TOOLS = frozenset({"pytest", "_pytest", "pluggy", "iniconfig", "packaging", "pygments", "exceptiongroup", "py"})
LABEL = re.compile(r"^(?:file(?:name)?|path|file path)\s*:\s*", re.IGNORECASE)
MARK = re.compile(r"^(?:#+|[*>-]|//)\s+")
LIKE_A_PATH = re.compile(r"^/?[\w.+@-]+(?:/[\w.+@-]+)+$|^[\w.+@-]*\.\w+$")
DELETE = re.compile(r"^[^\w\n]*DELETE FILE:[ \t]*(?P<path>\S.*)$")


def named(line: str) -> str:
    """What a line that names a file names, without the marks that models put around it."""
    text = LABEL.sub("", MARK.sub("", line.strip()).strip("*` \t"))
    return normal(text.strip("*`'\" \t").removesuffix(":").strip("*`'\" \t"))


def normal(path: str) -> str:
    """Without `./` and doubled slashes."""
    parts = [part for part in path.strip().split("/") if part not in ("", ".")]
    return ("/" if path.strip().startswith("/") else "") + "/".join(parts)


def is_path(name: str, files: Iterable[str]) -> bool:
    """Whether it is a file's name, or could be a new one's."""
    return name in files or bool(LIKE_A_PATH.match(name))


def refused(path: str, files: Collection[str], protected: tuple[str, ...] | None = None) -> str:
    """Why an edit may not touch this path; empty if it may. `protected` replaces PROTECTED."""
    if not path or path.startswith("/") or ".." in path.split("/") or re.search(r"[\\\x00-\x1f]|^[A-Za-z]:", path):
        return "is no path inside the folder"
    for pattern in (TESTS, *(PROTECTED if protected is None else protected)):
        if fnmatchcase(path, pattern) or any(fnmatchcase(part, pattern) for part in path.split("/")):
            return "must stay as it is"
    if path in files:  # then no module and no folder has its name
        return ""
    known = set(files)
    top = _top(path)
    if top in stdlib_module_names | TOOLS and not any(_top(one) == top for one in known):
        return f"would hide the module {top!r} that is not yours"
    return _collides(path, known)


def _top(path: str) -> str:
    """The module that it belongs to."""
    return path.partition("/")[0].partition(".")[0]


def _collides(path: str, known: set[str]) -> str:
    parts = path.split("/")
    above = next((one for number in range(1, len(parts)) if (one := "/".join(parts[:number])) in known), "")
    if above:
        return f"lies beneath {above!r}, which is a file"
    return "is a folder" if any(one.startswith(f"{path}/") for one in known) else ""

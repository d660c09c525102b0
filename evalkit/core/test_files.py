"""Which files of a patch are tests, and what a test command is told to run of them."""

import re
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

FOLDERS = frozenset({"test", "tests", "testing"})
NAMES = ("test_*.py", "*_test.py", "tests.py", "conftest.py")
HEAD = re.compile(r"^diff --git (?:\"?a/.*?\"?) \"?b/(?P<path>.+?)\"?$", re.MULTILINE)


def touched(patch: str) -> tuple[str, ...]:
    """The paths that a diff of git's changes, makes or deletes, in order; a renamed file by its new name."""
    return tuple(dict.fromkeys(HEAD.findall(patch)))


def is_test(path: str) -> bool:
    """Whether a file belongs to the tests: by its name, or by a folder above it."""
    *folders, file = path.split("/")
    return bool(FOLDERS & set(folders)) or any(fnmatchcase(file, name) for name in NAMES)


def label(path: str) -> str:
    """A test file as Django's runner wants it: `tests/admin_views/test_x.py` is `admin_views.test_x`."""
    return path.removesuffix(".py").removeprefix("tests/").replace("/", ".")


def targets(patch: str, names: Iterable[str], *, labels: bool = False, official: Sequence[str] = ()) -> tuple[str, ...]:
    """What to run so that the tests called `names` run.

    pytest's names say their file (`FILE::TEST`). Where names do not: the Python files that the test patch touches, as
    `labels` for Django's runner; and of these, where they are known, the ones that the `official` command names.
    """
    paths = touched(patch)
    named = list(dict.fromkeys(name.partition("::")[0] for name in names if "::" in name))
    if named and not labels:
        return tuple(sorted(named, key=lambda path: paths.index(path) if path in paths else len(paths)))
    found = [label(path) if labels else path for path in paths if path.endswith(".py")]
    return tuple(one for one in found if one in official) or tuple(found)

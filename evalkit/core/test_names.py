"""Names of tests: how datasets write them, and which of the tests that ran each of them means."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

OPTION = re.compile(r"(?P<test>[^\[]*)\[(?P<option>/[^/*][^*]*)\]$")
MOUSE = {"MouseButton.LEFT": "1", "MouseButton.RIGHT": "3"}


@dataclass(frozen=True, slots=True)
class Named:
    """A test that ran: `id` as its runner has it, and its docstring's first line.

    pytest: a node id; unittest: `module.Class.test`; sympy: `path.py:test`.
    """

    id: str
    doc: str = ""


def names(report: str, test: Named) -> frozenset[str]:
    """All that a dataset may call it. `report` is the environment's."""
    return frozenset(READ[report](test)) - {""}


def by_name(report: str, tests: Iterable[Named]) -> Mapping[str, tuple[str, ...]]:
    """Ids by every name that means them; some names mean several tests."""
    found: dict[str, tuple[str, ...]] = {}
    for test in tests:
        for name in names(report, test):
            found[name] = (*found.get(name, ()), test.id)
    return found


def meant(name: str, known: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """The ids that a dataset's name means; none where no such test ran."""
    return known.get(name) or known.get(" ".join(name.split())) or ()


def _pytest(test: Named) -> Iterator[str]:
    """The node id; as SWE-bench reads it out of pytest's summary it ends at the first blank."""
    whole = test.id
    for old, new in MOUSE.items():
        whole = whole.replace(old, new)
    for one in (test.id, whole):
        cut = (one.split() or [""])[0]
        yield from (one, " ".join(one.split()), cut)
        if option := OPTION.match(cut):  # folders differ between machines: the last part is kept
            yield f"{option['test']}[/{option['option'].rpartition('/')[2]}]"


def _unittest(test: Named) -> Iterator[str]:
    """`test (module.Class)` until Python 3.10, `test (module.Class.test)` since; or the docstring's first line."""
    owner, _, method = test.id.rpartition(".")
    yield from (test.id, f"{method} ({owner})", f"{method} ({test.id})")
    yield " ".join(test.doc.split())
    yield test.doc.strip()


def _sympy(test: Named) -> Iterator[str]:
    """The function alone, as sympy's runner prints it."""
    path, _, function = test.id.rpartition(":")
    yield from (test.id, function, f"{path}::{function}")


READ = {"pytest": _pytest, "unittest": _unittest, "sympy": _sympy}

"""What a problem's text names: frames of tracebacks, paths, dotted names, and identifiers that few files define."""

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from evalkit.core.context.bags import Memory
from evalkit.core.context.ground import Ground
from evalkit.core.context.picks import Pick

_FRAME = re.compile(r'File "([^"\n]+)", line (\d+)')
_PATH = re.compile(r"([\w.\-/\\]*[\w\-]\.[A-Za-z]{1,4})(?:(?::|#L|\(|, line |\", line )(\d+))?")
_DOTTED = re.compile(r"\b[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+")
_IDENTIFIER = re.compile(r"[A-Za-z_]\w{2,}")
_MARKED = re.compile(r"`([^`\n]+)`|\b([A-Za-z_]\w*)\(")
# What a mention is worth, as a share of the best file's BM25 score: found on every third instance of SWE-bench Lite.
FRAME, PATH, SYMBOL, UNIQUE, RARE, MODULE = 0.4, 0.64, 0.06, 0.06, 0.02, 0.01
MOST_WORTH = 0.8
FEW = 3  # files: an identifier that more of them define says little
MOST = 30  # lines of a file


@dataclass
class _Found:
    """How much is said of a file, where first, and of which lines."""

    worth: float = 0.0
    first: int = 1 << 30
    lines: dict[int, None] = field(default_factory=dict)

    def add(self, worth: float, at: int, line: int = 0) -> None:
        self.worth += worth
        self.first = min(self.first, at)
        if line and len(self.lines) < MOST:
            self.lines[line] = None


@dataclass(frozen=True, slots=True)
class Named:
    """A file that the problem names, the lines that it names, and what that is worth (0 to MOST_WORTH)."""

    pick: Pick
    worth: float


_NAMED: Memory[tuple[Named, ...]] = Memory(100_000, lambda found: len(found) + 1)


def named(ground: Ground) -> tuple[Named, ...]:
    """The files that the problem names, the most named first."""
    if ground.key is None:
        return _named(ground)
    return _NAMED.get(ground.key, lambda: _named(ground))


def _named(ground: Ground) -> tuple[Named, ...]:
    found: defaultdict[str, _Found] = defaultdict(_Found)
    text = ground.instance.prompt
    _frames(ground, text, found)
    _paths(ground, text, found)
    _modules(ground, text, found)
    _identifiers(ground, text, found)
    last = set(ground.last)
    order = sorted(found, key=lambda path: (path in last, -found[path].worth, found[path].first, path))
    return tuple(
        Named(Pick(path, tuple(one.lines)), min(one.worth, MOST_WORTH)) for path in order for one in [found[path]]
    )


def _frames(ground: Ground, text: str, found: dict[str, _Found]) -> None:
    """Frames; the innermost one of the repository is the best guess."""
    mine = [(one, path) for one in _FRAME.finditer(text) if (path := _ending(ground, one[1]))]
    for at, (one, path) in enumerate(mine):
        found[path].add(FRAME * (1.0 + (at + 1 == len(mine))) / (len(mine) - at), one.start(), int(one[2]))


def _paths(ground: Ground, text: str, found: dict[str, _Found]) -> None:
    seen = set()
    for one in _PATH.finditer(_FRAME.sub(" ", text)):
        path = _ending(ground, one[1])
        if path:
            found[path].add(0.0 if path in seen else PATH, one.start(), int(one[2] or 0))
            seen.add(path)


def _ending(ground: Ground, written: str) -> str:
    """The file that a path from elsewhere means: the longest common end; a name alone must be unique."""
    parts = written.replace("\\", "/").strip("/").split("/")
    same = ground.by_name.get(parts[-1], ())
    for at in range(len(parts)):
        end = "/".join(parts[at:])
        matching = [path for path in same if path == end or path.endswith("/" + end)]
        if matching and (len(matching) == 1 or at < len(parts) - 1):
            return matching[0]
    return ""


def _modules(ground: Ground, text: str, found: dict[str, _Found]) -> None:
    """`pkg.mod`, `pkg.mod.Class`, `pkg.mod.Class.method`; the file must define what follows the module."""
    for dotted, at in _first_places(_DOTTED, text):
        parts = dotted.split(".")
        for length in range(len(parts), 0, -1):
            path = ground.modules.get(".".join(parts[:length]))
            if path is None:
                continue
            rest = parts[length:]
            lines = [line for name, line in ground.names(path).defined if rest and name == rest[-1]]
            if lines:
                found[path].add(SYMBOL, at, lines[0])
            elif length > 1:
                found[path].add(MODULE if not rest else RARE, at)
            break


def _identifiers(ground: Ground, text: str, found: dict[str, _Found]) -> None:
    """Names of code that one file, or a few, define."""
    wanted = dict(_code_words(text))
    where: dict[str, dict[str, int]] = {name: {} for name in wanted}
    for path in ground.first:
        for name, line in ground.names(path).defined:
            if name in wanted:
                where[name].setdefault(path, line)
    for name, places in where.items():
        if 0 < len(places) <= FEW:
            for path, line in places.items():
                found[path].add(UNIQUE if len(places) == 1 else RARE / len(places), wanted[name], line)


def _code_words(text: str) -> Iterator[tuple[str, int]]:
    """Identifiers that are no English words: with an underscore or a hump, in backticks, or called."""
    marked = {word for one in _MARKED.finditer(text) for word in _IDENTIFIER.findall(one[0])}
    for word, at in _first_places(_IDENTIFIER, text):
        if word in marked or "_" in word.strip("_") or re.search(r"[a-z][A-Z]", word):
            yield word, at


def _first_places(pattern: re.Pattern[str], text: str) -> Iterator[tuple[str, int]]:
    places: dict[str, int] = {}
    for one in pattern.finditer(text):
        places.setdefault(one[0], one.start())
    return iter(places.items())

"""The sources of a context: each yields the files that it holds for relevant, best first."""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain

from evalkit.core.context.ground import Ground
from evalkit.core.context.named import named
from evalkit.core.context.picks import Pick
from evalkit.core.context.ranking import ranking

DEMOTED = 0.25  # what is left of its worth where the problem names a test or document
SEEDS = 5  # files chosen before whose neighbours are looked for
_OLD = re.compile(r"^--- (?:a/)?([^\t\n]+)", re.MULTILINE)
_HUNK = re.compile(r"^@@ -(\d+)(?:,(\d+))? ", re.MULTILINE)


def picks(kind: str, ground: Ground, before: Sequence[str]) -> Iterator[Pick]:
    """What the source picks. `before`: the paths that the sources before it have put into the prompt."""
    return _SOURCES[kind](ground, before)


def _head(ground: Ground, _: Sequence[str]) -> Iterator[Pick]:
    """The naive baseline: all files, by path."""
    return (Pick(path) for path in sorted(ground.paths))


def _keyword(ground: Ground, _: Sequence[str]) -> Iterator[Pick]:
    """All files by their words; tests, documents and the like after the others."""
    yield from (Pick(path) for path in ranking(ground, ground.first, "first").paths)
    yield from (Pick(path) for path in ranking(ground, ground.last, "last").paths)


def _traceback(ground: Ground, _: Sequence[str]) -> Iterator[Pick]:
    """The files that the problem names."""
    return (one.pick for one in named(ground))


def _combined(ground: Ground, _: Sequence[str]) -> Iterator[Pick]:
    """Keyword and traceback as one ranking: a file's score by its words, and what its being named is worth."""
    ranked = ranking(ground, ground.first, "first")
    worth = dict(zip(ranked.paths, ranked.scores, strict=True))
    for one in named(ground):
        path = one.pick.path
        worth[path] = worth[path] + one.worth if path in worth else DEMOTED * one.worth
    lines = {one.pick.path: one.pick for one in named(ground)}
    yield from (lines.get(path, Pick(path)) for path in sorted(worth, key=lambda path: (-worth[path], path)))
    yield from (Pick(path) for path in ranking(ground, ground.last, "last").paths if path not in worth)


def _imports(ground: Ground, before: Sequence[str]) -> Iterator[Pick]:
    """What the files chosen before import, and what imports them: first what has ties to several, then by words."""
    seeds = tuple(before[:SEEDS])
    links: Counter[str] = Counter()
    for path in seeds:
        links.update(_imported(ground, path) - {path})
    for path in ground.first:
        links[path] += len(_imported(ground, path) & set(seeds) - {path})
    by_words = {path: at for at, path in enumerate(ranking(ground, ground.first, "first").paths)}
    order = sorted(
        (path for path, times in links.items() if times and path in by_words),
        key=lambda path: (-links[path], by_words[path]),
    )
    return (Pick(path) for path in order)


def _imported(ground: Ground, path: str) -> set[str]:
    """The repository's own files that a file imports."""
    package = path.rpartition(".")[0].split("/")
    if package[-1] == "__init__":
        package = [*package[:-1], ""]
    found = set()
    for module in ground.names(path).imported if path in ground.known else ():
        name = module.lstrip(".")
        up = len(module) - len(name)
        dotted = ".".join([*package[: len(package) - up], *([name] if name else [])]) if up else name
        if (there := ground.modules.get(dotted)) is not None:
            found.add(there)
    return found


def _signatures(ground: Ground, _: Sequence[str]) -> Iterator[Pick]:
    """Outlines: of the files that the problem names, then of those that match its words."""
    chosen = chain((one.pick.path for one in named(ground)), ranking(ground, ground.first, "first").paths)
    return (Pick(path, outline=True) for path in dict.fromkeys(chosen))


def _tests(ground: Ground, before: Sequence[str]) -> Iterator[Pick]:
    """The repository's own test files of the files chosen before: by name, by folder, by what they import."""
    candidates = [path for path in ground.last if re.search(r"(^|/|_)tests?(/|_|\.)|conftest", path)]
    for path in before[:SEEDS]:
        near = sorted(((_nearness(ground, path, test), test) for test in candidates), key=lambda one: (-one[0], one[1]))
        yield from (Pick(test) for worth, test in near[:SEEDS] if worth >= 2)  # noqa: PLR2004  no folder's name alone


def _nearness(ground: Ground, path: str, test: str) -> float:
    """How much speaks for a test file being one of `path`."""
    *folders, name = path.rpartition(".")[0].split("/")
    if name == "__init__" and folders:
        name = folders[-1]
    stem = re.sub(r"^test_|_tests?$", "", test.rpartition("/")[2].rpartition(".")[0])
    shared = len(set(folders) & set(test.split("/")[:-1]))
    worth = 3.0 * (stem == name) + 2.0 * (name in test.split("/")[:-1]) + 0.25 * shared
    return worth + (path in _imported(ground, test) if worth >= 1 or shared else 0)


def _oracle_files(ground: Ground, _: Sequence[str]) -> Iterator[Pick]:
    """The files that the known-good patch changes, with the lines that it changes."""
    parts = _OLD.split(ground.instance.gold)
    for path, hunks in zip(parts[1::2], parts[2::2], strict=True):
        lines = [int(one[1]) + 3 for one in _HUNK.finditer(hunks)]  # after three lines of context
        if path in ground.files:
            yield Pick(path, tuple(lines))


_SOURCES: Mapping[str, Callable[[Ground, Sequence[str]], Iterator[Pick]]] = {
    "head": _head,
    "keyword": _keyword,
    "traceback": _traceback,
    "combined": _combined,
    "imports": _imports,
    "signatures": _signatures,
    "tests": _tests,
    "oracle_files": _oracle_files,
}

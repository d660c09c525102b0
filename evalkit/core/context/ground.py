"""What sources look at: the problem, and the files that may be shown, each read when it is asked for."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import translate
from functools import cached_property, lru_cache

from evalkit.core.context.bags import content
from evalkit.core.context.code import Names, names
from evalkit.core.context.settings import Context
from evalkit.core.types import Instance

LARGEST = 1_000_000  # characters: data or generated, whatever its name says
WIDEST = 400  # characters a line at the mean: minified


@dataclass(frozen=True)
class Ground:
    """An instance's files as a context's sources see them."""

    context: Context
    instance: Instance

    @property
    def files(self) -> Mapping[str, str]:
        """All files."""
        return self.instance.files

    @cached_property
    def paths(self) -> tuple[str, ...]:
        """What may be shown, in order. Files that stand in the dataset itself are all meant to be seen."""
        if self.instance.repo is None:
            return tuple(self.files)
        wanted = _any_of(tuple(self.context.include))
        return tuple(sorted(path for path in self.files if wanted.match(path)))

    @cached_property
    def first(self) -> tuple[str, ...]:
        """Those that are looked at first."""
        last = _any_of(tuple(self.context.last))
        return tuple(path for path in self.paths if not last.match(path))

    @cached_property
    def last(self) -> tuple[str, ...]:
        """Tests, documents, vendored and generated files."""
        first = set(self.first)
        return tuple(path for path in self.paths if path not in first)

    @cached_property
    def known(self) -> frozenset[str]:
        """The paths that may be shown."""
        return frozenset(self.paths)

    @cached_property
    def by_name(self) -> Mapping[str, tuple[str, ...]]:
        """The paths that may be shown by the last of their parts."""
        found: dict[str, list[str]] = {}
        for path in (*self.first, *self.last):
            found.setdefault(path.rpartition("/")[2], []).append(path)
        return {name: tuple(paths) for name, paths in found.items()}

    @cached_property
    def modules(self) -> Mapping[str, str]:
        """Python modules by dotted name, with and without a folder such as `src` in front."""
        found: dict[str, str] = {}
        for path in (*self.first, *self.last):
            if path.endswith((".py", ".pyx", ".pyi")):
                dotted = path.rpartition(".")[0].removesuffix("/__init__").replace("/", ".")
                found.setdefault(dotted, path)
                for folder in ("src.", "lib."):
                    if dotted.startswith(folder):
                        found.setdefault(dotted.removeprefix(folder), path)
        return found

    def names(self, path: str) -> Names:
        """What a file defines and imports."""
        return names(content(self.files, path), lambda: self.text(path))

    def text(self, path: str) -> str:
        """A file's text; empty for what nobody reads: minified, or too large."""
        text = self.files[path]
        if len(text) > LARGEST or len(text) > WIDEST * (text.count("\n") + 1):
            return ""
        return text

    @cached_property
    def key(self) -> tuple[object, ...] | None:
        """What a ranking depends on, where it is worth keeping: an instance's attempts ask for the same one."""
        repo = self.instance.repo
        if repo is None:
            return None
        return (repo.name, repo.commit, self.instance.prompt, tuple(self.context.include), tuple(self.context.last))


@lru_cache(maxsize=64)
def _any_of(patterns: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(translate(pattern) for pattern in patterns) or r"(?!)")

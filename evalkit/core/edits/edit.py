"""What an answer's edits have in common: a name to speak of, a path, and what they make of the files."""

from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from evalkit.core.edits.lines import read
from evalkit.core.edits.told import fault, no_file
from evalkit.core.types import Finding


class Edit(Protocol):
    """One edit. `what` names it in findings; `paths` are those that it would change."""

    @property
    def what(self) -> str:
        """Such as `Edit 2 (calc.py)`."""
        ...

    @property
    def paths(self) -> Sequence[str]:
        """The files that it touches."""
        ...

    def apply(self, tree: MutableMapping[str, str]) -> list[Finding]:
        """Change the tree; or leave it as it is and say why."""
        ...


@dataclass(frozen=True, slots=True)
class Broken:
    """An edit that cannot be read: seen, and never passed over."""

    what: str
    message: str
    line: int | None = None
    paths: tuple[str, ...] = ()

    def apply(self, tree: Mapping[str, str]) -> list[Finding]:  # noqa: ARG002  as Edit asks
        """What is wrong with it."""
        return [fault(self.what, self.message)]


@dataclass(frozen=True, slots=True)
class Whole:
    """A file's whole new text."""

    what: str
    path: str
    text: str

    @property
    def paths(self) -> tuple[str, ...]:
        """The one."""
        return (self.path,)

    def apply(self, tree: MutableMapping[str, str]) -> list[Finding]:
        """Write it; a file of Windows keeps its line ends."""
        is_crlf = read(tree.get(self.path, "")).is_crlf and "\r" not in self.text
        tree[self.path] = self.text.replace("\n", "\r\n") if is_crlf else self.text
        return []


@dataclass(frozen=True, slots=True)
class Delete:
    """A file that is to go."""

    what: str
    path: str

    @property
    def paths(self) -> tuple[str, ...]:
        """The one."""
        return (self.path,)

    def apply(self, tree: MutableMapping[str, str]) -> list[Finding]:
        """Take it away."""
        if self.path not in tree:
            return [no_file(self.what, self.path, tree)]
        del tree[self.path]
        return []


@dataclass(slots=True)
class Reading:
    """The edits of an answer as they are found; `files` are the instance's."""

    files: Mapping[str, str]
    edits: list[Edit] = field(default_factory=list)

    def what(self, path: str = "", word: str = "Edit") -> str:
        """The next edit's name."""
        return f"{word} {len(self.edits) + 1}" + (f" ({path})" if path else "")

    @property
    def only(self) -> str:
        """The instance's one file, which need not be named; empty where there are more."""
        return next(iter(self.files)) if len(self.files) == 1 else ""

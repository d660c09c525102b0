"""Files after edits, kept as what differs: a repository's thousands of files are never copied, most not even read."""

from collections.abc import Iterator, Mapping, MutableMapping


class Tree(MutableMapping[str, str]):
    """Files by path over those from before, which stay as they are."""

    def __init__(self, before: Mapping[str, str]) -> None:
        self.before = before
        self._written: dict[str, str] = {}
        self._removed: set[str] = set()

    @property
    def changed(self) -> dict[str, str | None]:
        """What really differs, by path: the new text, or None where the file is gone."""
        written = {path: text for path, text in self._written.items() if self.before.get(path) != text}
        return {**written, **dict.fromkeys(sorted(self._removed), None)}

    def __getitem__(self, path: str) -> str:
        if path in self._written:
            return self._written[path]
        if path in self._removed:
            raise KeyError(path)
        return self.before[path]

    def __setitem__(self, path: str, text: str) -> None:
        self._removed.discard(path)
        self._written[path] = text

    def __delitem__(self, path: str) -> None:
        if path not in self:
            raise KeyError(path)
        self._written.pop(path, None)
        if path in self.before:
            self._removed.add(path)

    def __contains__(self, path: object) -> bool:
        return path in self._written or (path not in self._removed and path in self.before)

    def __iter__(self) -> Iterator[str]:
        yield from (path for path in self.before if path not in self._removed)
        yield from (path for path in self._written if path not in self.before)

    def __len__(self) -> int:
        return len(self.before) - len(self._removed) + sum(path not in self.before for path in self._written)


def changed(before: Mapping[str, str], after: Mapping[str, str]) -> dict[str, str | None]:
    """What differs between two sets of files, by path: the new text, or None where the file is gone."""
    if isinstance(after, Tree) and after.before is before:
        return after.changed
    written = {path: text for path, text in after.items() if before.get(path) != text}
    return {**written, **{path: None for path in before if path not in after}}

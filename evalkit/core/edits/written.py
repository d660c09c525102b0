"""Writes a change as edits of a format: for known-good answers that are given as whole files, and for tests."""

import re
from collections.abc import Iterator, Mapping
from difflib import unified_diff

from evalkit.core.edits.lines import read

MARKERS = re.compile(r"^(<{5,}|={5,}|>{5,}|`{3,}|~{3,})", re.MULTILINE)


def written(form: str, before: Mapping[str, str], after: Mapping[str, str]) -> str:
    """The edits that make `after` of `before`."""
    changed = [path for path in {**before, **after} if before.get(path) != after.get(path)]
    write = {"search_replace": _block, "unified_diff": _diff, "whole_file": _whole}[form]
    return "\n".join(write(path, before.get(path), after.get(path)) for path in changed)


def _block(path: str, old: str | None, new: str | None) -> str:
    if new is None:
        return f"DELETE FILE: {path}\n"
    mark = _longer(7, old or "", new)
    parts = [f"{path}\n{'<' * mark} SEARCH", *read(old or "").lines, "=" * mark, *read(new).lines]
    return "\n".join([*parts, f"{'>' * mark} REPLACE\n"])


def _whole(path: str, _: str | None, new: str | None) -> str:
    if new is None:
        return f"DELETE FILE: {path}\n"
    mark = "`" * _longer(3, new)
    return "\n".join([path, mark, *read(new).lines, f"{mark}\n"])


def _longer(least: int, *texts: str) -> int:
    found = [len(match[1]) + 1 for text in texts for match in MARKERS.finditer(text)]
    return max([least, *found])


def _diff(path: str, old: str | None, new: str | None) -> str:
    mode = "new file mode 100644\n" if old is None else "deleted file mode 100644\n" if new is None else ""
    head = f"diff --git a/{path} b/{path}\n{mode}"
    names = ("/dev/null" if old is None else f"a/{path}", "/dev/null" if new is None else f"b/{path}")
    return head + "".join(_marked(unified_diff(_kept(old or ""), _kept(new or ""), names[0], names[1])))


def _kept(text: str) -> list[str]:
    """Lines with their line feeds; str.splitlines would split at form feeds and more."""
    lines = read(text)
    return [f"{line}\n" for line in lines.lines[:-1]] + [line + "\n" * lines.ends for line in lines.lines[-1:]]


def _marked(lines: Iterator[str]) -> Iterator[str]:
    for line in lines:
        yield line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"

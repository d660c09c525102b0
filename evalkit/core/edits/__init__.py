"""Answers that are edits: read, and applied to an instance's files all or none (invariant 4). See docs/edits.md."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from evalkit.core.edits import search_replace, unified_diff, whole_file
from evalkit.core.edits.edit import Edit, Reading
from evalkit.core.edits.paths import refused
from evalkit.core.edits.told import fault
from evalkit.core.edits.tree import Tree, changed
from evalkit.core.edits.written import written
from evalkit.core.failure import Failure
from evalkit.core.types import Candidate, Finding, Instance

__all__ = [
    "FORMATS",
    "Edited",
    "Tree",
    "apply",
    "changed",
    "edited",
    "guarded",
    "is_edit",
    "of_files",
    "why_no_edits",
    "written",
]

FORMATS: dict[str, Callable[[Reading, str], list[Edit]]] = {
    "search_replace": search_replace.parse,
    "unified_diff": unified_diff.parse,
    "whole_file": whole_file.parse,
}
SEEN = {
    "search_replace": (
        "no <<<<<<< SEARCH block in it. Write the file's path, then the three marker lines <<<<<<< SEARCH, ======= and "
        ">>>>>>> REPLACE themselves, with the old and the new lines between them."
    ),
    "unified_diff": "no diff in it. Write --- a/PATH, +++ b/PATH and @@ … @@, then lines marked by a blank, - or +.",
    "whole_file": "no code block beneath a file's path in it. Write the path, then the whole file in a code block.",
}


@dataclass(frozen=True, slots=True)
class Edited:
    """The files after all edits; or why there are none, and then `files` are the ones from before."""

    files: Mapping[str, str]
    failure: Failure | None = None
    findings: tuple[Finding, ...] = ()


def is_edit(answer: str) -> bool:
    """Whether an instance's `answer` is one of the formats."""
    return answer in FORMATS


def apply(answer: str, text: str, files: Mapping[str, str], protected: tuple[str, ...] | None = None) -> Edited:
    """Apply every edit in `text` to a copy of `files`, in order; one that fails fails them all.

    Fails with `no_edits` (none was found), `apply_failed` (a finding for each that does not apply) or `no_change`.
    `protected` are patterns of paths that no edit may touch (paths.PROTECTED, if None). Raises KeyError for an
    `answer` that is no format.
    """
    text = text.replace("\r\n", "\n") if text.count("\n") == text.count("\r\n") else text
    edits = FORMATS[answer](Reading(files), text)
    if not edits:
        return _failed(files, Failure.NO_EDITS, fault("Your reply", f"there is {SEEN[answer]}"))
    tree, found = Tree(files), []
    for edit in edits:
        found += _refusals(edit, tree, protected) or edit.apply(tree)
    if found:
        return _failed(files, Failure.APPLY_FAILED, *found)
    if not tree.changed:
        said = "they leave every file as it is. Change what the task asks for."
        return _failed(files, Failure.NO_CHANGE, fault("Your edits", said))
    return Edited(tree)


def edited(instance: Instance, candidate: Candidate) -> Edited:
    """The instance's files as the candidate makes them; a candidate that holds them has them already."""
    if candidate.files is not None:
        return Edited(candidate.files)
    return apply(instance.answer, candidate.text, instance.files, guarded(instance))


def guarded(instance: Instance) -> tuple[str, ...] | None:
    """Patterns of paths that no edit of this instance may touch (None: paths.PROTECTED).

    A repository's settings may well belong to an answer; before its tests run, what runs them is put back anyway.
    """
    return () if instance.repo is not None and instance.protected is None else instance.protected


def of_files(answer: str, files: Mapping[str, str], made: Mapping[str, str | None]) -> str:
    """The edits that make these files (None: deletes them), in the format that `answer` names."""
    after = {path: text for path, text in {**files, **made}.items() if text is not None}
    return written(answer, files, after)


def why_no_edits(answer: str, files: Mapping[str, str], made: str | Mapping[str, str | None]) -> str:
    """Why files that an answer makes cannot be written as edits of that format; empty if they can."""
    if isinstance(made, str):
        return ""
    if not is_edit(answer):
        return f"files are an answer where edits are asked for only, and answer is {answer!r}"
    wanted = {path: text for path, text in {**files, **made}.items() if text is not None}
    done = apply(answer, of_files(answer, files, made), files, ())
    if dict(done.files) == wanted:
        return ""
    return " ".join(found.message for found in done.findings) or (
        f"{answer} cannot say these files: end each of them with a line feed, or write the edits out"
    )


def _refusals(edit: Edit, tree: Mapping[str, str], protected: tuple[str, ...] | None) -> list[Finding]:
    reasons = [(path, refused(path, tree, protected)) for path in edit.paths]
    return [fault(edit.what, f"{path!r} {why}; no edit may touch it.") for path, why in reasons if why]


def _failed(files: Mapping[str, str], failure: Failure, *findings: Finding) -> Edited:
    return Edited(files, failure, findings)

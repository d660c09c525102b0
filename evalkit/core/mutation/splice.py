"""Parts of a rejected example put into an accepted one: what the rule's author thinks is wrong, elsewhere."""

import re
from collections.abc import Iterator
from difflib import SequenceMatcher
from itertools import islice

from evalkit.core.mutation.made import Mutation

MOST_LINES = 60  # of either example, lest two long ones have thousands of combinations
MOST_TOKENS = 400
_TOKEN = re.compile(r"\w+|\s+|[^\w\s]")


def spliced(accepted: str, rejected: str) -> Iterator[Mutation]:
    """The rejected example before and behind, its lines in each place, and each difference by itself."""
    yield Mutation("a rejected example behind it", f"{accepted.rstrip()}\n\n{rejected}")
    yield Mutation("a rejected example before it", f"{rejected.rstrip()}\n\n{accepted}")
    yield from _lines(accepted.splitlines()[:MOST_LINES], rejected.splitlines()[:MOST_LINES])
    yield from _differences(accepted.splitlines(keepends=True), rejected.splitlines(keepends=True), MOST_LINES)
    yield from _differences(_TOKEN.findall(accepted), _TOKEN.findall(rejected), MOST_TOKENS)


def _lines(accepted: list[str], rejected: list[str]) -> Iterator[Mutation]:
    known = {line.strip() for line in accepted}
    for line in rejected:
        if not line.strip() or line.strip() in known:
            continue
        for place, present in enumerate(accepted):
            fitting = present[: len(present) - len(present.lstrip())] + line.strip()
            before, after = accepted[:place], accepted[place:]
            yield Mutation("a line of a rejected example", "\n".join([*before, fitting, *after]) + "\n")
            yield Mutation("a line of a rejected example instead", "\n".join([*before, fitting, *after[1:]]) + "\n")


def _differences(accepted: list[str], rejected: list[str], most: int) -> Iterator[Mutation]:
    if max(len(accepted), len(rejected)) > most:
        return
    changes = SequenceMatcher(None, accepted, rejected, autojunk=False).get_opcodes()
    for what, a, b, c, d in islice((change for change in changes if change[0] != "equal"), most):
        text = "".join([*accepted[:a], *rejected[c:d], *accepted[b:]])
        yield Mutation(f"a difference to a rejected example ({what})", text)

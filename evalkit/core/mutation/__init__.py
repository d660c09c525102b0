"""Other answers made of an accepted one: some that should break a rule, some that change nothing of its meaning.

Nothing is drawn at random: the same example gives the same mutations, and `sampled` picks the same few of many.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import TypeVar

from evalkit.core.mutation import code, json_text, lines, rewrites, splice
from evalkit.core.mutation.made import CHANGES, Mutation, Rewrite, sampled

__all__ = ["CHANGES", "Mutation", "Rewrite", "harmless", "sampled", "violating"]

MANY = 20_000  # mutations of one example: more say nothing more
M = TypeVar("M", bound=Mutation)


def violating(example: str, rejected: Sequence[str], language: str) -> Iterator[Mutation]:
    """Mutations of an accepted example that may break what a rule asks for.

    `rejected` are the rule's reject examples, whose parts are spliced in; `language` is one of
    core/rules/languages.LANGUAGES, "json", or "" for plain text.
    """
    spliced = (mutation for reject in rejected for mutation in splice.spliced(example, reject))
    return _others(example, chain(_own(example, language), spliced, lines.broken(example)))


def harmless(example: str, language: str) -> Iterator[Rewrite]:
    """Rewrites of an accepted example that mean the same."""
    if language == "json":
        return _others(example, json_text.rewritten(example))
    return _others(example, rewrites.rewritten(example, language) if language else lines.rewritten(example))


def _own(example: str, language: str) -> Iterator[Mutation]:
    if language == "json":
        return json_text.broken(example)
    return code.broken(example, language) if language else iter(())


def _others(example: str, mutations: Iterable[M]) -> Iterator[M]:
    """Those that differ from the example and each other, and are not blank: a blank answer is never judged."""
    seen = {example}
    for mutation in islice(mutations, MANY):
        if mutation.text.strip() and mutation.text not in seen:
            seen.add(mutation.text)
            yield mutation

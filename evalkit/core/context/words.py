"""A text as words to be ranked by: identifiers whole and in their parts, and as numbers."""

import re
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from zlib import crc32

_WORD = re.compile(r"[^\W\d]\w+|\d{3,}")
_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_a-zA-Z]+")
# What says nothing about code: English's commonest words, and what stands in every issue's form.
_STOP = frozenset(
    {
        "a", "about", "after", "all", "also", "am", "an", "and", "any", "are", "as", "at", "be", "because", "been",
        "before", "being", "between", "both", "but", "by", "can", "cannot", "could", "did", "do", "does", "doing",
        "done", "during", "each", "either", "else", "etc", "even", "few", "for", "from", "get", "gets", "getting",
        "give", "given", "got", "had", "has", "have", "having", "he", "her", "here", "hers", "him", "his", "how",
        "however", "if", "in", "instead", "into", "is", "isn", "it", "its", "itself", "just", "let", "like", "ll",
        "may", "maybe", "me", "might", "more", "most", "much", "must", "my", "need", "no", "nor", "not", "now", "of",
        "off", "on", "once", "one", "only", "or", "other", "our", "out", "over", "own", "please", "same", "see",
        "seem", "seems", "she", "should", "since", "so", "some", "something", "still", "such", "than", "that", "the",
        "their", "them", "then", "there", "these", "they", "thing", "think", "this", "those", "though", "through",
        "to", "too", "under", "until", "up", "us", "use", "used", "using", "very", "want", "was", "we", "well",
        "were", "what", "when", "where", "whether", "which", "while", "who", "whose", "why", "will", "with",
        "without", "won", "would", "yes", "yet", "you", "your", "actual", "actually", "behavior", "behaviour", "bug",
        "code", "description", "example", "expected", "issue", "problem", "reproduce", "result", "results", "steps",
        "version",
    }
)  # fmt: skip


def words(text: str) -> Counter[str]:
    """How often each word occurs: `getHTTPResponse` counts itself, `get`, `http` and `response`."""
    counted: Counter[str] = Counter()
    for name, times in Counter(_WORD.findall(text)).items():
        for word in spelt(name):
            counted[word] += times
    return counted


@lru_cache(maxsize=200_000)
def spelt(name: str) -> tuple[str, ...]:
    """An identifier in lower case, whole and in its parts, without what says nothing."""
    parts = [part.lower() for part in _PART.findall(name)]
    whole = name.strip("_").lower()
    found = dict.fromkeys([whole, *parts] if len(parts) > 1 else [whole])
    return tuple(_stem(word) for word in found if len(word) > 1 and word not in _STOP)


def _stem(word: str) -> str:
    """Without a plural's or a verb's s: `warnings` and `warning` are one word."""
    return word[:-1] if len(word) > 3 and word[-1] == "s" and word[-2] not in "siu" else word  # noqa: PLR2004


def number(word: str) -> int:
    """The word as a number of 32 bits: no vocabulary has to be kept for the words of thousands of files."""
    return crc32(word.encode())


def path_words(path: str) -> Iterator[str]:
    """The words of a path: `django/db/models/query.py` has `django`, `db`, `model` and `query`."""
    stem, _, _ = path.rpartition(".")
    for name in _WORD.findall(stem or path):
        yield from spelt(name)

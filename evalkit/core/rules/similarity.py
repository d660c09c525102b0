"""`similarity`: how near the candidate comes to a reference, by a metric of rapidfuzz."""

from collections.abc import Callable
from dataclasses import dataclass
from math import floor
from typing import Any, ClassVar

from evalkit.core.rubric import Violation
from evalkit.core.rules.keys import KeyFault, refuse

RATIOS = (
    "ratio",
    "partial_ratio",
    "token_sort_ratio",
    "token_set_ratio",
    "token_ratio",
    "partial_token_sort_ratio",
    "partial_token_set_ratio",
    "partial_token_ratio",
    "WRatio",
    "QRatio",
)
DISTANCES = (
    "Levenshtein",
    "DamerauLevenshtein",
    "OSA",
    "Indel",
    "LCSseq",
    "Hamming",
    "Jaro",
    "JaroWinkler",
    "Prefix",
    "Postfix",
)
# Characters of the candidate times those of the reference: some seconds, where an answer grows to be compared.
_MOST = 1e10
_MOST_SLOW = 1e8
_SLOW = {"DamerauLevenshtein", "WRatio", *(name for name in RATIOS if name.startswith("partial"))}


@dataclass(frozen=True)
class Similarity:
    """`metric` of rapidfuzz (Levenshtein, if left out) has to be at least `min`, 1 being equality.

    `ignore_space` takes all white space out of both texts; metrics of tokens keep one blank between two.
    """

    reference: str
    min: float
    metric: str = "Levenshtein"
    ignore_case: bool = False
    ignore_space: bool = False

    SCHEMA: ClassVar[dict[str, Any]] = {
        "required": ["reference", "min"],
        "properties": {
            "reference": {"type": "string", "minLength": 1},
            "min": {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
            "metric": {"enum": [*DISTANCES, *RATIOS]},
            "ignore_case": {"type": "boolean"},
            "ignore_space": {"type": "boolean"},
        },
    }

    def __post_init__(self) -> None:
        """Refuse a reference of nothing but blanks. Raises KeyFaults."""
        refuse(KeyFault(("reference",), "is empty") for _ in [0] if not self.reference.strip())

    def violations(self, candidate: str) -> list[Violation]:
        """One, with the similarity, if it is too low."""
        text, reference = self._plain(candidate), self._plain(self.reference)
        if len(text) * len(reference) > (_MOST_SLOW if self.metric in _SLOW else _MOST):
            detail = f"it is too long to be compared with the reference: {len(text)} characters"
            return [Violation(detail, unread=True)]
        value = _metric(self.metric)(text, reference)
        if value >= self.min:
            return []
        shown = floor(value * 1000) / 1000  # rounded up it might look like enough
        return [
            Violation(f"its similarity to the reference is {shown:g} by {self.metric}; at least {self.min:g} wanted")
        ]

    def _plain(self, text: str) -> str:
        text = text.strip()
        if self.ignore_space:
            text = (" " if "token" in self.metric else "").join(text.split())
        return text.casefold() if self.ignore_case else text


def _metric(name: str) -> Callable[[str, str], float]:
    """From 0 to 1."""
    from rapidfuzz import distance, fuzz  # noqa: PLC0415  10 ms that other rubrics need not pay

    if name in RATIOS:
        ratio = getattr(fuzz, name)
        return lambda one, other: float(ratio(one, other)) / 100
    similarity: Callable[[str, str], float] = getattr(distance, name).normalized_similarity
    return similarity

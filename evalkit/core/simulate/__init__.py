"""Ladders never run, from recorded attempts: what another order, subset or number of attempts would have come to."""

from evalkit.core.simulate.climb import Climb, Unknown, climbs
from evalkit.core.simulate.evidence import Evidence, Recording, Unit, sources
from evalkit.core.simulate.outcome import Outcome, outcome
from evalkit.core.simulate.search import Found, Spec, ladder_of, search, spec_name

__all__ = [
    "Climb",
    "Evidence",
    "Found",
    "Outcome",
    "Recording",
    "Spec",
    "Unit",
    "Unknown",
    "climbs",
    "ladder_of",
    "outcome",
    "search",
    "sources",
    "spec_name",
]

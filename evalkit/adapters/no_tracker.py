"""A tracker that shows nothing: the run folder is all there is (`tracker=none`)."""

from dataclasses import dataclass, field

from evalkit.core.ports import RunRecord
from evalkit.core.scrub import Scrub
from evalkit.core.summary import Summary
from evalkit.core.types import Solution


@dataclass
class NoTracker:
    """Publishes nothing; `evalkit publish` can bring the run to MLflow later.

    `scrub` as of the other tracker: what may be published later is scrubbed when it is written.
    """

    scrub: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Refuse what can never work. Raises ValueError."""
        Scrub(self.scrub)

    def prepare(self) -> None:
        """Nothing takes long."""

    def start(self, run: RunRecord) -> None:
        """Nothing is opened."""

    def climbed(self, solution: Solution) -> None:
        """Nothing is noted."""

    def finish(self, summary: Summary) -> str:  # noqa: ARG002  the port's signature
        """Nothing is missing, since nothing was asked for."""
        return ""

    def check(self) -> None:
        """There is nothing that could be away."""

    def close(self) -> None:
        """Nothing is open."""

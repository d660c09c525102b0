"""A tracker that shows nothing: the run folder is all there is (`tracker=none`)."""

from dataclasses import dataclass

from evalkit.core.ports import RunRecord
from evalkit.core.summary import Summary
from evalkit.core.types import Solution


@dataclass
class NoTracker:
    """Publishes nothing; `evalkit publish` can bring the run to MLflow later."""

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

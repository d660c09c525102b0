"""The rungs that the policy `skip` has given up: no climb of the run asks them any more, also after a resume."""

from collections.abc import Mapping

from evalkit.core.failure import Failure
from evalkit.core.ladder import Ladder, Then, then
from evalkit.core.ports import Model
from evalkit.core.types import Completion, Prompt, Verdict
from evalkit.run.guarded import guarded
from evalkit.run.records import Searchable


class GivenUp:
    """Which rungs, and why.

    The journal holds the reason before the first climb acts on it, and what a climb had recorded on the rung until
    then is recalled as it was: so a resumed climb decides alike. A model that is not available is given up for this
    session only, and asked again by the next.
    """

    def __init__(self, ladder: Ladder, journal: Searchable) -> None:
        self._ladder = ladder
        self._journal = journal
        self._heard: dict[str, Completion] = {}  # by rung: what stands for its answers from now on

    def hear(self, instance: str, rung: str, completion: Completion, verdict: Verdict) -> None:
        """Note an attempt's end; the policy may give its rung up."""
        failure = verdict.failure
        if failure is None or rung in self._heard or then(self._ladder, rung, failure) is not Then.SKIP:
            return
        if failure is Failure.MODEL_UNAVAILABLE:
            self._heard[rung] = _nothing(failure, completion.detail)
        else:
            why = f"given up for the whole run after {failure} on {instance!r}, by the policy {{{failure}: skip}}"
            self._heard[rung] = _nothing(Failure.RUNG_SKIPPED, why)

    def guarded(self, models: Mapping[str, Model]) -> dict[str, Model]:
        """The models, each asked only while its rung is not given up."""
        return guarded(models, self._ask)

    async def instead(self, rung: str) -> Completion | None:
        """What stands for an answer of this rung; None while it may be asked."""
        key = f"rungs/{rung}/given_up"
        heard = self._heard.get(rung)
        if heard is not None and heard.failure is Failure.MODEL_UNAVAILABLE:
            return heard
        if heard is None and key not in self._journal:
            return None
        return await self._journal.once(key, Completion, self._reason, rung)

    async def _ask(self, rung: str, model: Model, prompt: Prompt) -> Completion:
        instead = await self.instead(rung)
        return await model.complete(prompt) if instead is None else instead

    async def _reason(self, rung: str) -> Completion:
        return self._heard[rung]


def _nothing(failure: Failure, why: str) -> Completion:
    return Completion("", tokens_prompt=0, tokens_completion=0, cost_usd=0.0, requests=0, failure=failure, detail=why)

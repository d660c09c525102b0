"""`judge`: a model as grader, asked several times.

An abstention is no verdict: where the share of passing votes lies in the band `abstain`, a NoGradeError leaves the
instance unfinished, unless `on_abstain` says to hold or to break the rule. An answer that is empty or cannot be
read is asked for once more, then it is a NoGradeError too; so no failing of a grader is booked on the candidate.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from evalkit.core.errors import ModelUnavailableError, NoGradeError
from evalkit.core.failure import Failure
from evalkit.core.gradings import graded
from evalkit.core.ports import World
from evalkit.core.rubric import Violation
from evalkit.core.rules.grader_words import PLACES, Scale, again, question, read_scale
from evalkit.core.rules.keys import KeyFault, refuse
from evalkit.core.rules.where import short
from evalkit.core.types import Completion, Grading, Instance

ON_ABSTAIN = ("error", "hold", "break")
MOST_SAMPLES = 25
WARM = 0.7  # temperature of several samples: at 0 they would all be one


@dataclass(frozen=True)
class Judge:
    """Asks `model` (any name that a rung may have) `samples` times; `prompt` holds {candidate}.

    {prompt} and {reference} (the instance's first good answer) may stand in it too. `scale` is yes/no, or a range
    such as 1..5 with the least vote that passes, `pass_at`. The rule holds where more votes pass than the upper
    end of `abstain` (by default a tie: 0.5 to 0.5), and breaks below its lower end. `params` are a rung's keys
    (temperature, max_tokens, timeout_s, api_base, price, …) and litellm's parameters. The model hears why the first
    vote went against it, unless the grader saw the reference, which its words could give away.
    """

    model: str
    prompt: str
    samples: int = 1
    scale: str = "yes/no"
    pass_at: int | None = None
    abstain: Sequence[float] = (0.5, 0.5)
    on_abstain: str = "error"
    params: Mapping[str, Any] = field(default_factory=dict)

    stage: ClassVar[int] = 2
    SCHEMA: ClassVar[dict[str, Any]] = {
        "required": ["model", "prompt"],
        "properties": {
            "model": {"type": "string", "minLength": 1},
            "prompt": {"type": "string", "minLength": 1},
            "samples": {"type": "integer", "minimum": 1, "maximum": MOST_SAMPLES},
            "scale": {"type": "string"},
            "pass_at": {"type": "integer"},
            "abstain": {"type": "array", "items": {"type": "number"}},
            "on_abstain": {"enum": list(ON_ABSTAIN)},
            "params": {"type": "object"},
        },
    }

    def __post_init__(self) -> None:
        """Refuse what can never work. Raises KeyFaults."""
        refuse(self._faults())

    @property
    def asked_with(self) -> dict[str, Any]:
        """The parameters of a question."""
        return {"temperature": 0.0 if self.samples == 1 else WARM, **self.params}

    def missing(self, instance: Instance) -> str:
        """What the instance lacks for this rule."""
        wanted = "{reference}" in self.prompt and not instance.good
        return "has no good answer, which a grader's {reference} needs" if wanted else ""

    async def found(self, candidate: str, world: World) -> list[Violation]:
        """One, if the votes are against it. Raises NoGradeError or ModelError where there is no verdict."""
        if not candidate.strip():
            return [Violation("there is nothing to grade")]
        scale = read_scale(self.scale)
        messages = question(self.prompt, candidate, world.instance, scale)
        sheet = _Sheet(self, world, scale)
        for _ in range(self.samples):
            completion = await sheet.ask(messages)
            if sheet.add(completion):
                continue
            retried = await sheet.ask(again(messages, completion.text, scale))
            if not sheet.add(retried):
                raise NoGradeError(
                    f"the grader {self.model} gave no verdict that can be read, asked twice: "
                    f"{short(retried.detail or retried.text, 200)!r}. It should end with {scale.form!r}."
                )
        return self._counted(sheet, world)

    def _counted(self, sheet: "_Sheet", world: World) -> list[Violation]:
        passing = sum(sheet.scale.passes(vote, self.pass_at) for vote in sheet.votes) / len(sheet.votes)
        low, high = self.abstain
        abstained = low <= passing <= high
        grading = sheet.grading(passing, abstained=abstained)
        world.note(grading)
        what = f"{grading.agreement:.0%} of {len(sheet.votes)} votes agree ({', '.join(sheet.votes)})"
        if abstained and self.on_abstain == "error":
            raise NoGradeError(f"the grader {self.model} abstains: {what}, {passing:.0%} for the candidate")
        held = self.on_abstain == "hold" if abstained else passing > high
        said = "the grader abstains" if abstained else "" if "{reference}" in self.prompt else sheet.reason
        return [] if held else [Violation("; ".join(part for part in (said, what) if part))]

    def _faults(self) -> Iterator[KeyFault]:
        if "candidate" not in PLACES.findall(self.prompt):
            yield KeyFault(("prompt",), "does not say where the candidate stands: write {candidate} into it")
        yield from self._scale_faults()
        band = list(self.abstain)
        if len(band) != 2 or not 0 <= band[0] <= band[1] <= 1:  # noqa: PLR2004  its two ends
            yield KeyFault(("abstain",), f"is {band!r}; it must be two shares from 0 to 1, the lower first")
        if self.samples > 1 and self.params.get("temperature") == 0:
            yield KeyFault(("samples",), f"{self.samples} at temperature 0 would all be the same vote; raise it")
        if self.samples > 1 and "seed" in self.params:
            yield KeyFault(("params", "seed"), "would make all samples the same vote; each draws its own")

    def _scale_faults(self) -> Iterator[KeyFault]:
        try:
            scale = read_scale(self.scale)
        except ValueError as error:
            yield KeyFault(("scale",), str(error))
            return
        if scale.low is None or scale.high is None:
            if self.pass_at is not None:
                yield KeyFault(("pass_at",), "has no meaning for yes/no; remove it, or give a scale such as 1..5")
        elif self.pass_at is None or not scale.low < self.pass_at <= scale.high:
            text = f"is {self.pass_at!r}; it must be above {scale.low} and at most {scale.high}: the least that passes"
            yield KeyFault(("pass_at",), text)


class _Sheet:
    """The votes on one candidate as they come in, with what they cost."""

    def __init__(self, rule: Judge, world: World, scale: Scale) -> None:
        self.scale = scale
        self.votes: list[str] = []
        self.reason = ""  # of the first vote against the candidate
        self._rule, self._world = rule, world
        self._completions: list[Completion] = []

    async def ask(self, messages: Any) -> Completion:
        """One answer. Raises ModelError on an outage, and where there is no such model."""
        rule, number = self._rule, len(self._completions) + 1
        completion = await self._world.ask(rule.model, messages, rule.asked_with, number)
        self._completions.append(completion)
        if completion.failure is Failure.MODEL_UNAVAILABLE:
            raise ModelUnavailableError(f"grader {rule.model}: {completion.detail}")
        return completion

    def add(self, completion: Completion) -> bool:
        """Whether there is a vote in it."""
        vote = self.scale.vote(completion.text)
        if vote is None:
            return False
        self.votes.append(vote)
        if not self.reason and not self.scale.passes(vote, self._rule.pass_at):
            self.reason = short(" ".join(completion.text.split()), 300)
        return True

    def grading(self, passing: float, *, abstained: bool) -> Grading:
        """The votes and their cost."""
        return graded(self._rule.model, self._completions, self.votes, passing, abstained=abstained)

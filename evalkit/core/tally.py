"""Climbs added up, as they end, to what a run comes to."""

from collections import Counter
from collections.abc import Iterable, Mapping
from statistics import fmean, quantiles

from evalkit.core.ladder import Ladder
from evalkit.core.shown import visible
from evalkit.core.stats import solved_rate
from evalkit.core.summary import CachedRow, Facts, GraderRow, InstanceRow, RungRow, Summary
from evalkit.core.types import JUDGED, Attempt, Completion, Grading, Solution, Status


class Total:
    """A sum that is unknown as soon as one part is: unknown is said, never counted as zero."""

    def __init__(self) -> None:
        self._sum = 0.0
        self._known = True

    def add(self, part: float | None) -> None:
        """Add one part."""
        if part is None:
            self._known = False
        else:
            self._sum += part

    @property
    def value(self) -> float | None:
        """The sum, or None where a part was unknown."""
        return self._sum if self._known else None


class Tally:
    """Adds climbs up as they end, keeping a light row of each."""

    def __init__(self, ladder: Ladder) -> None:
        self._ladder = ladder
        self.rows: list[InstanceRow] = []
        self.counts: Counter[str] = Counter({str(status): 0 for status in Status})
        self.failures: Counter[str] = Counter()
        self._attempts: Counter[str] = Counter()
        self._solved: Counter[str] = Counter()
        self._seconds: Counter[str] = Counter()
        self._costs = {name: Total() for name in ladder.rungs}
        self._skipped: dict[str, str] = {}
        self._skills: Counter[str] = Counter()
        self.cost, self.prompt, self.completion = self._totals = (Total(), Total(), Total())
        self._prompt_cached: int | None = None
        self._graders = (Total(), Total(), Total())
        self._graded = 0
        self._cached, self._cached_cost = 0, Total()

    def spend(self, paid: Completion | Grading) -> None:
        """Count what a completion or a grader took, whether or not the climb is ever finished."""
        if not paid.requests:
            return
        for total, part in zip(self._totals, _parts(paid), strict=True):
            total.add(part)
        if isinstance(paid, Completion) and paid.tokens_cached is not None:
            self._prompt_cached = (self._prompt_cached or 0) + paid.tokens_cached
        if isinstance(paid, Completion) and paid.cached:
            self._cached += 1
            self._cached_cost.add(paid.cost_usd)
        if isinstance(paid, Grading):
            self._graded += paid.requests
            for total, part in zip(self._graders, _parts(paid), strict=True):
                total.add(part)

    def add(self, solution: Solution) -> None:
        """Count one climb."""
        self.counts[solution.status] += 1
        self.rows.append(row(solution))
        if solution.failure is not None:
            self.failures[solution.failure] += 1
        for attempt in solution.attempts:
            self._add_attempt(attempt)
        if solution.unjudged is not None:
            self._pay(solution.unjudged.rung, solution.unjudged.completion)

    def _add_attempt(self, attempt: Attempt) -> None:
        if attempt.skipped:
            self._skipped.setdefault(attempt.rung, attempt.completion.detail)
            return
        self._attempts[attempt.rung] += 1
        self._solved[attempt.rung] += attempt.verdict.accepted
        self._skills.update(attempt.prompt.skills)
        self._pay(attempt.rung, attempt.completion)
        if attempt.verdict.failure is not None:
            self.failures[attempt.verdict.failure] += 1

    def _pay(self, rung: str, completion: Completion) -> None:
        self._seconds[rung] += completion.seconds  # type: ignore[assignment]  # a Counter of seconds
        self._costs[rung].add(completion.cost_usd)

    def summary(self, facts: Facts, *, status: str, why: str, wall_seconds: float) -> Summary:
        """The summary of all that was added so far."""
        judged = [row for row in self.rows if row.status in JUDGED]
        solved = self.counts[Status.SOLVED]
        cost = self.cost.value
        return Summary(
            key=facts.key,
            name=facts.name,
            status=status,
            simulated=facts.simulated,
            dataset=facts.dataset,
            ladder=facts.ladder,
            counts=dict(self.counts),
            solved_rate=solved_rate((row.instance_id, row.solved) for row in judged),
            attempts=_attempts(judged),
            by_rung=tuple(self._rung(name) for name in self._ladder.rungs),
            failures=dict(self.failures.most_common()),
            cost_usd=cost,
            cost_usd_per_solved=None if cost is None or not solved else cost / solved,
            tokens=self._tokens(),
            seconds=_seconds(judged),
            wall_seconds=wall_seconds,
            skipped_rungs=dict(self._skipped),
            graders=self._grader_row(),
            cached=CachedRow(self._cached, self._cached_cost.value) if self._cached else None,
            skills=dict(self._skills),
            why=why,
            tags={**facts.tags, **self._found_tags()},
            instances=tuple(sorted(self.rows, key=lambda row: (row.instance_id, row.epoch))),
        )

    def _tokens(self) -> dict[str, int | None]:
        """`prompt_cached` of those of prompts came from providers' caches, where any said so."""
        told = {} if self._prompt_cached is None else {"prompt_cached": self._prompt_cached}
        return {"prompt": _whole(self.prompt.value), "completion": _whole(self.completion.value), **told}

    def _found_tags(self) -> dict[str, str]:
        skipped = {"evalkit.skipped_rungs": ", ".join(self._skipped)} if self._skipped else {}
        return {**skipped, **({"evalkit.cached_answers": str(self._cached)} if self._cached else {})}

    def _grader_row(self) -> GraderRow | None:
        cost, prompt, completion = (total.value for total in self._graders)
        return GraderRow(self._graded, cost, _whole(prompt), _whole(completion)) if self._graded else None

    def _rung(self, name: str) -> RungRow:
        return RungRow(
            name=name,
            model=self._ladder.rungs[name].model,
            attempts=self._attempts[name],
            solved=self._solved[name],
            cost_usd=self._costs[name].value,
            seconds=float(self._seconds[name]),
        )


def row(solution: Solution) -> InstanceRow:
    """A climb's light row. `attempts_needed` is set only where it was solved.

    Cost, tokens and seconds hold what was paid, also where the verdict never came, so that rows add up to totals.
    """
    asked = solution.asked
    answers = [attempt.completion for attempt in asked]
    paid: list[Completion | Grading] = [*answers, *(one for attempt in asked for one in attempt.verdict.gradings)]
    if solution.unjudged is not None:
        answers.append(solution.unjudged.completion)
        paid += [solution.unjudged.completion, *solution.unjudged.spent]
    solved = solution.status is Status.SOLVED
    cost, prompt, completion = Total(), Total(), Total()
    for one in paid:
        cost.add(one.cost_usd)
        prompt.add(one.tokens_prompt)
        completion.add(one.tokens_completion)
    error_type, final_error = _error(solution)
    return InstanceRow(
        instance_id=solution.instance_id,
        epoch=solution.epoch,
        solved=solved,
        status=solution.status,
        attempts=len(asked),
        attempts_needed=len(asked) if solved else None,
        rung=asked[-1].rung if solved else None,
        error_type=error_type,
        final_error=final_error,
        time_seconds=sum(one.seconds for one in answers) + sum(attempt.verdict.seconds for attempt in asked),
        cost_usd=cost.value,
        tokens_prompt=_whole(prompt.value),
        tokens_completion=_whole(completion.value),
    )


def _parts(paid: Completion | Grading) -> tuple[float | None, ...]:
    return paid.cost_usd, paid.tokens_prompt, paid.tokens_completion


def _error(solution: Solution) -> tuple[str | None, str | None]:
    if solution.status is Status.SOLVED:
        return None, None
    if solution.error or not solution.asked:
        return (str(solution.failure) if solution.failure else None), visible(solution.error or solution.reason)
    verdict = solution.asked[-1].verdict
    first = verdict.findings[0].message if verdict.findings else solution.reason
    return (str(verdict.failure) if verdict.failure else None), visible(first)


def _attempts(judged: list[InstanceRow]) -> dict[str, float | Mapping[str, int] | None]:
    histogram = Counter(str(row.attempts) for row in judged)
    return {
        "mean": _mean(row.attempts for row in judged),
        "mean_solved": _mean(row.attempts for row in judged if row.solved),
        "histogram": dict(sorted(histogram.items(), key=lambda item: int(item[0]))),
    }


def _seconds(judged: list[InstanceRow]) -> dict[str, float | None]:
    times = [row.time_seconds for row in judged]
    p95 = quantiles(times, n=20, method="inclusive")[-1] if len(times) > 1 else _mean(times)
    return {"mean": _mean(times), "p95": p95}


def _mean(values: Iterable[float]) -> float | None:
    found = list(values)
    return fmean(found) if found else None


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)

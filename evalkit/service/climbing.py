"""Climbs the registered ladder for whoever asks: no dataset, no journal, no tracker."""

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml

from evalkit.core.edits import Tree
from evalkit.core.errors import ConfigError, EvalkitError
from evalkit.core.judge import rejected
from evalkit.core.ports import Verifier
from evalkit.core.tally import row
from evalkit.core.types import Attempt, Candidate, Dataset, Instance, Solution, Status, Verdict
from evalkit.places import bringing
from evalkit.run.solve import solve
from evalkit.service.task import instances
from evalkit.settings import read
from evalkit.wiring import Wired

T = TypeVar("T")
NO_TRACKER = "evalkit.adapters.no_tracker.NoTracker"  # bundles leave the tracker to whoever runs them
UNCONFINED = "evalkit.adapters.unconfined_sandbox.UnconfinedSandbox"
NOT_VERIFIED = "not verified"


class Service:
    """A registered config, answering tasks. `bundle` is the folder that the model version holds.

    Thread-safe: all climbs go on one event loop in a thread of its own, `limits.concurrency` at once, or as many as
    the providers are found to take. Raises ConfigError where the bundle cannot be used here.
    """

    def __init__(self, bundle: Path) -> None:
        with bringing(bundle):
            self._wired = _wired(bundle)
            # Made now: later, other files may be found first.
            self._parts = {"models": self._wired.models, "strategy": self._wired.strategy}
            self._simulated = any(model.simulated for model in self._wired.models.values())
            self._verifier, self._rubrics = self._wired.verifier, self._wired.rubrics
        self._loop = asyncio.new_event_loop()
        self._road = self._wired.road
        self._places = asyncio.Semaphore(self._wired.concurrency)
        threading.Thread(target=self._loop.run_forever, name="evalkit-service", daemon=True).start()

    def answer(self, tasks: Sequence[object]) -> list[dict[str, Any]]:
        """One answer a task, in their order. Raises DatasetError with all that is wrong with them; then none is asked.

        An outage is no error of the others': its task's `status` is `unfinished`, and `why` says what happened.
        """
        return asyncio.run_coroutine_threadsafe(self._all(instances(tasks, self._rubrics)), self._loop).result()

    def close(self) -> None:
        """Free what was opened: weights, connections, containers."""
        asyncio.run_coroutine_threadsafe(self._wired.close(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)

    async def _all(self, asked: Sequence[Instance]) -> list[dict[str, Any]]:
        return list(await asyncio.gather(*(self._one(instance) for instance in asked)))

    async def _one(self, instance: Instance) -> dict[str, Any]:
        missing = self._verifier.covers(instance)
        verifier = _Unverified() if missing else self._verifier
        history: list[Attempt] = []
        async with self._road.place() if self._road else self._places:
            try:
                solution = await self._climb(instance, history, verifier)
            except EvalkitError as error:
                failure = getattr(error, "failure", None)
                ended = Status.UNFINISHED
                solution = Solution(instance.id, 1, ended, "outage", tuple(history), failure, str(error))
        return {**_told(solution, missing), **({"simulated": True} if self._simulated else {})}

    async def _climb(self, instance: Instance, history: list[Attempt], verifier: Verifier) -> Solution:
        settings = self._wired.settings
        parts: Any = self._parts
        judge = self._road.aside(verifier) if self._road else verifier
        return await solve(
            instance, 1, history, settings.ladder, settings.max_attempts, verifier=judge, journal=_Now(), **parts
        )


@dataclass(frozen=True)
class _Served(Wired):
    """A config without its dataset: tasks come from outside, and none is about a repository."""

    has_repositories = False

    @property
    def dataset(self) -> Dataset:
        raise ConfigError("a service has no dataset")


class _Unverified:
    """Takes whatever is an answer at all: there is nothing to judge by."""

    def covers(self, instance: Instance) -> str:  # noqa: ARG002  the port's signature
        return ""

    async def verify(self, instance: Instance, candidate: Candidate) -> Verdict:  # noqa: ARG002  the port's signature
        return rejected(candidate) if candidate.failure else Verdict(accepted=True)


class _Now:
    """The port of a journal where nothing is recorded: a request that breaks off is asked again by whoever asked."""

    async def once(self, key: str, kind: type[T], effect: Callable[..., Awaitable[T]], *args: object) -> T:  # noqa: ARG002  the port's signature
        return await effect(*args)


def _wired(bundle: Path) -> Wired:
    try:
        config = yaml.safe_load((bundle / "config.yaml").read_text(encoding="utf-8"))
        choices = json.loads((bundle / "registered.json").read_bytes())["choices"]
    except (OSError, ValueError, KeyError, yaml.YAMLError) as error:
        raise ConfigError(f"{bundle}: is no registered config: {error}") from error
    if config.get("sandbox", {}).get("_target_") == UNCONFINED:
        raise ConfigError(
            "registered with sandbox=unconfined, a service would run any caller's tests as its own user: "
            "run with sandbox=auto, and register that run"
        )
    config = {**config, "tracker": {"_target_": NO_TRACKER}}
    return _Served(config, choices, read(config))


def _told(solution: Solution, missing: str) -> dict[str, Any]:
    """The answer as JSON; unknown costs and tokens are null."""
    last = solution.asked[-1] if solution.asked else None
    paid = row(solution)
    accepted = solution.status is Status.SOLVED
    return {
        "id": solution.instance_id,
        "status": str(solution.status) if not (accepted and missing) else "answered",
        "verdict": _verdict(solution, last, missing),
        "why": solution.error or missing or ("" if accepted else paid.final_error or solution.reason),
        "candidate": last.candidate.text if last and accepted else None,
        "files": _files(last.candidate) if last and accepted else None,
        "rejected_candidate": last.candidate.text if last and not accepted else None,
        "findings": [{"rule": one.rule, "message": one.message} for one in last.verdict.findings] if last else [],
        "rung": last.rung if last else None,
        "model": last.completion.model if last else None,
        "attempts": paid.attempts,
        "cost_usd": paid.cost_usd,
        "tokens_prompt": paid.tokens_prompt,
        "tokens_completion": paid.tokens_completion,
        "seconds": round(paid.time_seconds, 3),
    }


def _verdict(solution: Solution, last: Attempt | None, missing: str) -> str | None:
    if last is None or solution.status is Status.UNFINISHED:
        return None
    if missing:
        return NOT_VERIFIED
    return "accepted" if last.verdict.accepted else "rejected"


def _files(candidate: Candidate) -> Mapping[str, str | None] | None:
    """What an edit made of the files that it changed (null: it removed the file); null for other answers."""
    return candidate.files.changed if isinstance(candidate.files, Tree) else None

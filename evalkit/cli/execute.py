"""A run from its wired config to its summary: preflight, climbs, folder, tracker."""

import asyncio
import json
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path

from evalkit import __version__
from evalkit.adapters.health_cache import HealthCache
from evalkit.adapters.jsonl_journal import JsonlJournal
from evalkit.adapters.no_tracker import NoTracker
from evalkit.adapters.run_folder import RunFolder
from evalkit.cli.budgets import gates, spending
from evalkit.cli.collector import seldom
from evalkit.cli.execute_sharded import Paces, crew_of
from evalkit.cli.health_lines import HealthLines
from evalkit.cli.hydra_app import leaves
from evalkit.cli.interrupting import gently
from evalkit.cli.judged_in import flaky_lines, flaky_tags, judged_by, sandbox_lines, sandbox_tags
from evalkit.cli.live_file import LiveFile
from evalkit.cli.progress import progress
from evalkit.cli.provenance import as_yaml, commit, lock, rubrics_yaml
from evalkit.cli.report import at_end
from evalkit.cli.same_sandbox import refuse_another_sandbox
from evalkit.core.errors import QuotaError
from evalkit.core.ports import Observer, RunRecord
from evalkit.core.summary import DatasetFacts, Facts, Summary
from evalkit.core.suspects import Watch
from evalkit.core.traits import traits
from evalkit.core.triage import Triaging
from evalkit.places import home, mlruns
from evalkit.run.climbed import Climb
from evalkit.run.evaluate import Evaluation, Plan
from evalkit.run.gates import Gates
from evalkit.run.guarded import GuardedGraders, guarded
from evalkit.run.ledger import Ledger
from evalkit.run.patient import Patient
from evalkit.run.preflight import preflight, quarantine, refuse_unhealthy, rehearse
from evalkit.run.ramp import Inheriting
from evalkit.run.shards import Ground
from evalkit.run.shards_calls import elsewhere
from evalkit.run.spending import Shared
from evalkit.run.spent import Recorded
from evalkit.wiring import Wired


class Session:
    """One process's work on one run."""

    def __init__(
        self,
        wired: Wired,
        overrides: Sequence[str],
        tags: Mapping[str, str],
        since: float,
        family: Sequence[Path] = (),
        *,
        shared: Shared | None = None,
    ) -> None:
        """`family` are folders of runs whose records are taken over where needed; `shared` is a sweep's budget."""
        self._shared = shared
        self._wired = wired
        self._family = family
        self._overrides = overrides
        self._tags = tags
        self._since = since
        self._folder = RunFolder(wired.folder, wired.scrub)
        self.where = _short(wired)
        self.news = "nothing to do. Change the config, or delete the folder."

    @property
    def tracked(self) -> bool:
        """Whether the run is shown anywhere but in its folder."""
        return not isinstance(self._wired.tracker, NoTracker)

    def finished(self) -> Summary | None:
        """The summary, if the run is complete already; a new name or sweep of it is made known, and is the `news`."""
        summary = self._folder.summary()
        if summary is None or summary.status != "complete":
            return None
        if summary.counts.get("quarantined"):  # what kept those out may be mended by now; all else is recorded
            return None
        tags = {**summary.tags, **self._tags}
        name = self._wired.settings.name or summary.name  # who gives none takes none away
        if (summary.name, summary.tags) == (name, tags):
            return summary
        self.news = f"it is called {name!r} now." if name != summary.name else "its folder has the new tags now."
        summary = replace(summary, name=name, tags=tags)
        record = replace(self._record(), name=name, tags={**self._run_tags(), **tags})
        self._folder.rename(name, tags, summary)
        self._wired.tracker.start(record)
        if late := self._wired.tracker.finish(summary):
            print(f"evalkit: {late}", file=sys.stderr)
        return summary

    async def run(self, *, gated: bool = False) -> Summary:
        """Preflight, then climb; what was recorded stays, however this ends.

        Raises DatasetError where no instance is healthy, unless a gate rules on that.
        """
        self._crew = crew_of(self._wired, shared=self._shared is not None)
        if self._crew is None:
            return await self._run(gated=gated)
        self._wired.within(lambda graders: GuardedGraders(graders, elsewhere))
        try:
            await self._crew.prepare()
            return await self._run(gated=gated)
        finally:
            await self._crew.end()

    async def _run(self, *, gated: bool) -> Summary:
        wired = self._wired
        self._spending = spending(wired, self._since, self._folder.earlier_seconds(), self._shared)
        self._gates = Gates(wired.settings.ladder, gates(wired), _say, lambda: self._spending.left_s)
        if wired.graders:
            wired.within(lambda graders: GuardedGraders(graders, self._gates.ask_grader))
        await asyncio.to_thread(wired.find_repositories, wired.instances)
        environments = wired.environments if wired.has_repositories else None
        unfit = await preflight(
            wired.models,
            wired.sandbox,
            wired.verifier,
            wired.instances,
            wired.graders,
            environments=environments,
            quarantining=wired.settings.preflight,
        )
        rehearse(wired.strategy, wired.settings.ladder, wired.instances[0])
        refuse_another_sandbox([Path(wired.folder), *self._family], sandbox_tags(wired))
        for line in [*sandbox_lines(wired), *flaky_lines(wired)]:
            print(line, file=sys.stderr)
        if not wired.sandbox.confined:
            print("UNCONFINED: candidates run with your rights, files and network; the run is tagged", file=sys.stderr)
        with ExitStack() as held:
            journal = await self._journal(held)
            try:
                unhealthy = await self._quarantine(journal, unfit)
                if not gated:
                    refuse_unhealthy(wired.instances, unhealthy)
                return await self._climb(journal, unhealthy, tuple(unfit))
            finally:
                await wired.close()

    async def _journal(self, held: ExitStack) -> Recorded:
        """The run's own journal, and its family's behind it; locked until the stack is left."""
        folders = [Path(self._wired.folder), *self._family]
        own, *others = [held.enter_context(closing(JsonlJournal(one / "journal.jsonl", one.name))) for one in folders]
        await self._spending.begin(own)
        return Inheriting(own, others, self._spending.took_over) if others else own

    async def _quarantine(self, journal: Recorded, unfit: Mapping[str, str]) -> Mapping[str, str]:
        """The unhealthy instances with the reason; `unfit` are known to be, without a test."""
        wired = self._wired
        if not wired.settings.preflight:
            return {}
        cache = HealthCache(mlruns() / "healthy.txt", judged_by(wired), wired.identity.environments)
        ledger = Ledger(wired.verifier)
        fit = [instance for instance in wired.instances if instance.id not in unfit]
        unknown = sum(not cache.healthy(instance) for instance in fit)
        try:
            found = {**unfit} | await quarantine(fit, Patient(ledger), cache, concurrency=2, seen=HealthLines(unknown))
        except QuotaError as error:
            raise QuotaError(f"paused: {error}; then the same command continues") from error
        finally:
            await ledger.settle(journal)
        for name, why in found.items():
            print(f"quarantined: {name}: {why}", file=sys.stderr)
        return found

    async def _climb(self, journal: Recorded, quarantined: Mapping[str, str], unfit: tuple[str, ...]) -> Summary:
        wired, crew, settings = self._wired, self._crew, self._wired.settings
        wall = self._folder.earlier_seconds()
        record = self._record()
        self._folder.begin(
            record,
            as_yaml(dict(wired.config)),
            lock(wired, self._overrides),
            rubrics_yaml(wired),
            traits(wired.instances),
        )
        tracker = wired.tracker
        tracker.start(record)
        alarm, road = settings.limits.identical_errors, wired.road
        plan = Plan(wired.instances, settings.epochs, wired.concurrency, alarm, quarantined, road)
        models = wired.models if crew is None else guarded(wired.models, elsewhere)
        climb = Climb(settings.ladder, settings.max_attempts, models, wired.strategy, wired.verifier, journal)
        if crew is not None:
            crew.stand(Ground(journal, wired.ask, sandbox_tags(wired), unfit))
        watch, triaging = Watch(wired.instances, wired.shared_rubric), Triaging(wired.instances)
        with progress(record.climbs, self.where) as bar:
            observers: list[Observer] = [self._folder, tracker, bar, watch, triaging]
            if wired.throttles is not None:
                observers.append(LiveFile(Path(wired.folder), wired.throttles if crew is None else Paces(crew)))
            evaluation = Evaluation(
                plan, climb, observers, spending=self._spending, gates=self._gates, say=_say, crew=crew
            )
            cut_short = ""
            try:
                with seldom(), gently(lambda: _stop(evaluation, wired)):
                    await self._run_all(evaluation)
                if evaluation.is_stopped:
                    raise KeyboardInterrupt  # noqa: TRY301  ends as Ctrl-C at once does
            except (asyncio.CancelledError, KeyboardInterrupt):
                cut_short = "interrupted; the same command continues"
                raise
            except Exception as error:
                cut_short = f"ended by an error: {error}"
                raise
            finally:
                facts = self._facts(record)
                summary = evaluation.summary(facts, since=self._since, earlier_seconds=wall, cut_short=cut_short)
                summary = wired.scrub.summary(replace(summary, triage=triaging.found))
                if wired.judging:  # else no rule was held against anything
                    summary = replace(summary, suspects=watch.suspects, untested=watch.untested)
                self._folder.finish(summary)
                if not cut_short:  # before publishing, which takes it along
                    at_end(Path(wired.folder), summary, settings.report_up_to)
                late = tracker.finish(summary)
        if late:
            print(f"evalkit: {late}", file=sys.stderr)
        return summary

    async def _run_all(self, evaluation: Evaluation) -> None:
        try:
            await evaluation.run()
        finally:
            if self._crew is not None:  # while the journal is open: what workers had sent is put on record
                await self._crew.end()

    def _facts(self, record: RunRecord) -> Facts:
        dataset = DatasetFacts(record.dataset, record.dataset_digest, record.instances)
        ladder = self._wired.choices.get("ladder", "")
        fault = self._wired.cache_fault
        tags = {**record.tags, **({"evalkit.cache": f"no use: {fault}"} if fault else {})}
        return Facts(record.key, record.name, dataset, ladder, self._wired.simulated, tags)

    def _record(self) -> RunRecord:
        wired = self._wired
        instances = len(wired.instances)
        return RunRecord(
            key=wired.key,
            name=wired.name,
            kind=wired.kind,
            folder=str(wired.folder),
            experiment=str(wired.config["tracker"].get("experiment", "evalkit")),
            params={**wired.choices, **{name: _text(value) for name, value in leaves(wired.config).items()}},
            tags=self._run_tags(),
            dataset=wired.dataset.name,
            dataset_digest=wired.dataset.digest,
            instances=instances,
            climbs=instances * wired.settings.epochs,
        )

    def _run_tags(self) -> dict[str, str]:
        wired = self._wired
        tags = {
            "evalkit.key": wired.key,
            "evalkit.kind": wired.kind,
            "evalkit.simulated": str(wired.simulated).lower(),
            "evalkit.feedback": wired.feedback_tag,
            "evalkit.context": wired.settings.context.tag,
            "evalkit.version": __version__,
            "evalkit.commit": commit(),
            **sandbox_tags(wired),
            **flaky_tags(wired),
        }
        return {**tags, **self._tags}


def _stop(evaluation: Evaluation, wired: Wired) -> None:
    evaluation.stop()
    if wired.throttles is not None:  # requests that wait for their turn are not under way
        wired.throttles.close()


def _say(line: str) -> None:
    print(line, file=sys.stderr)


def _short(wired: Wired) -> str:
    folder = wired.folder
    return str(folder.relative_to(home()) if folder.is_relative_to(home()) else folder)


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str)

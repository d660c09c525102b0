"""A run's budgets out of its settings; a cap on money is refused where a price is unknown, before anything is spent."""

from collections.abc import Mapping
from pathlib import Path

from evalkit.adapters.litellm_model import count_tokens, mapped_price
from evalkit.adapters.run_folder import RunFolder
from evalkit.adapters.sweep_budget import SweepBudget
from evalkit.adapters.sweep_folder import SweepFolder, is_held
from evalkit.core.caps import Amount
from evalkit.core.errors import ConfigError
from evalkit.core.ladder import Price, Rung
from evalkit.core.ports import Generator
from evalkit.core.summary import Summary
from evalkit.places import mlruns
from evalkit.run.gates import GateSettings
from evalkit.run.guarded import GuardedGraders
from evalkit.run.spending import Shared, Spending
from evalkit.settings import Limits
from evalkit.wiring import Wired


def spending(wired: Wired, since: float, earlier_s: float, shared: Shared | None = None) -> Spending:
    """What the run may spend; graders are asked within it from now on. Raises ConfigError for an unknown price.

    `since` is when the session began (time.perf_counter), `earlier_s` how long earlier ones went.
    """
    limits = wired.settings.limits
    made = Spending(
        run_caps=limits,
        instance_caps=limits.instance,
        count=count_tokens,
        price=lambda rung: price(rung, wired.generators),
        began=since,
        earlier_s=earlier_s,
        shared=shared,
    )
    if made.is_capped:
        _refuse_unpriced(wired, limits)
        wired.within(lambda graders: GuardedGraders(graders, made.ask_grader))
    return made


def shared(wired: Wired, folder: Path) -> SweepBudget | None:
    """The budget of the sweep in `folder`, for one of its cells; None where it has no cap."""
    caps = wired.settings.limits.sweep
    if not caps.is_set:
        return None
    others = {cell.key for cell in SweepFolder(folder).cells()} - {"", wired.key}
    summaries = {key: RunFolder(mlruns() / "runs" / key).summary() for key in sorted(others)}
    known = {key: _spent(found) for key, found in summaries.items() if found is not None}
    return SweepBudget(folder / "budget.json", wired.key, caps, known=known, alive=lambda key: is_held(cell_lock(key)))


def cell_lock(key: str) -> Path:
    """What a process holds while it works on a run's cell, of whichever sweep."""
    return mlruns() / "hydra" / "locks" / key


def _spent(summary: Summary) -> Amount:
    """What a run says that it took; unknown parts count as nothing, and neither do answers of the cache."""
    graders = summary.graders.requests if summary.graders else 0
    kept, cost = (summary.cached.answers, summary.cached.cost_usd or 0.0) if summary.cached else (0, 0.0)
    calls = sum(rung.attempts for rung in summary.by_rung) + graders - kept
    tokens = sum(summary.tokens.get(part) or 0 for part in ("prompt", "completion"))
    return Amount(max(0.0, (summary.cost_usd or 0.0) - cost), tokens, max(0, calls), summary.wall_seconds)


def gates(wired: Wired) -> GateSettings:
    """When a rung is asked no more."""
    limits, retry = wired.settings.limits, wired.settings.retry
    return GateSettings(limits.on_quota == "wait", limits.outages, limits.probe_s, retry.timeout_s)


def price(rung: Rung, generators: Mapping[str, Generator]) -> Price | None:
    """What a rung's tokens cost: its own price, nothing in this process, else litellm's map; None: unknown."""
    if rung.price is not None:
        return rung.price
    generator = generators.get(rung.model.partition("/")[0])
    if generator is not None:
        return Price() if getattr(generator, "free", False) else None
    return mapped_price(rung.model)


def _refuse_unpriced(wired: Wired, limits: Limits) -> None:
    capped = {"limits": limits, "limits.instance": limits.instance, "limits.sweep": limits.sweep}
    names = [name for name, caps in capped.items() if caps.cost_usd is not None]
    if not names:
        return
    for name, rung in wired.rungs.items():
        if price(rung, wired.generators) is None:
            mend = f"set ladder.rungs.{name}.price={{prompt: …, completion: …}}, US dollars a million tokens"
            raise ConfigError(f"{names[0]}.cost_usd: what rung {name!r} ({rung.model}) costs is unknown; {mend}")
    for name, model in wired.graders.items():
        asked = getattr(model, "rung", None)
        if isinstance(asked, Rung) and price(asked, wired.generators) is None:
            mend = "set params: {price: {prompt: …, completion: …}} in the rule that asks it"
            raise ConfigError(f"{names[0]}.cost_usd: what the {name} costs is unknown; {mend}")

"""A run's budgets out of its settings; a cap on money is refused where a price is unknown, before anything is spent."""

from collections.abc import Mapping

from evalkit.adapters.litellm_model import count_tokens, mapped_price
from evalkit.core.errors import ConfigError
from evalkit.core.ladder import Price, Rung
from evalkit.core.ports import Generator
from evalkit.run.gates import GateSettings
from evalkit.run.spending import BudgetedGraders, Shared, Spending
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
        wired.within(lambda graders: BudgetedGraders(graders, made))
    return made


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

"""What litellm's price map says of a model, without asking anybody."""

from collections.abc import Mapping
from typing import Any

from evalkit.adapters.litellm_model.client import load
from evalkit.core.ladder import Price

MILLION = 1_000_000


def mapped_price(model: str) -> Price | None:
    """US dollars a million tokens; None where the map does not know the model: its zero for an unknown one is none."""
    entry = entry_of(load(), model)
    if entry is None:
        return None
    return Price(entry["input_cost_per_token"] * MILLION, (entry.get("output_cost_per_token") or 0) * MILLION)


def entry_of(litellm: Any, model: str, provider: str = "") -> Mapping[str, Any] | None:
    """The map's entry with a price; `provider` is who is asked, where the model's name does not begin with it.

    The same model costs another price elsewhere: an entry without a provider in its name counts for its own alone.
    """
    provider = provider or model.partition("/")[0]
    bare = model.removeprefix(f"{provider}/")
    known: Mapping[str, Mapping[str, Any]] = litellm.model_cost
    entry = known.get(model) or known.get(f"{provider}/{bare}")
    if entry is None and _is_of(known.get(bare, {}), provider):
        entry = known[bare]
    return entry if entry and "input_cost_per_token" in entry else None


def _is_of(entry: Mapping[str, Any], provider: str) -> bool:
    """Whether an entry is this provider's, or of a part of it: `vertex_ai-anthropic_models`, `cohere_chat`."""
    own = str(entry.get("litellm_provider", ""))
    return own == provider or own.startswith((f"{provider}-", f"{provider}_"))

"""What litellm's price map says of a model, without asking anybody."""

from typing import Any

from evalkit.adapters.litellm_model.client import load
from evalkit.core.ladder import Price

MILLION = 1_000_000


def mapped_price(model: str) -> Price | None:
    """US dollars a million tokens; None where the map does not know the model: its zero for an unknown one is none."""
    litellm: Any = load()
    bare = model.partition("/")[2]
    entry = litellm.model_cost.get(model) or (litellm.model_cost.get(bare) if bare else None)
    if not entry or "input_cost_per_token" not in entry:
        return None
    return Price(entry["input_cost_per_token"] * MILLION, (entry.get("output_cost_per_token") or 0) * MILLION)

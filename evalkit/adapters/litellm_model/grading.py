"""Grader models by name, for rules of kind `judge`: asked like a rung, outside of the ladder."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

import msgspec

from evalkit.adapters.litellm_model.model import LitellmModel
from evalkit.adapters.litellm_model.retry import RetrySettings
from evalkit.core.errors import ConfigError
from evalkit.core.ladder import Rung
from evalkit.core.ports import Generator
from evalkit.core.types import Completion, Message, Prompt
from evalkit.run.throttle import Throttles

RUNG_KEYS = frozenset(field.name for field in fields(Rung)) - {"model", "attempts", "on", "params"}
DEFAULTS = {"max_tokens": 512}  # a few sentences and a verdict


class Graders:
    """Asks grader models; each is made once for its name and parameters.

    Of the parameters, a rung's own keys (temperature, max_tokens, timeout_s, context_tokens, api_base, price) are
    set as such, the rest are litellm's. What a rung may not set is refused here as well.
    """

    def __init__(
        self,
        *,
        generators: Mapping[str, Generator],
        seed: int,
        retry: RetrySettings,
        throttles: Throttles | None = None,
    ) -> None:
        self._generators, self._seed, self._retry, self._throttles = generators, seed, retry, throttles
        self._made: dict[str, LitellmModel] = {}

    def model(self, name: str, params: Mapping[str, object]) -> LitellmModel:
        """The grader of that name. Raises ConfigError for parameters that no rung may have."""
        key = json.dumps([name, params], sort_keys=True, default=str)
        if key not in self._made:
            rung = _rung(name, params)
            self._made[key] = LitellmModel(
                "grader",
                rung,
                generators=self._generators,
                seed=self._seed,
                retry=self._retry,
                throttles=self._throttles,
            )
        return self._made[key]

    async def __call__(
        self, model: str, messages: Sequence[Message], params: Mapping[str, object], *, instance_id: str, number: int
    ) -> Completion:
        """One answer. Raises ModelError on an outage."""
        prompt = Prompt(tuple(messages), instance_id, number=number)
        return await self.model(model, params).complete(prompt)


def _rung(name: str, params: Mapping[str, object]) -> Rung:
    own = {key: value for key, value in params.items() if key in RUNG_KEYS}
    free = {key: value for key, value in params.items() if key not in RUNG_KEYS}
    data: dict[str, Any] = {"model": name, **DEFAULTS, **own, "params": free}
    try:
        return msgspec.convert(data, Rung)
    except (msgspec.ValidationError, ValueError) as error:
        raise ConfigError(f"grader {name}: params: {error}") from error

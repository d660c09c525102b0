"""In-process generators as litellm providers: one provider class that carries nothing, the call carries all."""

from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from typing import Any

from evalkit.adapters.litellm_model.client import WARMED, load
from evalkit.core.ports import Generator, Reply
from evalkit.core.types import Prompt


@dataclass(slots=True)
class Asking:
    """One call on its way through litellm, which knows neither instances nor our errors.

    A context variable holds it, since litellm's provider map is one for the whole process while each model
    has generators of its own. `error` is what the generator raised, before litellm wrapped it.
    """

    generator: Generator
    prompt: Prompt
    params: Mapping[str, object]
    reply: Reply | None = None
    error: Exception | None = None


WARM = "evalkit-warm"  # a provider of ours for the first call
ASKING: ContextVar[Asking] = ContextVar("asking")


def register(prefixes: Iterable[str]) -> None:
    """Make litellm know the prefixes as providers; again changes nothing."""
    from litellm.utils import custom_llm_setup  # noqa: PLC0415  litellm takes 1.5 s

    litellm: Any = load()
    known = {entry["provider"] for entry in litellm.custom_provider_map}
    new = [{"provider": prefix, "custom_handler": _handler()} for prefix in prefixes if prefix not in known]
    litellm.custom_provider_map += new
    custom_llm_setup()


class _Silent:
    """Answers nothing at once, for the warm-up."""

    simulated: bool = True

    async def generate(self, *_: object, **__: object) -> Reply:
        return Reply("")

    async def check(self, *_: object, **__: object) -> None:
        return None


async def warm_bridge() -> None:
    """Pay once, before the first real call, what litellm's first call through the bridge costs (0.5 s)."""
    if WARM in WARMED:
        return
    WARMED.add(WARM)
    register([WARM])
    ASKING.set(Asking(_Silent(), Prompt(()), {}))
    litellm: Any = load()
    await litellm.acompletion(model=f"{WARM}/up", messages=[], num_retries=0, max_retries=0)


@cache
def _handler() -> object:
    from litellm import CustomLLM  # noqa: PLC0415  litellm takes 1.5 s

    class Bridge(CustomLLM):  # type: ignore[misc]  # litellm is untyped here
        """Hands the call to its generator."""

        async def acompletion(self, *, model: str, model_response: Any, **_: Any) -> Any:
            """Answer in litellm's shape."""
            asking = ASKING.get()
            try:
                reply = await asking.generator.generate(model, asking.prompt.messages, asking.params, asking.prompt)
            except Exception as error:
                asking.error = error  # raised again, as it is, by who asked
                raise
            asking.reply = reply
            return _filled(model_response, model, reply)

    return Bridge()


def _filled(response: Any, model: str, reply: Reply) -> Any:
    from litellm import Usage  # noqa: PLC0415  litellm takes 1.5 s

    response.model = model
    response.choices[0].message.content = reply.text
    response.choices[0].finish_reason = reply.finish_reason
    prompt, completion = reply.tokens_prompt or 0, reply.tokens_completion or 0
    response.usage = Usage(prompt_tokens=prompt, completion_tokens=completion, total_tokens=prompt + completion)
    return response

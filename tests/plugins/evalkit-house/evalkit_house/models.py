"""A model provider in this process: echo/loud says the last line of the prompt in capitals, echo/quiet as it is."""

from collections.abc import Mapping, Sequence

from evalkit.core.errors import ConfigError
from evalkit.core.ports import Reply
from evalkit.core.types import Message, Prompt

SAYS = {"loud": str.upper, "quiet": str}


class EchoGenerator:
    """Met by shape: evalkit/core/ports.py, Generator."""

    simulated = True  # no model answers here: runs are marked, and are not compared with live ones
    free = True  # its price is nothing, and known

    async def generate(
        self, name: str, messages: Sequence[Message], params: Mapping[str, object], asked: Prompt
    ) -> Reply:
        """The answer. An outage would be a ModelError of evalkit.core.errors."""
        return Reply(SAYS[name](messages[-1].content.strip().splitlines()[-1]))

    async def check(self, name: str) -> None:
        """Before anything is spent, and in `evalkit doctor`."""
        if name not in SAYS:
            raise ConfigError(f"echo/{name}: there is {', '.join(f'echo/{one}' for one in SAYS)}")

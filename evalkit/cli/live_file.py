"""live.json in a run's folder: what only the running process knows, for `evalkit watch`; written now and then."""

import json
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import msgspec

from evalkit.core.types import Solution

NAME = "live.json"
EVERY_S = 2.0


@dataclass(frozen=True)
class Provider:
    """Requests at one provider: allowed at once now, under way, the most that were used, how often it was too much."""

    limit: int
    under_way: int
    highest: int
    cuts: int


class Paced(Protocol):
    """Throttles of this process, or what workers tell of theirs."""

    @property
    def made(self) -> Mapping[str, Any]:
        """By provider, with `limit`, `under_way`, `highest` and `cuts`."""
        ...


class LiveFile:
    """An observer that writes it when a climb ends. What cannot be written is left out: it is but a view."""

    def __init__(self, folder: Path, throttles: Paced) -> None:
        self._path = folder / NAME
        self._throttles = throttles
        self._next = 0.0

    def climbed(self, _: Solution) -> None:
        """Write it, if it is time to."""
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + EVERY_S
        made = self._throttles.made.items()
        told = {
            name: {"limit": one.limit, "under_way": one.under_way, "highest": one.highest, "cuts": one.cuts}
            for name, one in made
        }
        new = self._path.with_suffix(".json.new")
        with suppress(OSError):
            new.write_text(json.dumps({"providers": told}), encoding="utf-8")
            os.replace(new, self._path)  # noqa: PTH105  both are fine


def providers(folder: Path) -> Mapping[str, Provider]:
    """What it tells; nothing where it is not there, as of a run with a fixed concurrency."""
    try:
        told = json.loads((folder / NAME).read_bytes())["providers"]
        return msgspec.convert(told, dict[str, Provider])
    except (OSError, ValueError, KeyError, TypeError, msgspec.ValidationError):
        return {}

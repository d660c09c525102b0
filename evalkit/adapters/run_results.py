"""A finished run's or ramp's results, read from its folder: the summary, a light row of every attempt, the phases."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import msgspec

from evalkit.core.errors import ConfigError
from evalkit.core.phase import PhaseResults
from evalkit.core.results import AttemptRow, Seconds, Tokens
from evalkit.core.summary import InstanceRow, Summary
from evalkit.core.traits import Traits


class _Prompt(msgspec.Struct):
    digest: str = ""


class _Attempt(msgspec.Struct):
    """What is read of attempt_<N>.json: the long texts are passed over."""

    instance_id: str
    epoch: int
    attempt: Annotated[int, msgspec.Meta(ge=1)]
    rung: str
    on_rung: int
    accepted: bool
    model: str = ""
    skipped: bool = False
    failure: str | None = None
    cost_usd: float | None = None
    tokens: Tokens = Tokens()
    seconds: Seconds = Seconds()
    prompt: _Prompt = msgspec.field(default_factory=_Prompt)


_DECODER = msgspec.json.Decoder(_Attempt)
_TRAITS = msgspec.json.Decoder(Traits)


def read_summary(folder: Path) -> Summary:
    """A run's summary. Raises ConfigError where there is none, or it cannot be read."""
    path = folder / "summary.json"
    try:
        return msgspec.json.decode(path.read_bytes(), type=Summary)
    except (OSError, msgspec.DecodeError) as error:
        raise ConfigError(f"{path}: {error}. Run it to its end first: the same `evalkit run` continues it.") from error


def read_traits(folder: Path) -> tuple[Traits, ...]:
    """What is known of a run's instances; nothing where it was made before that was recorded. Raises ConfigError."""
    path = folder / "instances.jsonl"
    try:
        return tuple(_TRAITS.decode_lines(path.read_bytes()))
    except FileNotFoundError:
        return ()
    except (OSError, msgspec.DecodeError) as error:
        raise ConfigError(f"{path}: {error}. The command that made the run makes it again.") from error


def read_attempts(folder: Path, rows: tuple[InstanceRow, ...]) -> Iterator[AttemptRow]:
    """Every attempt of these climbs, in their order. Raises ConfigError where a file cannot be read."""
    for row in rows:
        climb = climb_folder(folder, row)
        number = 1
        while (path := climb / f"attempt_{number}.json").is_file():
            yield _attempt(path)
            number += 1


def read_phases(folder: Path) -> list[PhaseResults]:
    """A ramp's phases, in order. Raises ConfigError where there are none, or one cannot be read."""
    paths = sorted(folder.glob("phase_[0-9]*_results.json"), key=lambda path: int(path.name.split("_")[1]))
    if not paths:
        raise ConfigError(f"{folder}: no phase_<X>_results.json. The same `evalkit ramp` goes on with the first phase.")
    return [_phase(path) for path in paths]


def _phase(path: Path) -> PhaseResults:
    try:
        return msgspec.json.decode(path.read_bytes(), type=PhaseResults)
    except (OSError, msgspec.DecodeError) as error:
        raise ConfigError(f"{path}: {error}. Delete it: the same `evalkit ramp` makes it again.") from error


def climb_folder(folder: Path, row: InstanceRow) -> Path:
    """Where a run's folder keeps a climb's attempts."""
    place = folder / "instances" / row.instance_id
    return place if row.epoch == 1 else place / f"epoch_{row.epoch}"


def _attempt(path: Path) -> AttemptRow:
    try:
        read = _DECODER.decode(path.read_bytes())
    except (OSError, msgspec.DecodeError) as error:
        raise ConfigError(f"{path}: {error}. The command that made the run makes it again.") from error
    return AttemptRow(
        instance_id=read.instance_id,
        epoch=read.epoch,
        number=read.attempt,
        rung=read.rung,
        on_rung=read.on_rung,
        model=read.model,
        accepted=read.accepted,
        skipped=read.skipped,
        failure=read.failure,
        cost_usd=read.cost_usd,
        tokens_prompt=read.tokens.prompt,
        tokens_completion=read.tokens.completion,
        seconds_model=read.seconds.model,
        seconds_verifier=read.seconds.verifier,
        prompt_digest=read.prompt.digest,
    )

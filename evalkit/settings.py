"""The settings tree: what a resolved config may hold, checked as a whole with every fault named."""

import importlib
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields, is_dataclass
from difflib import get_close_matches
from functools import cache
from typing import Any, TypeVar, cast, get_type_hints

import jsonschema
import msgspec

from evalkit.adapters.litellm_model import RetrySettings
from evalkit.core.budget import Context
from evalkit.core.caps import Caps
from evalkit.core.errors import ConfigError
from evalkit.core.feedback import Feedback
from evalkit.core.ladder import Ladder, Rung
from evalkit.core.ramp import Ramp
from evalkit.core.sampling import read_share
from evalkit.core.skills import Skills

PORTS = frozenset(
    {"sandbox", "sandboxes", "workspace", "environments", "ask", "count_tokens", "rubrics", "places", "home"}
    | {"context", "feedback", "skills"}
)
# Settings that are younger than the first runs: where they change nothing, a run keeps the fingerprint that it had.
YOUNGER = {
    "feedback": ("tried", "stuck_after", "stuck", "hints"),
    "sample": ("share",),
    "skills": ("most", "tokens", "only", "folder"),
}
ON_QUOTA = ("pause", "wait")
OVER = ("local", "ray")  # where workers are: this machine, or the nodes of a Ray cluster
CACHED = ("never", "greedy", "all")  # which answers other runs may have: none, those at temperature 0, all
TARGETS = ("dataset", "strategy", "verifier", "sandbox", "tracker")  # groups whose options name a class


@dataclass
class Sample:
    """`size` instances (null: all), stratified `by` tags, difficulty or a metadata field; nested by seed.

    `share` takes a part of them, such as 1/2 and, for another run, 2/2: parts are disjoint and stratified alike.
    """

    size: int | None = None
    by: str | None = "tags"
    share: str | None = None

    def __post_init__(self) -> None:
        """Refuse what is no share. Raises ValueError."""
        read_share(self.share)


@dataclass
class Limits(Caps):
    """`concurrency` climbs at once, or `auto`: as many requests as each provider takes, found while running between
    `concurrency_least` and `concurrency_most`, from `concurrency_start` on; `identical_errors` outages
    of the same fingerprint in a row stop the run (invariant 10).

    `cost_usd`, `tokens`, `calls` and `seconds` cap the run; the same under `instance` a climb, under `sweep` all cells
    of a sweep together. `on_quota` says what comes when a provider's quota is used up: `pause`, or `wait` until the
    reset that it states. A provider is left alone after `outages` in a row (0: never) and probed after `probe_s`
    seconds, each wait twice the last (docs/limits.md). `processes` workers climb, on this machine or `over` a Ray
    cluster; all other limits hold for them together (docs/workers.md). `mark_prompts` marks what stays of a prompt for
    providers that keep nothing unmarked in their caches; `straight` asks servers of one's own without litellm's
    machinery."""  # noqa: D205, D209

    concurrency: int | str = "auto"
    concurrency_start: int = 8
    concurrency_least: int = 1
    concurrency_most: int = 100
    identical_errors: int = 5
    instance: Caps = field(default_factory=Caps)
    sweep: Caps = field(default_factory=Caps)
    on_quota: str = "pause"
    outages: int = 3
    probe_s: float = 1.0
    processes: int = 1
    over: str = "local"
    mark_prompts: bool = False
    straight: bool = True

    def __post_init__(self) -> None:
        """Refuse what can never work. Raises ValueError."""
        super().__post_init__()
        if self.on_quota not in ON_QUOTA:
            near = get_close_matches(self.on_quota, ON_QUOTA, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"it must be {' or '.join(ON_QUOTA)}"
            raise ValueError(f"on_quota is {self.on_quota!r}; {hint}")
        for key in ("outages", "probe_s"):
            if getattr(self, key) < 0:
                raise ValueError(f"{key} is {getattr(self, key)!r}; it must be at least 0")
        if self.concurrency != "auto" and (isinstance(self.concurrency, str) or self.concurrency < 1):
            raise ValueError(f"concurrency is {self.concurrency!r}; it must be auto or at least 1")
        if not 1 <= self.concurrency_least <= self.concurrency_most:
            found = f"{self.concurrency_least} and {self.concurrency_most}"
            raise ValueError(
                f"concurrency_least and concurrency_most are {found}; the first must be from 1 to the other"
            )
        if self.processes < 1:
            raise ValueError(f"processes is {self.processes!r}; it must be at least 1")
        if self.over not in OVER:
            near = get_close_matches(self.over, OVER, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"it must be {' or '.join(OVER)}"
            raise ValueError(f"over is {self.over!r}; {hint}")
        if self.identical_errors < 0:
            raise ValueError(f"identical_errors is {self.identical_errors}; it must be at least 0 (never stop)")


@dataclass
class Settings:
    """A run: dataset, strategy, verifier, sandbox and tracker hold a `_target_` and that class's own settings."""

    dataset: dict[str, Any]
    ladder: Ladder
    strategy: dict[str, Any]
    context: Context
    feedback: Feedback
    verifier: dict[str, Any]
    sandbox: dict[str, Any]
    tracker: dict[str, Any]
    limits: Limits = field(default_factory=Limits)
    retry: RetrySettings = field(default_factory=RetrySettings)
    sample: Sample = field(default_factory=Sample)
    skills: Skills = field(default_factory=Skills)
    max_attempts: int = 10
    epochs: int = 1
    seed: int = 0
    name: str | None = None
    preflight: bool = True
    report_up_to: int = 1000
    cache: str = "never"

    def __post_init__(self) -> None:
        """Refuse what can never work. Raises ValueError."""
        for key in ("max_attempts", "epochs"):
            if getattr(self, key) < 1:
                raise ValueError(f"{key} is {getattr(self, key)}; it must be at least 1")
        if self.cache not in CACHED:
            near = get_close_matches(self.cache, CACHED, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"it must be {', '.join(CACHED[:-1])} or {CACHED[-1]}"
            raise ValueError(f"cache is {self.cache!r}; {hint}")


@dataclass
class RampSettings(Settings):
    """A run's settings and the ramp's."""

    ramp: Ramp = field(kw_only=True)

    def __post_init__(self) -> None:
        """Refuse what can never work. Raises ValueError."""
        super().__post_init__()
        if self.sample.share is not None:
            raise ValueError("sample.share is for runs; a ramp shares its sample out over ladders by ramp.shares")


S = TypeVar("S", bound=Settings)


def read(config: Mapping[str, Any], cls: type[S] = Settings) -> S:  # type: ignore[assignment]  # mypy issue 3737
    """Check a resolved config as a whole and read it. Raises ConfigError with one line a fault."""
    faults = list(_faults(schema(cls), config, ""))
    for group in TARGETS:
        node = config.get(group)
        if isinstance(node, Mapping):
            faults += _faults(schema(target(node, group)), _without_target(node), group)
    faults = faults or list(_rung_faults(config))
    if faults:
        raise ConfigError("the config is wrong:\n" + "\n".join(f"  {fault}" for fault in faults))
    return cast("S", _convert(config, cls, ""))


def _rung_faults(config: Mapping[str, Any]) -> Iterator[str]:
    """What the rungs refuse, each by its name, which the rung itself does not know."""
    for name, rung in config["ladder"]["rungs"].items():
        try:
            msgspec.convert(rung, Rung)
        except msgspec.ValidationError as error:
            yield f"ladder.rungs.{name}: {error}"


def fingerprinted(config: Mapping[str, Any]) -> dict[str, Any]:
    """The config without younger settings that change nothing."""
    found = dict(config)
    for group, names in YOUNGER.items():
        node = found.get(group)
        if isinstance(node, Mapping):
            plain = {one.name: _default(one) for one in fields(get_type_hints(Settings)[group])}
            found[group] = {key: value for key, value in node.items() if key not in names or value != plain[key]}
            if not found[group]:
                del found[group]
    return found


def _default(one: Field[Any]) -> Any:
    return one.default_factory() if one.default_factory is not MISSING else one.default


def build(node: Mapping[str, Any], group: str, ports: Mapping[str, object]) -> Any:
    """The object that a `_target_` node stands for, its ports filled in by name."""
    cls = target(node, group)
    settings = _convert(_without_target(node), _settings_only(cls), group)
    given = {port: ports[port] for port in _ports_of(cls)}
    try:
        return cls(**given, **msgspec.structs.asdict(settings))
    except ValueError as error:
        raise ConfigError(f"{group}: {error}") from error


def target(node: Mapping[str, Any], group: str) -> type:
    """The class that a node's `_target_` names; only evalkit's own and installed plug-ins' are allowed."""
    path = node.get("_target_")
    if not isinstance(path, str):
        raise ConfigError(f"{group}: no _target_; choose an option of the group, e.g. `{group}=…`")
    package, name = path.split(".", 1)[0], path.rpartition(".")[2]
    if package not in {"evalkit", *_plugins()}:
        raise ConfigError(
            f"{group}._target_: {path!r} is neither evalkit's nor an installed plug-in's "
            "(entry point group evalkit.plugins); refused, because it would run any code."
        )
    try:
        found = getattr(importlib.import_module(path.rpartition(".")[0]), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError(f"{group}._target_: {path!r} cannot be loaded: {error}") from error
    if not (isinstance(found, type) and is_dataclass(found)):
        raise ConfigError(f"{group}._target_: {path!r} is not a dataclass")
    return found


def schema(cls: type) -> dict[str, Any]:
    """The JSON Schema of a settings class: unknown keys are refused."""
    made = msgspec.json.schema(_settings_only(cls))
    for one in made.get("$defs", {}).values():
        if "properties" in one:
            one["additionalProperties"] = False
    return made


def _settings_only(cls: type) -> type[msgspec.Struct]:
    """A class's settings without its ports, whose types are no data."""
    hints = get_type_hints(cls)
    members: list[tuple[str, Any, Any]] = []
    for one in fields(cls):
        if one.name in _ports_of(cls) or not one.init:
            continue
        default = one.default if one.default is not MISSING else msgspec.NODEFAULT
        if one.default_factory is not MISSING:
            default = msgspec.field(default_factory=one.default_factory)
        members.append((one.name, hints[one.name], default))
    members.sort(key=lambda member: member[2] is not msgspec.NODEFAULT)
    return msgspec.defstruct(cls.__name__, members, kw_only=True)


def _ports_of(cls: type) -> list[str]:
    if cls in (Settings, RampSettings):
        return []
    return [one.name for one in fields(cls) if one.name in PORTS and not one.metadata.get("setting")]


def _convert(data: Any, cls: type, where: str) -> Any:
    try:
        return msgspec.convert(data, cls)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{where + ': ' if where else ''}{error}") from error


def _without_target(node: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in node.items() if key != "_target_"}


@cache
def _plugins() -> set[str]:
    from importlib.metadata import entry_points  # noqa: PLC0415  scans all installed packages

    return {point.value.split(".", 1)[0].split(":")[0] for point in entry_points(group="evalkit.plugins")}


def _faults(rules: dict[str, Any], data: object, group: str) -> Iterator[str]:
    for error in sorted(jsonschema.Draft202012Validator(rules).iter_errors(data), key=lambda one: list(one.path)):
        where = ".".join([*([group] if group else []), *(str(part) for part in error.absolute_path)])
        if error.validator == "additionalProperties":
            yield from _unknown(error, where)
        elif error.validator == "required":
            yield f"{where or 'config'}: {error.message.replace('a required property', 'required')}"
        elif error.validator == "anyOf":
            wanted = " or ".join(
                str(one.get("type", one.get("$ref", "")).rpartition("/")[2]) for one in error.validator_value
            )
            yield f"{where}: {error.instance!r} is not {wanted}"
        else:
            yield f"{where}: {error.message}"


def _unknown(error: jsonschema.ValidationError, where: str) -> Iterator[str]:
    known = list(error.schema["properties"])  # type: ignore[index]  # the schema is ours: an object
    for key in error.instance:  # type: ignore[union-attr]  # and so is the instance
        if key not in known:
            near = get_close_matches(str(key), known, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"one of {', '.join(known)}"
            yield f"{where + '.' if where else ''}{key}: unknown; {hint}"

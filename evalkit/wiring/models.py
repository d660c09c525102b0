"""Who is asked: the rungs' models and the graders, how many at once, and whose answers are kept."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from evalkit.core.concurrency import Bounds
from evalkit.core.errors import ConfigError
from evalkit.core.ladder import Rung
from evalkit.core.ports import Generator, Model
from evalkit.core.types import Completion, Message
from evalkit.places import cache, folders, home, mlruns
from evalkit.run.road import Road, road_of
from evalkit.run.throttle import Throttle, Throttles
from evalkit.wiring.chosen import Chosen

if TYPE_CHECKING:
    from evalkit.adapters.litellm_model import Graders
    from evalkit.adapters.response_cache import AnswerCache

SCRIPTED = 16  # climbs at once where only scripts and recordings answer
_EARLIER: dict[str, Throttle] = {}  # of this process's runs, by provider: a sweep's cells learn it once


@dataclass(frozen=True)
class Models(Chosen):
    """Models, each made when it is first asked for."""

    @cached_property
    def generators(self) -> dict[str, Generator]:
        """The in-process providers by prefix; plug-ins add theirs (entry point group evalkit.generators)."""
        from evalkit.adapters.local_model import LocalGenerator  # noqa: PLC0415  each loads its own library
        from evalkit.adapters.replay_model import ReplayGenerator  # noqa: PLC0415
        from evalkit.adapters.scripted_model import ScriptedGenerator  # noqa: PLC0415

        near = [str(home()), *(str(path / "ladder") for path in folders("conf"))]
        return {
            **_plugins(),  # first: none takes the place of evalkit's own
            "local": LocalGenerator(),
            "scripted": ScriptedGenerator(near),
            "replay": ReplayGenerator(near),
        }

    @cached_property
    def models(self) -> dict[str, Model]:
        """A model a rung."""
        from evalkit.adapters.litellm_model import Forms, LitellmModel  # noqa: PLC0415

        retry = self.settings.retry
        return {
            name: self._kept(
                rung,
                LitellmModel(
                    name,
                    rung,
                    generators=self.generators,
                    seed=self.settings.seed,
                    retry=retry,
                    throttles=self.throttles,
                    marks=self.settings.limits.mark_prompts,
                    straight=self.settings.limits.straight,
                    forms=Forms(cache() / "forms"),
                ),
            )
            for name, rung in self.settings.ladder.rungs.items()
        }

    def _kept(self, rung: Rung, model: Model) -> Model:
        """The model, with its answers kept for other runs where the settings say so."""
        if self.settings.cache == "never":
            return model
        from evalkit.adapters.response_cache import CachedModel  # noqa: PLC0415  for runs that want it only

        prefix, _, name = rung.model.partition("/")
        digest = getattr(self.generators.get(prefix), "digest", None)
        weights, sampled = str(digest(name)) if digest else "", self.settings.cache == "all"
        return CachedModel(model, rung, self.settings.seed, self._answers, sampled, weights)

    @cached_property
    def _answers(self) -> "AnswerCache":
        from evalkit.adapters.response_cache import AnswerCache  # noqa: PLC0415  as above

        return AnswerCache(mlruns() / "answers.sqlite")

    @property
    def cache_fault(self) -> str:
        """Why other runs' answers were no use; empty where they were, or where nobody asked for them."""
        return self._answers.fault if "_answers" in vars(self) else ""

    @property
    def rungs(self) -> dict[str, Rung]:
        """The ladder's rungs."""
        return self.settings.ladder.rungs

    @cached_property
    def concurrency(self) -> int:
        """How many climbs go at once where there is no `road`, which finds it out."""
        wanted = self.settings.limits.concurrency
        return wanted if isinstance(wanted, int) else SCRIPTED

    @cached_property
    def throttles(self) -> Throttles | None:
        """How many requests each provider gets at once, where that is to be found out."""
        limits = self.settings.limits
        if limits.concurrency != "auto":
            return None
        least, most = limits.concurrency_least, limits.concurrency_most
        start = min(most, max(least, limits.concurrency_start))
        return Throttles(Bounds(start, least, most), self.settings.retry.timeout_s, _EARLIER)

    @cached_property
    def road(self) -> Road | None:
        """How many climbs go at once by the same; None: a number says it, or only scripts and recordings answer."""
        asked = {rung.model: self.generators.get(rung.model.partition("/")[0]) for rung in self.rungs.values()}
        local = sum(found is not None and not found.simulated for found in asked.values())
        remote = sum(found is None for found in asked.values())
        if self.throttles is None or not local + remote:
            return None
        return road_of(self.throttles, local, remote * self.settings.limits.concurrency_most)

    async def ask(
        self, model: str, messages: Sequence[Message], params: Mapping[str, object], *, instance_id: str, number: int
    ) -> Completion:
        """The port through which rules ask grader models."""
        return await self._asking(model, messages, params, instance_id=instance_id, number=number)

    @cached_property
    def _asking(self) -> "Graders":
        from evalkit.adapters.litellm_model import Graders  # noqa: PLC0415  litellm loads when it is needed

        settings = self.settings
        return Graders(generators=self.generators, seed=settings.seed, retry=settings.retry, throttles=self.throttles)

    def within(self, bounded: "Callable[[Graders], object]") -> None:
        """Graders are asked from now on only as `bounded` lets them be asked."""
        vars(self)["_asking"] = bounded(self._asking)


def _plugins() -> dict[str, Generator]:
    from importlib.metadata import entry_points  # noqa: PLC0415  scans all installed packages

    found: dict[str, Generator] = {}
    for point in entry_points(group="evalkit.generators"):
        try:
            found[point.name] = point.load()()
        except (ImportError, AttributeError) as error:
            raise ConfigError(
                f"the plug-in of the model provider {point.name!r} ({point.value}) cannot be loaded: {error}. "
                "Install it again, or uninstall it."
            ) from error
    return found

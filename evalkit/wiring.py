"""Settings become objects: which model, strategy, verifier, sandbox and tracker a run works with."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

from evalkit import __version__
from evalkit.adapters.rubric_files import RubricFolder
from evalkit.core.digest import rubric_digest
from evalkit.core.errors import ConfigError
from evalkit.core.feedback import shows_hidden_tests
from evalkit.core.ladder import Rung
from evalkit.core.ports import Generator, Model, Sandbox, Strategy, Tracker, Verifier
from evalkit.core.rubric import Rubric
from evalkit.core.sampling import sample
from evalkit.core.types import Dataset, Instance
from evalkit.places import Places, folders, home, mlruns, rubric_folders
from evalkit.settings import Settings, build

# These change how a run goes, not what it computes, so they are no part of its fingerprint.
INCIDENTAL = ("tracker", "limits", "retry", "name", "dataset")


@dataclass(frozen=True)
class Wired:
    """A config with its objects, each made when it is first asked for.

    `config` is the resolved config as plain data, `choices` the option chosen of each group.
    """

    config: Mapping[str, Any]
    choices: Mapping[str, str]
    settings: Settings

    @cached_property
    def rubrics(self) -> RubricFolder:
        """The rubrics that names refer to."""
        return RubricFolder(rubric_folders())

    @cached_property
    def dataset(self) -> Dataset:
        """The whole dataset. Raises DatasetError with all its faults."""
        return cast("Dataset", self._build("dataset", rubrics=self.rubrics, places=Places()).load())

    @cached_property
    def instances(self) -> tuple[Instance, ...]:
        """The sampled instances."""
        wanted = self.settings.sample
        try:
            return sample(self.dataset.instances, wanted.size, self.settings.seed, wanted.by)
        except ValueError as error:
            raise ConfigError(f"sample: {error}") from error

    @cached_property
    def sandbox(self) -> Sandbox:
        """Where candidates run."""
        return cast("Sandbox", self._build("sandbox", home=str(home())))

    @cached_property
    def shared_rubric(self) -> Rubric | None:
        """The rubric that the verifier names for all instances."""
        name = self.config["verifier"].get("rubric")
        return self.rubrics.find(name) if name else None

    @cached_property
    def verifier(self) -> Verifier:
        """What judges candidates."""
        return cast("Verifier", self._build("verifier", sandbox=self.sandbox, rubrics=self.rubrics))

    @cached_property
    def strategy(self) -> Strategy:
        """What writes prompts."""
        from evalkit.adapters.litellm_model import count_tokens  # noqa: PLC0415  litellm loads when it is needed

        ports = {"context": self.settings.context, "feedback": self.settings.feedback}
        return cast("Strategy", self._build("strategy", count_tokens=count_tokens, **ports))

    @cached_property
    def tracker(self) -> Tracker:
        """What shows the run."""
        return cast("Tracker", self._build("tracker", home=str(home())))

    @cached_property
    def generators(self) -> dict[str, Generator]:
        """The in-process providers by prefix; plug-ins add theirs (entry point group evalkit.generators)."""
        from evalkit.adapters.local_model import LocalGenerator  # noqa: PLC0415  each loads its own library
        from evalkit.adapters.replay_model import ReplayGenerator  # noqa: PLC0415
        from evalkit.adapters.scripted_model import ScriptedGenerator  # noqa: PLC0415

        near = [str(home()), *(str(path / "ladder") for path in folders("conf"))]
        return {
            "local": LocalGenerator(),
            "scripted": ScriptedGenerator(near),
            "replay": ReplayGenerator(near),
            **_plugins(),
        }

    @cached_property
    def models(self) -> dict[str, Model]:
        """A model a rung."""
        from evalkit.adapters.litellm_model import LitellmModel  # noqa: PLC0415

        retry = self.settings.retry
        return {
            name: LitellmModel(name, rung, generators=self.generators, seed=self.settings.seed, retry=retry)
            for name, rung in self.settings.ladder.rungs.items()
        }

    @property
    def rungs(self) -> dict[str, Rung]:
        """The ladder's rungs."""
        return self.settings.ladder.rungs

    @cached_property
    def concurrency(self) -> int:
        """How many climbs go at once."""
        wanted = self.settings.limits.concurrency
        if isinstance(wanted, int):
            return wanted
        return 2 if all(rung.model.startswith("local/") for rung in self.rungs.values()) else 16

    @cached_property
    def simulated(self) -> bool:
        """Whether any rung's answers are scripted or replayed (invariant 8)."""
        return any(model.simulated for model in self.models.values())

    @cached_property
    def key(self) -> str:
        """The run's fingerprint, 12 hex digits: the same for all that computes the same."""
        computed = {name: value for name, value in self.config.items() if name not in INCIDENTAL}
        computed["dataset"] = self.dataset.digest
        computed["evalkit"] = __version__.split(".", 1)[0]
        computed["answers"] = self._recorded_answers()
        computed["climbing"] = list(self.rungs)  # the mapping's order is the ladder, and sorted keys lose it
        computed["rubric"] = self.shared_rubric and rubric_digest(self.shared_rubric)
        computed["sandbox"] = {key: value for key, value in self.config["sandbox"].items() if key != "concurrency"}
        text = json.dumps(computed, sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    @cached_property
    def name(self) -> str:
        """What the run is called."""
        return self.settings.name or f"{self.choices.get('ladder', 'ladder')}-{self.dataset.name}"

    @property
    def folder(self) -> Any:
        """The run's folder."""
        return mlruns() / "runs" / self.key

    @cached_property
    def feedback_tag(self) -> str:
        """The kind of feedback, or `hidden-tests` where it shows what the prompt does not (invariant 9)."""
        tested = any(instance.tests for instance in self.instances) and self.choices.get("verifier") != "rubric"
        return (
            "hidden-tests" if shows_hidden_tests(self.settings.feedback, tested=tested) else self.settings.feedback.kind
        )

    async def close(self) -> None:
        """Free what models hold: open connections, embedded weights."""
        from evalkit.adapters.litellm_model import close  # noqa: PLC0415  as above

        await close()
        for generator in self.generators.values():
            getattr(generator, "close", lambda: None)()

    def _recorded_answers(self) -> list[str]:
        """Digests of scripted and replayed answers: other answers make another run."""
        found = []
        for rung in self.rungs.values():
            prefix, _, name = rung.model.partition("/")
            digest = getattr(self.generators.get(prefix), "digest", None)
            found.append(digest(name) if digest else "")
        return found

    def _build(self, group: str, **ports: object) -> Any:
        return build(self.config[group], group, ports)


def _plugins() -> dict[str, Generator]:
    from importlib.metadata import entry_points  # noqa: PLC0415  scans all installed packages

    return {point.name: point.load()() for point in entry_points(group="evalkit.generators")}

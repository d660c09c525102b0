"""Settings become objects: which model, strategy, verifier, sandbox and tracker a run works with."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from evalkit.adapters.flaky_tests import FlakyTests
from evalkit.adapters.rubric_files import RubricFolder
from evalkit.adapters.skill_files import read as read_skills
from evalkit.core.concurrency import Bounds
from evalkit.core.errors import ConfigError
from evalkit.core.feedback import shows_hidden_tests
from evalkit.core.ladder import Rung
from evalkit.core.ports import Environments, Generator, Model, Sandbox, Strategy, Tracker, Verifier
from evalkit.core.rubric import Rubric, source
from evalkit.core.rules.grader import Judge
from evalkit.core.sampling import sample
from evalkit.core.scrub import Scrub
from evalkit.core.skills import Skillset
from evalkit.core.types import Completion, Dataset, Instance, Message, Repo
from evalkit.identity import Identity
from evalkit.places import Places, cache, folders, home, mlruns, rubric_folders, skill_folders
from evalkit.run.checking import effects
from evalkit.run.road import Road, road_of
from evalkit.run.throttle import Throttles
from evalkit.settings import Settings, build, target

if TYPE_CHECKING:
    from evalkit.adapters.git_workspace import GitWorkspace
    from evalkit.adapters.litellm_model import Graders
    from evalkit.adapters.response_cache import AnswerCache
    from evalkit.run.world import RuleWorld


@dataclass(frozen=True)
class Wired:
    """A config with its objects, each made when it is first asked for.

    `config` is the resolved config as plain data, `choices` the option chosen of each group. `only` are the
    instances of a ramp's phase, by id and in order; None: the sample.
    """

    config: Mapping[str, Any]
    choices: Mapping[str, str]
    settings: Settings
    only: tuple[str, ...] | None = None

    @property
    def kind(self) -> str:
        """What the run is: run, or phase."""
        return "run" if self.only is None else "phase"

    @cached_property
    def rubrics(self) -> RubricFolder:
        """The rubrics that names refer to."""
        return RubricFolder(rubric_folders())

    @cached_property
    def dataset(self) -> Dataset:
        """The whole dataset. Raises DatasetError with all its faults."""
        ports = {"rubrics": self.rubrics, "places": Places(), "workspace": _Workspace(self)}
        return self.flaky.applied(cast("Dataset", self._build("dataset", **ports).load()))

    @cached_property
    def flaky(self) -> FlakyTests:
        """The tests that `dataset check --repeat` found to go both ways."""
        return FlakyTests(mlruns() / "flaky.json")

    @cached_property
    def workspace(self) -> "GitWorkspace":
        """Where instances' repositories are found."""
        from evalkit.adapters.git_workspace import GitWorkspace  # noqa: PLC0415  for datasets with repositories

        repos = self.config["dataset"].get("repos") or ""
        try:
            return GitWorkspace(repos=repos, cache=str(cache()), places=Places())
        except ValueError as error:
            raise ConfigError(f"dataset.repos: {error}") from error

    @cached_property
    def environments(self) -> Environments:
        """What repositories' tests run in: as the dataset names them, else environments.yaml beside it."""
        from evalkit.adapters.environments import RecipeEnvironments  # noqa: PLC0415  as above

        node = self.config["dataset"]
        named = node.get("environments") or str(Path(Places().find(node["path"])).with_name("environments.yaml"))
        return RecipeEnvironments(recipes=named, cache=str(cache()), places=Places())

    @cached_property
    def instances(self) -> tuple[Instance, ...]:
        """The sampled instances, or a phase's."""
        if self.only is not None:
            there = {instance.id: instance for instance in self.dataset.instances}
            return tuple(there[name] for name in self.only)
        wanted = self.settings.sample
        try:
            return sample(self.dataset.instances, wanted.size, self.settings.seed, wanted.by, wanted.share)
        except ValueError as error:
            raise ConfigError(f"sample: {error}") from error

    @cached_property
    def sandbox(self) -> Sandbox:
        """Where candidates run."""
        return cast("Sandbox", self._build("sandbox", home=str(home()), places=Places(), sandboxes=_SANDBOXES))

    @cached_property
    def shared_rubric(self) -> Rubric | None:
        """The rubric that the verifier names for all instances."""
        name = self.config["verifier"].get("rubric")
        return self.rubrics.find(name) if name else None

    @cached_property
    def verifier(self) -> Verifier:
        """What judges candidates."""
        ports = {"workspace": self.workspace, "environments": self.environments} if self.has_repositories else {}
        ports = {"workspace": None, "environments": None, **ports}
        return cast(
            "Verifier", self._build("verifier", sandbox=self.sandbox, rubrics=self.rubrics, ask=self.ask, **ports)
        )

    def find_repositories(self, instances: Sequence[Instance]) -> str:
        """Make sure of the commits that these are about, cloning where need be, and count them.

        Raises DatasetError with all that cannot be had.
        """
        repos = {one.repo: None for one in instances if one.repo}
        if not repos:
            return "no instance is about one"
        self.workspace.check(repos)
        return f"{len(repos)} commits of {len({one.name for one in repos})} repositories"

    @cached_property
    def has_repositories(self) -> bool:
        """Whether any instance is about a repository."""
        return any(one.repo for one in self.dataset.instances)

    @cached_property
    def judging(self) -> tuple[Rubric, ...]:
        """The rubrics that this run's instances are judged by."""
        return self.rubrics_of(self.instances)

    def rubrics_of(self, instances: Sequence[Instance]) -> tuple[Rubric, ...]:
        """What these are judged by; nothing where the verifier knows no rubrics."""
        verifier = target(self.config["verifier"], "verifier")
        if not any(field.name == "rubrics" for field in fields(verifier)):
            return ()
        own = {id(one.rubric): one.rubric for one in instances if one.rubric}  # thousands share a few
        return (*own.values(), *([self.shared_rubric] if self.shared_rubric else []))

    @cached_property
    def images(self) -> frozenset[str]:
        """What judging asks of a sandbox with images, by the sampled instances and by rules."""
        return self.images_of(self.instances)

    def images_of(self, instances: Sequence[Instance]) -> frozenset[str]:
        """What judging these asks of a sandbox with images."""
        ruled = {getattr(check, "image", "") for check in effects(self.rubrics_of(instances))}
        return frozenset({self._image(one) for one in instances} | ruled) - {""}

    def _image(self, instance: Instance) -> str:
        """What an instance asks for itself, else the recipe that its tests run in."""
        if instance.image or instance.repo is None or not instance.repo.environment:
            return instance.image
        try:
            return self.environments.recipe(instance.repo.environment).image
        except ConfigError:  # it is told where it is needed: by preflight
            return ""

    @cached_property
    def graders(self) -> dict[str, Model]:
        """The models that rules of kind `judge` ask, by name."""
        judges = [check for check in effects(self.judging) if isinstance(check, Judge)]
        return {f"grader {check.model}": self._asking.model(check.model, check.asked_with) for check in judges}

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

    def world(self, instance: Instance) -> "RuleWorld":
        """What rules may ask about an instance, e.g. to try their examples."""
        from evalkit.run.tests_verifier import TestsVerifier  # noqa: PLC0415  needed by `rubric test` alone
        from evalkit.run.world import RuleWorld  # noqa: PLC0415

        return RuleWorld(instance, sandbox=self.sandbox, tests=TestsVerifier(self.sandbox), ask=self.ask)

    @cached_property
    def strategy(self) -> Strategy:
        """What writes prompts."""
        from evalkit.adapters.litellm_model import count_tokens  # noqa: PLC0415  litellm loads when it is needed

        ports = {"context": self.settings.context, "feedback": self.settings.feedback, "skills": self.skills}
        return cast("Strategy", self._build("strategy", count_tokens=count_tokens, **ports))

    @cached_property
    def skills(self) -> Skillset:
        """What may go into prompts beside problem and context."""
        wanted = self.settings.skills
        return read_skills(skill_folders(wanted.folder), wanted)

    @cached_property
    def tracker(self) -> Tracker:
        """What shows the run."""
        return cast("Tracker", self._build("tracker", home=str(home())))

    @cached_property
    def scrub(self) -> Scrub:
        """What keeps out of logs and files what `tracker.scrub` names."""
        try:
            return Scrub(self.config["tracker"].get("scrub") or ())
        except ValueError as error:
            raise ConfigError(f"tracker: {error}") from error

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
        from evalkit.adapters.litellm_model import LitellmModel  # noqa: PLC0415

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
    def throttles(self) -> Throttles | None:
        """How many requests each provider gets at once, where that is to be found out."""
        limits = self.settings.limits
        if limits.concurrency != "auto":
            return None
        least, most = limits.concurrency_least, limits.concurrency_most
        start = min(most, max(least, limits.concurrency_start))
        return Throttles(Bounds(start, least, most), self.settings.retry.timeout_s)

    @cached_property
    def road(self) -> Road | None:
        """How many climbs go at once by the same; None: a number says it, or only scripts and recordings answer."""
        asked = {rung.model: self.generators.get(rung.model.partition("/")[0]) for rung in self.rungs.values()}
        local = sum(found is not None and not found.simulated for found in asked.values())
        remote = sum(found is None for found in asked.values())
        if self.throttles is None or not local + remote:
            return None
        return road_of(self.throttles, local, remote * self.settings.limits.concurrency_most)

    @cached_property
    def simulated(self) -> bool:
        """Whether any rung's or grader's answers are scripted or replayed (invariant 8)."""
        return any(model.simulated for model in (*self.models.values(), *self.graders.values()))

    @cached_property
    def identity(self) -> Identity:
        """What the fingerprints are made of."""
        return Identity(self)

    @cached_property
    def key(self) -> str:
        """The run's fingerprint, 12 hex digits: the same for all that computes the same."""
        return self.identity.key(self.only)

    @property
    def family(self) -> str:
        """The fingerprint without the instances."""
        return self.identity.family

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
        asked = any(source(rule.check) == "test" for rubric in self.judging for rule in rubric.rules)
        tests = asked or self.choices.get("verifier") != "rubric"
        tested = tests and any(instance.tests for instance in self.instances)
        return (
            "hidden-tests" if shows_hidden_tests(self.settings.feedback, tested=tested) else self.settings.feedback.kind
        )

    async def close(self) -> None:
        """Free what was opened: connections, embedded weights, containers, git processes."""
        from evalkit.adapters.litellm_model import close  # noqa: PLC0415  as above

        await close()
        if (end := getattr(self.__dict__.get("sandbox"), "close", None)) is not None:  # only if it was ever made
            await end()
        if (workspace := self.__dict__.get("workspace")) is not None:
            workspace.close()
        if (answers := self.__dict__.get("_answers")) is not None:
            answers.close()
        for generator in self.generators.values():
            getattr(generator, "close", lambda: None)()

    def _build(self, group: str, **ports: object) -> Any:
        return build(self.config[group], group, ports)


@dataclass(frozen=True)
class _Workspace:
    """The workspace, made when a repository is first asked for: most datasets have none."""

    wired: Wired

    def files(self, repo: Repo) -> Mapping[str, str]:
        return self.wired.workspace.files(repo)

    def tree(self, repo: Repo) -> AbstractAsyncContextManager[str]:
        return self.wired.workspace.tree(repo)


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


def _bubblewrap(**settings: object) -> Any:
    from evalkit.adapters.bubblewrap_sandbox import BubblewrapSandbox  # noqa: PLC0415  as below

    return BubblewrapSandbox(**cast("dict[str, Any]", settings))


def _docker(**settings: object) -> Any:
    from evalkit.adapters.docker_sandbox import DockerSandbox  # noqa: PLC0415  for runs that need it only

    return DockerSandbox(places=Places(), **cast("dict[str, Any]", settings))


_SANDBOXES: Mapping[str, Callable[..., Any]] = {"bubblewrap": _bubblewrap, "docker": _docker}

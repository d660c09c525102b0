"""Settings become objects: which model, strategy, verifier, sandbox and tracker a run works with."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

from evalkit.core.errors import ConfigError
from evalkit.core.feedback import shows_hidden_tests
from evalkit.core.ports import Model, Sandbox, Strategy, Tracker, Verifier
from evalkit.core.rubric import Rubric, source
from evalkit.core.rules.grader import Judge
from evalkit.core.scrub import Scrub
from evalkit.core.types import Instance
from evalkit.identity import Identity
from evalkit.places import Places, home, mlruns
from evalkit.run.checking import effects
from evalkit.settings import target
from evalkit.wiring.models import Models
from evalkit.wiring.tasks import Tasks

if TYPE_CHECKING:
    from evalkit.run.world import RuleWorld


@dataclass(frozen=True)
class Wired(Tasks, Models):
    """A config with its objects, each made when it is first asked for."""

    @property
    def kind(self) -> str:
        """What the run is: run, or phase."""
        return "run" if self.only is None else "phase"

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


def _bubblewrap(**settings: object) -> Any:
    from evalkit.adapters.bubblewrap_sandbox import BubblewrapSandbox  # noqa: PLC0415  as below

    return BubblewrapSandbox(**cast("dict[str, Any]", settings))


def _docker(**settings: object) -> Any:
    from evalkit.adapters.docker_sandbox import DockerSandbox  # noqa: PLC0415  for runs that need it only

    return DockerSandbox(places=Places(), **cast("dict[str, Any]", settings))


_SANDBOXES: Mapping[str, Callable[..., Any]] = {"bubblewrap": _bubblewrap, "docker": _docker}

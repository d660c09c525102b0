"""What makes two runs the same one: a fingerprint of all that decides their results, and of nothing else."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Protocol

from evalkit import __version__
from evalkit.core.digest import canonical, rubric_digest
from evalkit.core.errors import ConfigError
from evalkit.core.ladder import Rung
from evalkit.core.ports import Environments, Generator
from evalkit.core.rubric import Rubric, leaves
from evalkit.core.rules.grader import Judge
from evalkit.core.rules.python_function import PythonFunction
from evalkit.core.skills import Skillset
from evalkit.core.types import Dataset, Instance
from evalkit.places import Places, plug_in_versions
from evalkit.run.checking import effects
from evalkit.settings import fingerprinted

# These change how a run goes, not what it computes, so they are no part of its fingerprint.
INCIDENTAL = ("tracker", "limits", "retry", "name", "dataset", "report_up_to", "cache")
SCHEDULING = ("concurrency", "ahead", "starting_at_once", "engine_timeout_s", "lease_s")  # the same of a sandbox
AUTO = "evalkit.run.auto_sandbox.AutoSandbox"
BUBBLEWRAP = "evalkit.adapters.bubblewrap_sandbox.BubblewrapSandbox"


class Parts(Protocol):
    """What of a config's objects the fingerprint asks; each is made when it is first asked for."""

    @property
    def config(self) -> Mapping[str, Any]:
        """Resolved, as plain data."""

    @property
    def dataset(self) -> Dataset:
        """The whole one: a ramp's phases are of one family, whatever each of them samples."""

    @property
    def environments(self) -> Environments:
        """What repositories' tests run in."""

    @property
    def generators(self) -> Mapping[str, Generator]:
        """The in-process providers, by prefix."""

    @property
    def rungs(self) -> Mapping[str, Rung]:
        """In climbing order."""

    @property
    def shared_rubric(self) -> Rubric | None:
        """The rubric that the verifier names for all instances."""

    @property
    def skills(self) -> Skillset:
        """What may go into prompts beside problem and context."""

    def images_of(self, instances: Sequence[Instance]) -> frozenset[str]:
        """What judging these asks of a sandbox with images."""

    def rubrics_of(self, instances: Sequence[Instance]) -> tuple[Rubric, ...]:
        """What these are judged by."""


@dataclass(frozen=True)
class Identity:
    """The fingerprints of a config. Another version's, of the same config, must be the same: results are kept by it."""

    parts: Parts

    def key(self, only: tuple[str, ...] | None) -> str:
        """A run's fingerprint, 12 hex digits. `only` are the instances of a phase; None: the sample."""
        sampled = fingerprinted(self.parts.config).get("sample", {})
        return _fingerprint({**self._computed, **({"sample": sampled} if only is None else {"instances": only})})

    @cached_property
    def family(self) -> str:
        """The fingerprint without the instances: runs of one family give an instance the same result."""
        return _fingerprint(self._computed)

    @cached_property
    def environments(self) -> dict[str, str]:
        """Digests of the recipes that the dataset's instances name: another recipe, other verdicts."""
        names = sorted({one.repo.environment for one in self.parts.dataset.instances if one.repo})
        return {name: digest for name in names if (digest := self._environment(name))}

    def _environment(self, name: str) -> str:
        try:
            told = asdict(self.parts.environments.recipe(name))
        except ConfigError:  # it is told where it is needed: by preflight, for the sampled instances
            return ""
        return hashlib.sha256(canonical({**told, "description": ""}).encode()).hexdigest()

    @cached_property
    def images(self) -> dict[str, str]:
        """Digests of the images' recipes, by name, where the sandbox has images: another recipe, other verdicts."""
        from evalkit.adapters.docker_sandbox import recipe  # noqa: PLC0415  for runs that need it only

        node = self.parts.config["sandbox"]
        if "image" not in node and node.get("_target_") != AUTO:
            return {}
        named = {str(node["image"])} if node.get("image") else set()
        names = self.parts.images_of(self.parts.dataset.instances) | named
        found = {name: recipe.find(name, Places()) for name in sorted(names)}
        return {name: one.digest for name, one in found.items() if one is not None}

    @cached_property
    def grades(self) -> list[str]:
        """Digests of scripted and replayed graders' answers."""
        judging = self.parts.rubrics_of(self.parts.dataset.instances)
        models = {check.model for check in effects(judging) if isinstance(check, Judge)}
        return [digest for model in sorted(models) if (digest := self._recorded(model))]

    @property
    def _answers(self) -> list[str]:
        """The same of rungs: other answers make another run."""
        return [self._recorded(rung.model) for rung in self.parts.rungs.values()]

    def _recorded(self, model: str) -> str:
        prefix, _, name = model.partition("/")
        digest = getattr(self.parts.generators.get(prefix), "digest", None)
        return str(digest(name)) if digest else ""

    @cached_property
    def plug_ins(self) -> dict[str, str]:
        """Versions of the plug-ins whose code has a part in prompts, answers and verdicts: others, other results."""
        parts = self.parts
        named = [str(parts.config[group].get("_target_", "")) for group in ("strategy", "verifier", "sandbox")]
        rules = [rule.check for rubric in parts.rubrics_of(parts.dataset.instances) for rule in rubric.rules]
        checks = [one for check in rules for one in (check, *leaves(check))]
        judges = [check.model for check in checks if isinstance(check, Judge)]
        asked = [rung.model for rung in parts.rungs.values()] + judges
        providers = [parts.generators.get(model.partition("/")[0]) for model in asked]
        named += [type(one).__module__ for one in (*checks, *filter(None, providers))]
        named += [check.call for check in checks if isinstance(check, PythonFunction)]
        return plug_in_versions({name.replace(":", ".").split(".")[0] for name in named} - {"evalkit"})

    @cached_property
    def _computed(self) -> dict[str, Any]:
        parts = self.parts
        config = fingerprinted(parts.config)
        computed = {name: value for name, value in config.items() if name not in (*INCIDENTAL, "sample")}
        computed["dataset"] = parts.dataset.digest
        computed["evalkit"] = __version__.split(".", 1)[0]
        computed["answers"] = self._answers
        computed["climbing"] = list(parts.rungs)  # the mapping's order is the ladder, and sorted keys lose it
        computed["rubric"] = parts.shared_rubric and rubric_digest(parts.shared_rubric)
        computed["sandbox"] = self._sandbox_of_verdicts
        where_any = {"graders": self.grades, "images": self.images, "environments": self.environments}
        where_any["plugins"] = self.plug_ins
        if parts.skills.skills:
            computed["skill_texts"] = parts.skills.digest(parts.dataset.instances)
        return computed | {name: found for name, found in where_any.items() if found}

    @property
    def _sandbox_of_verdicts(self) -> dict[str, Any]:
        """What of the sandbox decides a verdict: where no instance asks for an image, auto is bubblewrap."""
        node = {key: value for key, value in self.parts.config["sandbox"].items() if key not in SCHEDULING}
        if node.get("_target_") != AUTO or self.parts.images_of(self.parts.dataset.instances):
            return node
        return {**{key: value for key, value in node.items() if key != "cpus"}, "_target_": BUBBLEWRAP}


def _fingerprint(computed: Mapping[str, Any]) -> str:
    text = json.dumps(computed, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:12]

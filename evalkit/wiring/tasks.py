"""What a run is about: its dataset and instances, the repositories that they name, rubrics and skills."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, cast

from evalkit.adapters.flaky_tests import FlakyTests
from evalkit.adapters.rubric_files import RubricFolder
from evalkit.adapters.skill_files import read as read_skills
from evalkit.core.errors import ConfigError
from evalkit.core.ports import Environments
from evalkit.core.sampling import sample
from evalkit.core.skills import Skillset
from evalkit.core.types import Dataset, Instance, Repo
from evalkit.places import Places, cache, mlruns, rubric_folders, skill_folders
from evalkit.wiring.chosen import Chosen

if TYPE_CHECKING:
    from evalkit.adapters.git_workspace import GitWorkspace


@dataclass(frozen=True)
class Tasks(Chosen):
    """Instances, and what is read with them, each made when it is first asked for."""

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
    def skills(self) -> Skillset:
        """What may go into prompts beside problem and context."""
        wanted = self.settings.skills
        return read_skills(skill_folders(wanted.folder), wanted)


@dataclass(frozen=True)
class _Workspace:
    """The workspace, made when a repository is first asked for: most datasets have none."""

    tasks: Tasks

    def files(self, repo: Repo) -> Mapping[str, str]:
        return self.tasks.workspace.files(repo)

    def tree(self, repo: Repo) -> AbstractAsyncContextManager[str]:
        return self.tasks.workspace.tree(repo)

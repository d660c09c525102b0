"""MLflow's model registry: versions that hold a bundle, the alias that one of them has, and bringing one here."""

import os
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from evalkit.adapters.mlflow_fetch import asking, version_of
from evalkit.adapters.mlflow_store import Store
from evalkit.core.errors import ConfigError
from evalkit.core.promotion import Candidate

BUNDLE, LOGGED = "bundle", "ladder"  # the artifact with our files, and what the UI calls the run's model
MODEL_ID = "evalkit.model_id"  # a version's own field of this is not kept by MLflow's database
TAG_LIMIT = 5000  # characters of a version's tag


@dataclass(frozen=True, slots=True)
class Version:
    """A model version. `model_id` is its logged model's, empty where another tool made it."""

    name: str
    number: str
    run_id: str
    model_id: str
    source: str
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def uri(self) -> str:
        """What commands and MLflow's tools call it."""
        return f"models:/{self.name}/{self.number}"


@dataclass(frozen=True)
class Served:
    """How MLflow serves a version: the file that it runs, a zip of the code behind that, and what pip installs."""

    loader: Path
    code: Path
    requirements: Sequence[str]


@dataclass(frozen=True)
class Registry(Store):
    """A store's registry. Every method raises TrackerError where the store does not answer."""

    def version(self, name: str) -> Version:
        """What models:/NAME@ALIAS or models:/NAME/VERSION means. Raises ConfigError with what there is."""
        with asking(self.uri):
            return _version(version_of(self._client, name))

    def holder(self, name: str, alias: str) -> Version | None:
        """The version that has the alias."""
        from mlflow.exceptions import MlflowException  # noqa: PLC0415  loaded with the client

        with asking(self.uri):
            try:
                return _version(self._client.get_model_version_by_alias(name, alias))
            except MlflowException as error:
                if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                    raise
                return None

    def bring(self, version: Version, folder: Path) -> Path:
        """The version's bundle in `folder`, which is left alone where it is there already: versions never change.

        Raises ConfigError where the version is none of evalkit's.
        """
        if folder.is_dir():
            return folder
        with asking(self.uri):
            folder.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=".bringing.", dir=folder.parent) as scratch:
                found = self._download(version, Path(scratch)) / "artifacts" / BUNDLE
                if not found.is_dir():
                    raise ConfigError(f"{version.uri} was not registered by evalkit: it holds no ladder")
                try:
                    os.replace(found, folder)  # noqa: PTH105  both are fine
                except OSError:
                    if not folder.is_dir():  # else another process has brought it meanwhile
                        raise
        return folder

    def _download(self, version: Version, scratch: Path) -> Path:
        import mlflow  # noqa: PLC0415  loaded with the client

        place = self._client.get_model_version_download_uri(version.name, version.number)
        found = mlflow.artifacts.download_artifacts(
            artifact_uri=place, dst_path=str(scratch / "whole"), tracking_uri=self.uri
        )
        return Path(found)

    def put(
        self, name: str, bundle: Path, served: Served, *, run_id: str, tags: Mapping[str, str], note: str
    ) -> Version:
        """Make a version of the model `name` (made if need be) that holds the bundle and can be served."""
        from mlflow.entities import LoggedModelOutput, LoggedModelStatus  # noqa: PLC0415  loaded with the client

        with asking(self.uri), tempfile.TemporaryDirectory() as scratch:
            run = self._run(run_id)
            logged = self._client.create_logged_model(
                run.info.experiment_id, name=LOGGED, source_run_id=run_id, model_type="evalkit.ladder"
            )
            folder = Path(scratch) / "model"
            _save(folder, bundle, served, logged, run_id)
            self._client.log_model_artifacts(logged.model_id, str(folder))
            self._client.finalize_logged_model(logged.model_id, LoggedModelStatus.READY)
            self._client.log_outputs(run_id, models=[LoggedModelOutput(logged.model_id, step=0)])
            self._make(name)
            made = self._client.create_model_version(
                name,
                # Of a logged model's address MLflow would ask its global store, which need not be this one.
                source=f"models:/{logged.model_id}" if self.uri.startswith("http") else logged.artifact_location,
                run_id=run_id,
                model_id=logged.model_id,
                tags={key: value[:TAG_LIMIT] for key, value in tags.items()} | {MODEL_ID: logged.model_id},
                description=note,
            )
        return _version(made)

    def _run(self, run_id: str) -> Any:
        from mlflow.exceptions import MlflowException  # noqa: PLC0415  loaded with the client

        try:
            return self._client.get_run(run_id)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            raise ConfigError(
                f"the store at {self.uri} has no run {run_id}, to which the version would point: "
                "`evalkit publish RUN_DIR` brings it there."
            ) from error

    def _make(self, name: str) -> None:
        from mlflow.exceptions import MlflowException  # noqa: PLC0415  loaded with the client

        try:
            self._client.create_registered_model(name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise ConfigError(f"the registry takes no model called {name!r}: {error}") from error

    def point(self, alias: str, version: Version) -> None:
        """Give the version the alias, which another version loses."""
        with asking(self.uri):
            self._client.set_registered_model_alias(version.name, alias, version.number)

    def candidates(self, experiment: str, where: str = "") -> list[Candidate]:
        """The complete, live runs of kind run in an experiment, that the MLflow filter `where` lets through.

        Raises ConfigError where there is no such experiment, or the filter is none.
        """
        from mlflow.exceptions import MlflowException  # noqa: PLC0415  loaded with the client

        wanted = {"evalkit.kind": "run", "evalkit.status": "complete", "evalkit.simulated": "false"}
        query = " AND ".join(
            [*(f"tags.`{tag}` = '{value}'" for tag, value in wanted.items()), *([where] if where else [])]
        )
        with asking(self.uri):
            found = self._experiment(experiment)
            try:
                return [_candidate(run) for run in self._all(found, query)]
            except MlflowException as error:
                if error.error_code != "INVALID_PARAMETER_VALUE":
                    raise
                raise ConfigError(f"--where {where!r} is no filter of MLflow's: {error}") from error

    def _all(self, experiment: str, query: str) -> Iterator[Any]:
        token = None
        while True:
            page = self._client.search_runs([experiment], query, max_results=200, page_token=token)
            yield from page
            token = page.token
            if not token:
                return

    def _experiment(self, name: str) -> str:
        from difflib import get_close_matches  # noqa: PLC0415  for errors only

        there = {one.name: one.experiment_id for one in self._client.search_experiments(max_results=1000)}
        if name not in there:
            near = get_close_matches(name, there, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(map(repr, there))}."
            raise ConfigError(f"no experiment {name!r} in the store; {hint}")
        return str(there[name])


def _save(folder: Path, bundle: Path, served: Served, logged: Any, run_id: str) -> None:
    """Write the model as MLflow lays it out.

    Without a signature: with one, MLflow drops keys that it does not know, so that a misspelt `tests` would be answered
    without being verified. The service says what is wrong with a task.
    """
    import mlflow  # noqa: PLC0415  loaded with the client
    from mlflow.models import Model  # noqa: PLC0415

    made = Model(
        artifact_path=logged.artifact_location, model_uuid=logged.model_id, run_id=run_id, model_id=logged.model_id
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that there is no example of an input, which MLflow would run a model for
        mlflow.pyfunc.save_model(
            path=str(folder),
            python_model=str(served.loader),
            artifacts={BUNDLE: str(bundle), "code": str(served.code)},
            pip_requirements=list(served.requirements),
            mlflow_model=made,
        )


def _version(one: Any) -> Version:
    tags = dict(one.tags or {})
    return Version(one.name, str(one.version), one.run_id or "", tags.get(MODEL_ID, ""), one.source, tags)


def _candidate(run: Any) -> Candidate:
    data = run.data
    datasets = sorted(one.dataset.digest for one in run.inputs.dataset_inputs)
    sampled = [
        f"{name}={value}"
        for name, value in sorted(data.params.items())
        if name.startswith("sample.") or name in ("seed", "epochs")
    ]
    climbs = sum(int(data.metrics.get(name, 0)) for name in ("solved", "unsolved", "unfinished", "quarantined"))
    dataset = data.params.get("dataset", "")
    return Candidate(
        run.info.run_id,
        run.info.run_name or "",
        dict(data.metrics),
        run.info.start_time,
        (dataset, str(climbs), *datasets, *sampled),
    )

"""A run that another machine made: found in the tracking store, and its folder made of what the store holds."""

import json
import os
import shutil
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from evalkit.adapters.mlflow_publish import DONE
from evalkit.adapters.mlflow_store import Store, failed, local_path, sqlite_file
from evalkit.core.errors import ConfigError, EvalkitError, TrackerError
from evalkit.core.ports import RunRecord

MODELS, STAMP = "models:/", "fetched.json"
INSTANCES, PACKED = "instances", "instances.zip"  # mlflow_artifacts packs the instances of large runs
SHOWN = 200  # names that an error chooses the nearest of
SUMMARY = "summary.json"
OURS = "tags.`evalkit.key` LIKE '%'" + "".join(  # runs of instances: what else evalkit leaves there is no RUN
    f" AND tags.`evalkit.kind` != '{kind}'" for kind in ("comparison", "sweep", "ramp")
)


def _put(scratch: Path, target: Path, stamp: Mapping[str, Any]) -> None:
    """Into its place, unless another process has put the same there meanwhile."""
    try:
        os.replace(scratch, target)  # noqa: PTH105  both are fine
    except OSError:
        if _stamped(target) != stamp:
            raise


@dataclass(frozen=True)
class Found:
    """A run in the store."""

    run_id: str
    name: str
    key: str


@dataclass(frozen=True)
class RemoteRuns(Store):
    """The runs of a tracking store. Every method raises TrackerError where the store does not answer."""

    def find(self, name: str) -> list[Found]:
        """The runs that `name` may mean, the newest first: all of that name, else those whose id or key begin so."""
        if self._never_made() or "'" in name:
            return []
        with asking(self.uri):
            if named := self._search(f"attributes.run_name = '{name}'"):
                return named
            ids = self._search(f"attributes.run_id LIKE '{name}%'")
            keys = self._search(f"tags.`evalkit.key` LIKE '{name}%'")
        return list({one.run_id: one for one in [*ids, *keys]}.values())

    def registered(self, name: str) -> list[Found]:
        """The run that a model version was made of. Raises ConfigError where there is no such version."""
        with asking(self.uri):
            version = version_of(self._client, name)
            found = self._search(f"attributes.run_id = '{version.run_id}'") if version.run_id else []
        if not found:
            raise ConfigError(f"{name} was made of no run of evalkit's, or of one that was deleted")
        return found

    def names(self) -> list[str]:
        """The names of the newest runs."""
        if self._never_made():
            return []
        with asking(self.uri):
            return [one.name for one in self._search(OURS, SHOWN)]

    def fetch(self, run_id: str, target: Path) -> Path:
        """The run's folder at `target`, fetched unless what lies there is what the store holds.

        Raises ConfigError where the run has not ended: there is no summary then.
        """
        with asking(self.uri):
            run = self._client.get_run(run_id)
            stamp = {"uri": self.uri, "published": run.data.tags.get(DONE, ""), "ended": run.info.end_time}
            if _stamped(target) == stamp:
                return target
            target.parent.mkdir(parents=True, exist_ok=True)
            scratch = Path(tempfile.mkdtemp(prefix=f".{run_id}.", dir=target.parent))
            try:
                self._bring(run, scratch)
                (scratch / "record.json").write_bytes(_pretty(self._record(run, scratch, target)))
                scratch.chmod(0o755)
                (scratch / STAMP).write_text(json.dumps(stamp), encoding="utf-8")
                shutil.rmtree(target, ignore_errors=True)
                _put(scratch, target, stamp)
            finally:
                shutil.rmtree(scratch, ignore_errors=True)
        return target

    def _bring(self, run: Any, folder: Path) -> None:
        root = local_path(run.info.artifact_uri)
        if root is not None and root.is_dir():
            for one in root.iterdir():
                if one.is_file():
                    shutil.copyfile(one, folder / one.name)
            # A link takes no space. Not for the files above: a report, for one, is written anew where it lies.
            if (root / INSTANCES).is_dir():
                shutil.copytree(root / INSTANCES, folder / INSTANCES, copy_function=_linked)
        else:
            for one in self._client.list_artifacts(run.info.run_id):
                self._client.download_artifacts(run.info.run_id, one.path, str(folder))
        if (packed := folder / PACKED).is_file():
            with zipfile.ZipFile(packed) as archive:
                archive.extractall(folder)
            packed.unlink()
        if not (folder / SUMMARY).is_file():
            raise ConfigError(
                f"run {run.info.run_name!r} ({run.info.run_id[:8]}) has no {SUMMARY} in the store: it has not ended, "
                "or is no run of instances. `evalkit runs` shows its kind and status."
            )

    def _record(self, run: Any, folder: Path, target: Path) -> RunRecord:
        """What the run was, as far as MLflow tells: it cuts long params, whose whole values are an artifact then."""
        summary = json.loads((folder / SUMMARY).read_bytes())
        dataset, tags = summary.get("dataset") or {}, run.data.tags
        return RunRecord(
            key=tags["evalkit.key"],
            name=run.info.run_name or "",
            kind=tags.get("evalkit.kind", "run"),
            folder=str(target),
            experiment=str(self._client.get_experiment(run.info.experiment_id).name),
            params={**run.data.params, **_whole(folder)},
            tags={name: value for name, value in tags.items() if name.startswith("evalkit.")},
            dataset=dataset.get("name", ""),
            dataset_digest=dataset.get("digest", ""),
            instances=dataset.get("instances", 0),
            climbs=len(summary.get("instances") or ()),
        )

    def _search(self, query: str, most: int = 50) -> list[Found]:
        experiments = [one.experiment_id for one in self._client.search_experiments(max_results=1000)]
        wanted = query if query == OURS else f"{query} AND {OURS}"
        runs = self._client.search_runs(experiments, wanted, max_results=most, order_by=["attributes.start_time DESC"])
        return [_found(run) for run in runs]

    def _never_made(self) -> bool:
        file = sqlite_file(self.uri)
        return file is not None and not file.exists()


def version_of(client: Any, name: str) -> Any:
    """The model version that models:/NAME@ALIAS or models:/NAME/VERSION means.

    Raises ConfigError with what there is.
    """
    from mlflow.exceptions import MlflowException  # noqa: PLC0415  loaded with the client

    model, alias, version = parts(name)
    try:
        return client.get_model_version_by_alias(model, alias) if alias else client.get_model_version(model, version)
    except MlflowException as error:
        if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            raise
        raise ConfigError(f"no {name} in the registry{_there(client, model)}") from error


def parts(name: str) -> tuple[str, str, str]:
    """Model, alias and version in models:/NAME@ALIAS or models:/NAME/VERSION, of which one of the last two is empty.

    Raises ConfigError.
    """
    rest = name.removeprefix(MODELS)
    model, at, alias = rest.rpartition("@")
    if at and model and alias:
        return model, alias, ""
    model, slash, version = rest.rpartition("/")
    if name.startswith(MODELS) and slash and model and version.isdecimal():
        return model, "", version
    raise ConfigError(f"{name!r} names no model version; write models:/NAME@ALIAS or models:/NAME/VERSION")


def _there(client: Any, model: str) -> str:
    from difflib import get_close_matches  # noqa: PLC0415  for errors only

    models = {one.name: one for one in client.search_registered_models(max_results=1000)}
    if model not in models:
        near = get_close_matches(model, models, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"there is {', '.join(models) or 'none'}."
        return f": no model {model!r}; {hint} `evalkit register` makes one."
    aliases = ", ".join(f"@{alias} (version {number})" for alias, number in models[model].aliases.items())
    numbers = sorted(int(one.version) for one in client.search_model_versions(f"name = '{model}'"))
    return f"; {model!r} has versions {', '.join(map(str, numbers)) or 'none'}; aliases: {aliases or 'none'}."


def _whole(folder: Path) -> dict[str, str]:
    try:
        return dict(json.loads((folder / "long_values.json").read_bytes()))
    except (OSError, ValueError):
        return {}


@contextmanager
def asking(uri: str) -> Iterator[None]:
    """Translates what MLflow lets through of requests, SQLAlchemy and its own into a TrackerError."""
    try:
        yield
    except EvalkitError:
        raise
    except Exception as error:
        if not type(error).__module__.startswith(("mlflow.", "requests.", "sqlalchemy.", "urllib3.")):
            raise
        raise TrackerError(f"{uri} does not answer: {failed(error)}") from error


def _found(run: Any) -> Found:
    return Found(run.info.run_id, run.info.run_name or "", run.data.tags.get("evalkit.key", ""))


def _pretty(value: object) -> bytes:
    return msgspec.json.format(msgspec.json.encode(value), indent=2)


def _stamped(folder: Path) -> Any:
    try:
        return json.loads((folder / STAMP).read_bytes())
    except (OSError, ValueError):
        return None


def _linked(source: str, target: str) -> str:
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
    return target

"""Which tests were found to go both ways: a file of names by instance, which later runs leave out."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from fcntl import LOCK_EX, flock
from os import getpid
from pathlib import Path

from evalkit.core.digest import digest
from evalkit.core.errors import DatasetError, StorageError
from evalkit.core.flaky import without
from evalkit.core.types import Dataset, Instance


class FlakyTests:
    """flaky.json: `[{"id", "instance", "tests": {name: "passed in 2 of 3"}}]`.

    An entry holds for the instance with that id and that content, whatever tests are left out of it already; a person
    may delete it. A file that is not there holds none.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def applied(self, dataset: Dataset) -> Dataset:
        """The dataset without them, and so with another digest: its results are not mixed with those before."""
        known = self._read()
        if not known:
            return dataset
        instances = tuple(without(one, known.get(_which(one), {})) for one in dataset.instances)
        changed = any(new is not old for new, old in zip(instances, dataset.instances, strict=True))
        return replace(dataset, instances=instances, digest=digest(instances)) if changed else dataset

    def of(self, instances: Iterable[Instance]) -> dict[str, dict[str, str]]:
        """The names that are left out, each with how often it passed, by the instances that have any."""
        known = self._read()
        return {one.id: tests for one in instances if known and (tests := known.get(_which(one)))}

    def note(self, instance: Instance, tests: Mapping[str, str]) -> None:
        """Remember these names, beside those that are known. Raises StorageError where that cannot be written."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.with_name(f"{self.path.name}.lock").open("w") as lock:
                flock(lock, LOCK_EX)  # another check may be adding what it found
                self._add(instance, tests)
        except OSError as error:
            raise StorageError(f"{self.path}: cannot be written: {error.strerror or error}") from error

    def _add(self, instance: Instance, tests: Mapping[str, str]) -> None:
        known = self._read()
        known[_which(instance)] = {**known.get(_which(instance), {}), **tests}
        entries = [{"id": key[0], "instance": key[1], "tests": names} for key, names in sorted(known.items())]
        written = self.path.with_name(f"{self.path.name}.{getpid()}")
        written.write_text(json.dumps(entries, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        written.replace(self.path)

    def _read(self) -> dict[tuple[str, str], dict[str, str]]:
        try:
            text = self.path.read_text(encoding="utf-8")
        except (FileNotFoundError, NotADirectoryError):  # the run's folder says what is wrong with its home
            return {}
        except (OSError, UnicodeDecodeError) as error:
            raise DatasetError(f"{self.path}: cannot be read: {error}") from error
        try:
            return {(one["id"], one["instance"]): dict(one["tests"]) for one in json.loads(text)}
        except (ValueError, TypeError, KeyError) as error:
            raise DatasetError(f"{self.path}: is no list of flaky tests ({error}). Mend or delete it.") from error


def _which(instance: Instance) -> tuple[str, str]:
    """Id and content; the names of tests are no part of it, since leaving some out must change nothing here."""
    tests = instance.tests and replace(instance.tests, fail_to_pass=(), pass_to_pass=())
    return instance.id, digest([replace(instance, tests=tests)])[:24]

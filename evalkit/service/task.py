"""What a service is asked, as an instance: a dataset's row, less what a stranger must not reach through it."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from evalkit.adapters.jsonl_dataset import read_task
from evalkit.adapters.rubric_files import RubricFolder
from evalkit.core.errors import DatasetError
from evalkit.core.rules.grader import Judge
from evalkit.core.types import Instance
from evalkit.places import Places
from evalkit.run.checking import effects

REFUSED = {
    "repo": "a service opens no repositories of its machine; give `files`",
    "good": "known-good answers are for datasets",
    "bad": "known-bad answers are for datasets",
    "gold": "known-good answers are for datasets",
}


def instances(tasks: Sequence[object], rubrics: RubricFolder) -> list[Instance]:
    """All tasks. Raises DatasetError with every fault, one a line, each with its task."""
    found, faults = [], []
    for number, task in enumerate(tasks):
        try:
            found.append(_instance(_given(task), rubrics, f"task {number}"))
        except DatasetError as error:
            faults.append(str(error))
    if faults:
        raise DatasetError("\n".join(faults))
    return found


def _instance(task: object, rubrics: RubricFolder, where: str) -> Instance:
    for fault in _forbidden(task) if isinstance(task, Mapping) else ():
        raise DatasetError(f"{where}: {fault}")
    instance = read_task(task, rubrics, where)
    named = isinstance(task, Mapping) and isinstance(task.get("rubric"), str)
    if instance.rubric and not named and any(isinstance(check, Judge) for check in effects([instance.rubric])):
        raise DatasetError(
            f"{where}: rubric: a rule that asks a grader model spends money at an address of its choice: "
            "put it into a rubric on the service's machine, and name that"
        )
    return instance


def _forbidden(task: Mapping[str, Any]) -> list[str]:
    found = [f"{key}: {why}" for key, why in REFUSED.items() if key in task]
    rubric = task.get("rubric")
    if isinstance(rubric, str) and ("/" in rubric or "." in rubric or "\\" in rubric):
        found.append(f"rubric: {rubric!r} is a path; name a rubric, or give its rules")
    image, known = task.get("image"), Places().names("sandbox/image")
    if image and image not in known:
        found.append(f"image: {image!r} is none of {', '.join(known) or 'the images here: there are none'}")
    return found


def _given(task: object) -> object:
    """Without what a table's row leaves empty."""
    if not isinstance(task, Mapping):
        return task
    plain = {str(key): _plain(value) for key, value in task.items()}
    return {key: value for key, value in plain.items() if value is not None}


def _plain(value: Any) -> Any:
    """A cell as JSON has it: arrays are lists, and a table's NaN is nothing."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    return None if isinstance(value, float) and math.isnan(value) else value

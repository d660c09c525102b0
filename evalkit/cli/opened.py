"""What commands beside `run` open through the same config groups."""

from collections.abc import Sequence

from evalkit.cli.hydra_app import composed, options
from evalkit.core.types import Dataset
from evalkit.settings import read
from evalkit.wiring import Wired


def open_wired(overrides: Sequence[str]) -> Wired:
    """The objects of a config. Raises ConfigError with all its faults."""
    found = composed(overrides)
    return Wired(found.config, found.choices, read(found.config))


def open_dataset(name_or_path: str, overrides: Sequence[str] = ()) -> Dataset:
    """A dataset by its option's name (`starter`) or by the path of a JSONL file."""
    return open_wired([*dataset_overrides(name_or_path), *overrides]).dataset


def dataset_overrides(name_or_path: str) -> list[str]:
    """The overrides that choose a dataset."""
    if name_or_path in options("dataset"):
        return [f"dataset={name_or_path}"]
    quoted = name_or_path.replace("\\", "\\\\").replace("'", "\\'")
    return ["dataset=jsonl", f"dataset.path='{quoted}'"]

"""A reader of dataset files."""

import json

import pytest

from evalkit.adapters.jsonl_dataset import JsonlDataset
from evalkit.adapters.rubric_files import RubricFolder
from evalkit.places import Places
from tests.adapters.jsonl_dataset.lines import RULE


@pytest.fixture
def reader(tmp_path):
    """Reads what is given as the file tasks.jsonl: bytes, or lines (objects or text)."""
    (tmp_path / "rubrics").mkdir()
    (tmp_path / "rubrics" / "polite.yaml").write_text(f"name: polite\nrules: [{json.dumps(RULE)}]\n")

    def read(*lines, name="tasks.jsonl", raw=None):
        text = "".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines)
        path = tmp_path / name
        path.write_bytes(text.encode() if raw is None else raw)
        return JsonlDataset(str(path), rubrics=RubricFolder([str(tmp_path / "rubrics")]), places=Places()).load()

    return read

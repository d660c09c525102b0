"""The quick check of large files passes nothing that the schema's own check finds fault with."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.adapters import jsonl_dataset
from evalkit.adapters.jsonl_dataset import shape
from tests.adapters.jsonl_dataset.lines import CODE, RULE, TEXT, faults

STARTER = Path(__file__).parents[3] / "conf" / "dataset" / "starter.jsonl"
SCALAR = (
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats(-2, 2) | st.sampled_from(["", " ", "a", "a\n", "cases"])
)
VALUE = st.recursive(
    SCALAR,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["kind", "call", "cases", "args", "returns", "code", "name", "commit"]), inner
        )
    ),
    max_leaves=6,
)
KEYS = [
    "id",
    "prompt",
    "answer",
    "tags",
    "tests",
    "good",
    "bad",
    "files",
    "repo",
    "metadata",
    "protected",
    "gold",
    "zzz",
]


@settings(deadline=None)
@given(st.sampled_from([TEXT, CODE]), st.dictionaries(st.sampled_from(KEYS), VALUE, max_size=3))
def test_a_line_that_the_quick_check_passes_has_no_fault(line, changes):
    changed = {**line, **changes}
    assert not shape.is_sound(changed) or not list(shape.shape_faults(changed)), changed


def test_sound_lines_pass_it():
    lines = [json.loads(line) for line in STARTER.read_text().splitlines()]
    assert [line["id"] for line in lines if not shape.is_sound(line)] == []


@pytest.mark.parametrize("changes", [{"promt": "x"}, {"id": "a\n"}, {"tags": ["a", "a"]}, {"tests": {"kind": "case"}}])
def test_a_fault_far_down_in_a_file_is_told_as_ever(reader, changes, monkeypatch):
    monkeypatch.setattr(jsonl_dataset, "FEW", 1)
    rubric = {"rules": [RULE]}
    lines = [{"id": f"i{number}", "prompt": "Say it.", "rubric": rubric} for number in range(3)]
    (fault,) = faults(reader, *lines, {**lines[0], "id": "last", **changes})
    assert fault.startswith("4: ")

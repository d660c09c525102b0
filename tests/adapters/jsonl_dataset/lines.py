"""Lines of a dataset file, and what is said of faulty ones."""

import pytest

from evalkit.core.errors import DatasetError

RULE = {"id": "short", "kind": "length", "words": {"max": 5}, "message": "Write less."}
TEXT = {"id": "greeting", "prompt": "Say hello.", "rubric": {"rules": [RULE]}}
CODE = {
    "id": "double",
    "prompt": "Write double(n).",
    "answer": "code:python",
    "tags": ["python", "numbers"],
    "difficulty": "easy",
    "tests": {"kind": "cases", "call": "double", "cases": [{"args": [2], "returns": 4}, {"raises": "TypeError"}]},
    "good": ["def double(n): return 2 * n"],
    "bad": ["def double(n): return n + 2"],
    "files": {"src/readme.txt": "numbers"},
    "metadata": {"source": "here"},
}


def faults(reader, *lines, **options):
    """The lines of the error, without the file's name."""
    with pytest.raises(DatasetError) as caught:
        reader(*lines, **options)
    return [line.partition("tasks.jsonl")[2].removeprefix(":") for line in str(caught.value).splitlines()]

"""Makes the hard task's dataset and answers of the files in conf/dataset/hard_rust/; `--check` only compares."""

import json
import sys
from pathlib import Path

CONF = Path(__file__).resolve().parent.parent / "conf"
SOURCES = CONF / "dataset" / "hard_rust"
ID = "bounded-fetch"


def dataset() -> str:
    """The one instance: task, suite, bridge, and what must be accepted and rejected."""
    instance = {
        "id": ID,
        "prompt": text("task.md"),
        "answer": "code:rust",
        "tags": ["rust", "async"],
        "difficulty": "hard",
        "image": "rust",
        "rubric": "bounded_fetch",
        "tests": {"kind": "rust", "code": text("tests.rs"), "bridge": text("bridge.rs"), "timeout_s": 60},
        "good": [path.read_text(encoding="utf-8") for path in sorted(SOURCES.glob("accepted/*.rs"))],
        "bad": [path.read_text(encoding="utf-8") for path in sorted(SOURCES.glob("rejected/*.rs"))],
    }
    return _line(instance)


def answers() -> str:
    """The replayed climb: the answers by the number of the attempt. A skipped rung has a number too."""
    paths = sorted(SOURCES.glob("climb/attempt_*.txt"))
    rows = ((int(path.stem.removeprefix("attempt_")), path.read_text(encoding="utf-8")) for path in paths)
    return "".join(_line({"instance_id": ID, "attempt": number, "text": answer}) for number, answer in rows)


def text(name: str) -> str:
    """One of the sources."""
    return (SOURCES / name).read_text(encoding="utf-8")


def _line(value: object) -> str:
    return json.dumps(value, ensure_ascii=False) + "\n"


MADE = {
    CONF / "dataset" / "hard_rust.jsonl": dataset,
    CONF / "ladder" / "hard_task_answers.jsonl": answers,
}

if __name__ == "__main__":
    for path, make in MADE.items():
        if "--check" not in sys.argv:
            path.write_text(make(), encoding="utf-8")
        elif path.read_text(encoding="utf-8") != make():
            sys.exit(f"{path.name} is not what {SOURCES.name}/ says: run python scripts/{Path(__file__).name}")

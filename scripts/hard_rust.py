"""Makes conf/dataset/hard_rust.jsonl of the files in conf/dataset/hard_rust/; `--check` only compares."""

import json
import sys
from pathlib import Path

CONF = Path(__file__).resolve().parent.parent / "conf" / "dataset"
SOURCES = CONF / "hard_rust"
MADE = CONF / "hard_rust.jsonl"


def line() -> str:
    """The one instance: task, suite, bridge, and what must be accepted and rejected."""
    instance = {
        "id": "bounded-fetch",
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
    return json.dumps(instance, ensure_ascii=False) + "\n"


def text(name: str) -> str:
    """One of the sources."""
    return (SOURCES / name).read_text(encoding="utf-8")


if __name__ == "__main__":
    if "--check" not in sys.argv:
        MADE.write_text(line(), encoding="utf-8")
    elif MADE.read_text(encoding="utf-8") != line():
        sys.exit(f"{MADE.name} is not what {SOURCES.name}/ says: run python {Path(__file__).name} in scripts/")

"""What the report reads of a climb's files: attempt_<N>.json, and attempt_<N>.txt with the completion as it came."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from evalkit.core.errors import ConfigError
from evalkit.core.results import Seconds, Tokens


class Message(msgspec.Struct):
    """Of a chat."""

    role: str
    content: str


class Prompt(msgspec.Struct):
    """What was asked, and what it shows."""

    messages: list[Message] = []
    dropped: list[str] = []
    files: list[str] = []
    skills: list[str] = []


class Finding(msgspec.Struct, omit_defaults=True):
    """core.types.Finding as it was written."""

    rule: str
    message: str
    required: bool = True
    line: int | None = None
    excerpt: str = ""
    source: str = "rule"
    rubric: str = ""


class Test(msgspec.Struct):
    """core.types.TestResult as it was written."""

    name: str
    outcome: str
    message: str = ""


class Grading(msgspec.Struct, omit_defaults=True):
    """What is shown of a grader's votes."""

    model: str = ""
    rule: str = ""
    votes: list[Any] = []
    passing: float = 0.0
    abstained: bool = False


class Verdict(msgspec.Struct):
    """What is shown of a verdict."""

    score: float = 0.0
    rules_passed: int = 0
    rules_total: int = 0
    rules_unjudged: int = 0
    tests: list[Test] = []
    gradings: list[Grading] = []


class AttemptFile(msgspec.Struct):
    """One attempt as its file tells it; files of older runs lack the newer fields."""

    attempt: int
    rung: str
    on_rung: int
    accepted: bool
    model: str = ""
    skipped: bool = False
    failure: str | None = None
    detail: str = ""
    finish_reason: str = ""
    cost_usd: float | None = None
    requests: int = 1
    candidate: str = ""
    edited: list[str] = []
    findings: list[Finding] = []
    tokens: Tokens = Tokens()
    seconds: Seconds = Seconds()
    prompt: Prompt = msgspec.field(default_factory=Prompt)
    verdict: Verdict = msgspec.field(default_factory=Verdict)
    completion: str = ""  # of the text file


_DECODER = msgspec.json.Decoder(AttemptFile)


def attempt_files(climb: Path) -> Iterator[AttemptFile]:
    """A climb's attempts in their order; none where the climb never began. Raises ConfigError on a damaged file."""
    number = 1
    while True:
        path = climb / f"attempt_{number}.json"
        try:
            read = _DECODER.decode(path.read_bytes())
            read.completion = path.with_suffix(".txt").read_bytes().decode("utf-8", "replace")
        except FileNotFoundError:
            return
        except (OSError, msgspec.DecodeError) as error:
            raise ConfigError(f"{path}: {error}. The command that made the run makes it again.") from error
        yield read
        number += 1

"""What a run's folder tells of it while it goes: read again and again, only what is new, and nothing is locked.

Attempts come from the journal, ended climbs from instances/<id>/summary.json.
"""

import os
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from evalkit.core.tally import Total

NEWEST = 200  # failures that are kept to choose the last ones from


class _Record(msgspec.Struct):
    key: str
    value: msgspec.Raw


class _Line(msgspec.Struct):
    record: _Record


class _Paid(msgspec.Struct):
    """What is read of a completion, and of a grader's votes."""

    requests: int = 1
    tokens_prompt: int | None = None
    tokens_completion: int | None = None
    cost_usd: float | None = None
    seconds: float = 0.0
    failure: str | None = None
    cached: bool = False


class _Extra(msgspec.Struct):
    """What no other record tells of a call, see run/spending.py; it counts for caps, and is in no summary."""

    cost_usd: float = 0.0
    tokens: int = 0
    calls: int = 0


class _Finding(msgspec.Struct):
    message: str = ""


class _Verdict(msgspec.Struct):
    accepted: bool
    failure: str | None = None
    findings: list[_Finding] = []
    gradings: list[_Paid] = []


class Ended(msgspec.Struct):
    """What is read of an ended climb; `at` is when its file was written, in seconds of the clock."""

    instance_id: str
    epoch: int
    status: str
    attempts: int = 0
    error_type: str | None = None
    final_error: str | None = None
    time_seconds: float = 0.0
    at: float = 0.0


@dataclass
class Seen:
    """What was seen of one rung; `seconds` is the time that its model took."""

    asked: int = 0
    judged: int = 0
    solved: int = 0
    seconds: float = 0.0
    given_up: bool = False
    cost: Total = field(default_factory=Total)
    failures: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class Failed:
    """An attempt that was rejected, or an outage; `where` says on which rung, `message` the first thing found."""

    instance_id: str
    epoch: int
    where: str
    failure: str
    message: str


_LINE = msgspec.json.Decoder(_Line)
_PAID = msgspec.json.Decoder(_Paid)
_PAIDS = msgspec.json.Decoder(list[_Paid])
_EXTRA = msgspec.json.Decoder(_Extra)
_VERDICT = msgspec.json.Decoder(_Verdict)
_ENDED = msgspec.json.Decoder(Ended)


class Journal:
    """A journal's records so far. A line that is just being written, or is damaged, ends what is read."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._forget()

    def _forget(self) -> None:
        self._read = 0
        self.rungs: dict[str, Seen] = {}
        self.begun: dict[tuple[str, int], str] = {}  # climbs by their last step: `qwen judging`
        self.failed: deque[Failed] = deque(maxlen=NEWEST)
        self.cost, self.prompt, self.completion = Total(), Total(), Total()
        self.requests = self.answers = 0
        self.charged = {"cost_usd": 0.0, "tokens": 0.0, "calls": 0.0}  # as caps count it, see core/caps.py
        self._lost: Counter[str] = Counter()  # gradings that were paid for before their verdict came, by its key

    def look(self) -> bool:
        """Read what is new; whether there was anything."""
        try:
            size = self._path.stat().st_size
            if size < self._read:  # a torn end was cut off, or the run begun anew
                self._forget()
            if size == self._read:
                return False
            with self._path.open("rb") as file:
                file.seek(self._read)
                return self._take(file)
        except OSError:
            return False

    def _take(self, lines: Any) -> bool:
        before = self._read
        for line in lines:
            if not line.endswith(b"\n"):
                break
            try:
                self._add(_LINE.decode(line).record)
            except msgspec.MsgspecError:
                break
            self._read += len(line)
        return self._read > before

    def _add(self, record: _Record) -> None:
        parts = record.key.split("/")  # by its end first: an instance may be called as the run's own records begin
        if len(parts) > 5 and parts[-1] == "completion":  # noqa: PLR2004  the parts of a climb's key, see run/solve.py
            self._completion(parts, _PAID.decode(record.value))
        elif len(parts) > 5 and parts[-1] == "verdict":  # noqa: PLR2004  as above
            self._verdict(record.key, parts, _VERDICT.decode(record.value))
        elif len(parts) > 5 and parts[-2] == "lost":  # noqa: PLR2004  as above
            lost = _PAIDS.decode(record.value)
            self._lost["/".join(parts[:-2])] += len(lost)
            self._grade(lost)
        elif parts[0] == "rungs" and parts[-1] == "given_up":
            self._rung("/".join(parts[1:-1])).given_up = True
        elif parts[0] == "spent":
            self._pay_extra(_EXTRA.decode(record.value))
        elif parts[0] == "health":
            self._grade(_PAIDS.decode(record.value))

    def _rung(self, name: str) -> Seen:
        return self.rungs.setdefault(name, Seen())

    def _grade(self, gradings: Iterable[_Paid]) -> None:
        for grading in gradings:
            self._pay(grading, calls=grading.requests)

    def _pay(self, paid: _Paid, *, calls: int) -> None:
        self.requests += paid.requests
        if not paid.requests:
            return
        self.cost.add(paid.cost_usd)
        self.prompt.add(paid.tokens_prompt)
        self.completion.add(paid.tokens_completion)
        if not paid.cached:
            told = paid.tokens_prompt is not None and paid.tokens_completion is not None
            tokens = (paid.tokens_prompt or 0) + (paid.tokens_completion or 0) if told else 0
            self._charge(paid.cost_usd or 0.0, tokens, calls)

    def _pay_extra(self, extra: _Extra) -> None:
        self.requests += extra.calls
        self._charge(extra.cost_usd, extra.tokens, extra.calls)

    def _charge(self, cost_usd: float, tokens: int, calls: int) -> None:
        for name, amount in (("cost_usd", cost_usd), ("tokens", tokens), ("calls", calls)):
            self.charged[name] += amount

    def _completion(self, parts: list[str], paid: _Paid) -> None:
        rung = "/".join(parts[3:-2])
        self._pay(paid, calls=1)
        if paid.failure != "rung_skipped":
            seen = self._rung(rung)
            seen.asked += 1
            seen.seconds += paid.seconds
            seen.cost.add(paid.cost_usd)
            self.answers += 1
        self.begun[parts[0], int(parts[1])] = f"{rung} judging"

    def _verdict(self, key: str, parts: list[str], verdict: _Verdict) -> None:
        rung = "/".join(parts[3:-2])
        new = len(verdict.gradings) - self._lost.pop(
            key, 0
        )  # behind them stand those that were lost, see run/records.py
        self._grade(verdict.gradings[:new])
        self.begun[parts[0], int(parts[1])] = f"{rung} judged"
        if verdict.failure == "rung_skipped":
            return
        seen = self._rung(rung)
        seen.judged += 1
        seen.solved += verdict.accepted
        if not verdict.accepted:
            failure = verdict.failure or "rejected"
            seen.failures[failure] += 1
            said = verdict.findings[0].message if verdict.findings else ""
            self.failed.append(Failed(parts[0], int(parts[1]), f"{rung} #{parts[2]}", failure, said))


class Climbs:
    """The climbs that have ended, by instance and epoch."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "instances"
        self._times: dict[str, int] = {}
        self.ended: dict[tuple[str, int], Ended] = {}

    def look(self) -> None:
        """Read the files that are new or were written again."""
        for path, status in _summaries(self._folder):
            if self._times.get(path) == status.st_mtime_ns:
                continue
            with suppress(OSError, msgspec.MsgspecError):  # it is just being written: the next look reads it
                one = _ENDED.decode(Path(path).read_bytes())
                one.at = status.st_mtime
                self.ended[one.instance_id, one.epoch] = one
                self._times[path] = status.st_mtime_ns


def _summaries(folder: Path) -> Iterator[tuple[str, os.stat_result]]:
    """The climbs' files; by the system's own calls, since there may be very many."""
    with suppress(FileNotFoundError), os.scandir(folder) as instances:
        for instance in instances:
            with suppress(OSError):
                yield (path := f"{instance.path}/summary.json"), os.stat(path)  # noqa: PTH116  as above
            with suppress(OSError), os.scandir(instance.path) as inside:
                for epoch in (one for one in inside if one.name.startswith("epoch_")):
                    with suppress(OSError):
                        yield (path := f"{epoch.path}/summary.json"), os.stat(path)  # noqa: PTH116  as above

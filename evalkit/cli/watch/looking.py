"""A run's folder, looked at again and again: each look is a picture of the run."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import yaml

from evalkit.cli.live_file import providers
from evalkit.cli.watch.folder import Climbs, Ended, Failed, Journal, Seen
from evalkit.cli.watch.held import held_by
from evalkit.cli.watch.picture import Picture, RungSeen
from evalkit.core.ports import RunRecord
from evalkit.core.stats import Interval, solved_rate
from evalkit.core.summary import Summary
from evalkit.core.types import JUDGED

RECENT_S = 300.0  # over which the pace is taken
LAST = 5  # failures that are shown
CAPS = ("cost_usd", "tokens", "calls", "seconds")  # of limits.*


@dataclass
class Looking:
    """One run's folder, looked at again and again."""

    folder: Path
    journal: Journal = field(init=False)
    climbs: Climbs = field(init=False)

    def __post_init__(self) -> None:
        self._ran = False  # whether it was seen climbing: then, with a new summary, it is ending and not preparing
        self.journal = Journal(self.folder / "journal.jsonl")
        self.climbs = Climbs(self.folder)

    def look(self, now: float) -> Picture:
        """What there is at the time `now`, in seconds of the clock."""
        process = held_by(self.folder / "journal.jsonl")  # first: what it does afterwards is seen at the next look
        began = _time(self.folder / "config.yaml")
        summary = None if _is_older(self.folder / "summary.json", began) else _summary(self.folder)
        self.journal.look()
        self.climbs.look()
        if summary is not None and process is None:
            return self._over(summary)
        return self._going(summary, process, began, now)

    def _over(self, summary: Summary) -> Picture:
        """As its summary says; what the journal adds is how the rungs failed, and how the last attempts did."""
        outages = [Failed(r.instance_id, r.epoch, "", r.error_type or "outage", r.final_error or "")
                   for r in summary.instances if r.status == "unfinished" and r.error_type]  # fmt: skip
        return self._picture(
            state=summary.status,
            why=summary.why,
            process=None,
            counts=dict(summary.counts),
            rate=summary.solved_rate,
            seconds=summary.wall_seconds,
            failures=(*self.journal.failed, *outages),
            cost=summary.cost_usd,
        )

    def _going(self, summary: Summary | None, process: int | None, began: float | None, now: float) -> Picture:
        ended = self._ended(began)
        counts = Counter(one.status for one in ended)
        state = "killed" if process is None else "running" if summary is None and began is not None else "preparing"
        if state == "preparing" and summary is not None and (self._ran or summary.status == "complete"):
            state = "ending"
        self._ran = self._ran or state == "running"
        last = max([one.at for one in ended], default=began or now)
        until = now if process is not None else last
        outages = [Failed(one.instance_id, one.epoch, "", one.error_type or "outage", one.final_error or "")
                   for one in ended if one.status == "unfinished"]  # fmt: skip
        return self._picture(
            state=state,
            why=WHY.get(state, ""),
            process=process,
            counts={name: counts.get(name, 0) for name in ("solved", "unsolved", "unfinished", "quarantined")},
            rate=solved_rate((o.instance_id, o.status == "solved") for o in ended if o.status in JUDGED),
            seconds=None if began is None else max(0.0, until - began),
            failures=(*self.journal.failed, *outages),
            cost=self.journal.cost.value,
            pace=pace(ended, began, now) if state == "running" else None,
        )

    def _ended(self, began: float | None) -> list[Ended]:
        """What has ended; an outage of an earlier session is tried again in this one."""
        found = self.climbs.ended.values()
        return [one for one in found if one.status != "unfinished" or began is None or one.at >= began]

    def _picture(
        self,
        *,
        state: str,
        why: str,
        process: int | None,
        counts: Mapping[str, int],
        rate: Interval | None,
        seconds: float | None,
        failures: tuple[Failed, ...],
        cost: float | None,
        pace: float | None = None,
    ) -> Picture:
        record, config = _record(self.folder), _config(self.folder)
        limits = config.get("limits") or {}
        ended, journal = sum(counts.values()), self.journal
        if process is None and state != "killed":  # what the run did not come to is unfinished too
            ended -= counts.get("unfinished", 0)
        left = None if record is None or not pace else max(0, record.climbs - ended) / pace
        hand = self._under_way(process)
        tokens = _sum(journal.prompt.value, journal.completion.value)
        used = {**journal.charged, "seconds": seconds}
        return Picture(
            name=record.name if record else self.folder.name,
            key=self.folder.name,
            folder=str(self.folder),
            state=state,
            why=why,
            process=process,
            dataset=record.dataset if record else "",
            ladder=str(record.params.get("ladder", "")) if record else "",
            simulated=bool(record) and record.tags.get("evalkit.simulated") == "true",  # type: ignore[union-attr]  # see bool
            climbs=record.climbs if record else None,
            ended=ended,
            counts=counts,
            solved_rate=rate,
            attempts=journal.answers,
            under_way=len(hand),
            requests=journal.requests,
            cost_usd=cost,
            tokens=None if tokens is None else int(tokens),
            seconds=seconds,
            per_minute=None if pace is None else 60 * pace,
            seconds_left=left,
            concurrency=str(limits.get("concurrency", "")),
            limits={name: (used[name], float(limits[name])) for name in CAPS if limits.get(name) is not None},
            providers={} if process is None else providers(self.folder),
            rungs=tuple(self._rungs(config, Counter(hand.values()))),
            failures=_last(failures),
        )

    def _under_way(self, process: int | None) -> dict[tuple[str, int], str]:
        """The rung that each climb which has begun and not ended was on last; of a dead run none is under way."""
        if process is None:
            return {}
        begun = self.journal.begun.items()
        return {climb: step.rpartition(" ")[0] for climb, step in begun if climb not in self.climbs.ended}

    def _rungs(self, config: Mapping[str, Any], hand: Mapping[str, int]) -> Iterable[RungSeen]:
        """In climbing order; what the config does not name comes last."""
        named = (config.get("ladder") or {}).get("rungs") or {}
        for name in dict.fromkeys([*named, *self.journal.rungs]):
            seen = self.journal.rungs.get(name, Seen())
            (often, times), *_ = seen.failures.most_common(1) or [("", 0)]
            yield RungSeen(
                name=name,
                model=str((named.get(name) or {}).get("model", "")),
                attempts=seen.asked,
                solved=seen.solved,
                seconds_mean=seen.seconds / seen.asked if seen.asked else None,
                cost_usd=seen.cost.value,
                under_way=hand.get(name, 0),
                often=f"{often} {times}" if often else "",
                given_up=seen.given_up,
            )


WHY = {
    "killed": "no process works on it any more; the same command continues",
    "preparing": "proving that instances are healthy, and that models answer",
    "ending": "all climbs have ended; what came of them is being written and published",
}


def pace(ended: Iterable[Ended], began: float | None, now: float) -> float | None:
    """Climbs that ended a second, over the last minutes of this session; None where none has.

    What an earlier session did is recalled and written again at once: such a climb took longer than this session
    had lasted when its file was written, and does not count.
    """
    if began is None:
        return None
    times = [one.at for one in ended if one.status != "quarantined" and one.at - began >= one.time_seconds - 1]
    span = min(RECENT_S, max(1.0, now - began))
    if recent := sum(at > now - span for at in times):
        return recent / span
    return len(times) / max(1.0, now - began) if times else None


def _last(failures: tuple[Failed, ...]) -> tuple[Failed, ...]:
    """The newest first; outages, of which the journal knows nothing, before the others."""
    outages = [one for one in failures if not one.where]
    rejected = [one for one in failures if one.where]
    return tuple([*outages[::-1], *rejected[::-1]][:LAST])


def _sum(*parts: float | None) -> float | None:
    known = [part for part in parts if part is not None]
    return sum(known) if len(known) == len(parts) else None


def _time(path: Path) -> float | None:
    try:
        return path.stat().st_mtime
    except OSError:
        return None


def _is_older(summary: Path, began: float | None) -> bool:
    """Whether the summary is an earlier session's: a session writes the config when it begins."""
    at = _time(summary)
    return at is None or began is None or at < began


def _summary(folder: Path) -> Summary | None:
    try:
        return msgspec.json.decode((folder / "summary.json").read_bytes(), type=Summary)
    except (OSError, msgspec.MsgspecError):
        return None


def _record(folder: Path) -> RunRecord | None:
    try:
        return msgspec.json.decode((folder / "record.json").read_bytes(), type=RunRecord)
    except (OSError, msgspec.MsgspecError):  # preflight is not over
        return None


def _config(folder: Path) -> dict[str, Any]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        found = yaml.load((folder / "config.yaml").read_bytes(), Loader=loader)  # noqa: S506  a safe one
    except (OSError, yaml.YAMLError):
        return {}
    return found if isinstance(found, dict) else {}

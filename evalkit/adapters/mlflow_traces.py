"""Climbs as MLflow traces: a span an attempt, with the model's call and the verification under it.

A trace costs a store about 8 ms, so that only so many of a run are sent. Ids follow from run, instance and
outcome, which makes sending them again a no-op. The run folder knows when a climb ended and how long its steps
took; the spans are laid end to end up to that moment.
"""

import base64
import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from evalkit.adapters.mlflow_artifacts import attempts, climb_folder
from evalkit.adapters.mlflow_facts import outcome
from evalkit.core.summary import InstanceRow, Summary
from evalkit.core.types import JUDGED, Status

BATCH = 20  # traces a request
PAGE = 100  # MLflow links no more traces to a run at once
NS = 1_000_000_000
TEXT_LIMIT = 20_000  # characters of one prompt message or answer


def choose(summary: Summary, which: str) -> list[InstanceRow]:
    """The climbs to trace: first those that the world failed, then the unsolved, for `all` the solved too."""
    order = [Status.UNFINISHED, Status.UNSOLVED, *([Status.SOLVED] if which == "all" else [])]
    return [] if which == "none" else [row for status in order for row in summary.instances if row.status is status]


def put(
    client: Any,
    run: Any,
    folder: Path,
    rows: Sequence[InstanceRow],
    *,
    most: int,
    uri: str,
    alive: Callable[[], None],
) -> None:
    """Make the run's traces those of `rows`, at most so many: add what is missing, delete what is outdated.

    Of a run with more climbs than that only those that were not solved: a part of the solved ones compares with
    nothing, and a trace costs 30 ms. What is there already is kept rather than replaced by as good a one.
    """
    here = published(client, run)
    wanted = rows if len(rows) <= most else [row for row in rows if not row.solved]
    known = {trace_id(run.info.run_id, row): row for row in wanted}
    kept = sorted(known, key=lambda name: name not in here)[:most]
    add(client, run, folder, [known[name] for name in kept], here=here, uri=uri, alive=alive)
    outdated = sorted(here - set(kept))
    for start in range(0, len(outdated), PAGE):
        client.delete_traces(run.info.experiment_id, trace_ids=outdated[start : start + PAGE])


def add(
    client: Any,
    run: Any,
    folder: Path,
    rows: Sequence[InstanceRow],
    *,
    here: set[str],
    uri: str,
    alive: Callable[[], None],
) -> None:
    """Send the traces of `rows` that are not `here`, where they are noted then."""
    wanted = {trace_id(run.info.run_id, row): row for row in rows}
    missing = [name for name in wanted if name not in here]
    for start in range(0, len(missing), BATCH):
        names = missing[start : start + BATCH]
        _send(run, [span for name in names for span in spans(folder, wanted[name], name)], uri)
        client.link_traces_to_run(names, run.info.run_id)
        here.update(names)
        alive()


def assess(client: Any, run: Any, rows: Sequence[InstanceRow], *, uri: str, alive: Callable[[], None]) -> None:
    """Note at each climb's trace whether it was solved, and by how many attempts: the UI compares runs by that.

    Only for runs all of whose climbs are traced, since the UI shows the share of the traces as if it were the run's.
    """
    from mlflow.entities import AssessmentSource, Feedback  # noqa: PLC0415  loaded with the client
    from mlflow.tracing.client import TracingClient  # noqa: PLC0415

    judged = {trace_id(run.info.run_id, row): row for row in rows if row.status in JUDGED}
    source, tracing = AssessmentSource("CODE", "evalkit"), TracingClient(uri)
    for name, had in _assessed(client, run).items():
        row = judged.get(name)
        if row is None:
            continue
        values = {"solved": (row.solved, row.final_error), "attempts": (row.attempts, None)}
        for what, (value, why) in values.items():
            if what not in had:
                made = Feedback(name=what, value=value, source=source, rationale=why, trace_id=name)
                tracing.log_assessment(name, made)
        alive()


def _assessed(client: Any, run: Any) -> dict[str, set[str]]:
    """The run's traces of climbs, each with the names of what was noted at it."""
    return {trace.trace_id: {one.name for one in trace.assessments} for trace in _infos(client, run)}


def published(client: Any, run: Any) -> set[str]:
    """The ids of the traces of climbs that the store has of this run; other people's are left alone."""
    return {info.trace_id for info in _infos(client, run)}


def _infos(client: Any, run: Any) -> Iterator[Any]:
    token = None
    while True:
        page = client.search_traces(
            locations=[run.info.experiment_id],
            run_id=run.info.run_id,
            filter_string="tag.evalkit = 'climb'",
            include_spans=False,
            max_results=PAGE,
            page_token=token,
        )
        yield from (trace.info for trace in page)
        token = page.token
        if not token:
            return


def _send(run: Any, made: list[dict[str, Any]], uri: str) -> None:
    from mlflow.entities.span import Span  # noqa: PLC0415  loaded with the client
    from mlflow.tracing.client import TracingClient  # noqa: PLC0415

    TracingClient(uri).log_spans(run.info.experiment_id, [Span.from_dict(one) for one in made])


def trace_id(run_id: str, row: InstanceRow) -> str:
    """The same for the same climb with the same outcome, in whatever session it is published."""
    return "tr-" + _hex(f"{run_id}/{row.instance_id}/{row.epoch}/{row.status}/{row.attempts}", 32)


def spans(folder: Path, row: InstanceRow, trace: str) -> list[dict[str, Any]]:
    """A climb's spans in MLflow's form, the climb itself first."""
    climb = climb_folder(folder, row.instance_id, row.epoch)
    made = list(attempts(climb))
    now = _ended(climb) - int(row.time_seconds * NS)
    root = _Span(trace, "climb", None)
    tags = {"evalkit": "climb", "evalkit.instance": row.instance_id, "evalkit.outcome": str(row.status)}
    told = {
        "mlflow.spanInputs": {"messages": _messages(made[0])} if made else {},
        "mlflow.spanOutputs": _ending(row, made),
        **{f"mlflow.traceTag.{name}": value for name, value in tags.items()},
    }
    found: list[dict[str, Any]] = []
    began = now
    for attempt in made:
        attempt["completion"] = _text(climb / f"attempt_{attempt['attempt']}.txt")
        found += _attempt(root, attempt, now)
        now += _took(attempt, "model") + _took(attempt, "verifier")
    ok = row.status is Status.SOLVED
    return [root.of(row.instance_id, "CHAIN", began, now, told, ok=ok, why=row.final_error or ""), *found]


def _attempt(root: "_Span", attempt: dict[str, Any], began: int) -> list[dict[str, Any]]:
    span = _Span(root.trace, f"attempt {attempt['attempt']}", root.id)
    answered = began + _took(attempt, "model")
    ended = answered + _took(attempt, "verifier")
    accepted, why = bool(attempt["accepted"]), str(attempt.get("failure") or "")
    findings = _findings(attempt)
    verdict = {"accepted": accepted, "failure": attempt.get("failure"), "findings": findings}
    told = {"mlflow.spanOutputs": {"rung": attempt["rung"], **verdict}}
    name = f"attempt {attempt['attempt']}: {attempt['rung']}"
    return [
        span.of(name, "CHAIN", began, ended, told, ok=accepted, why=why),
        _Span(root.trace, f"{span.id} model", span.id).of(
            str(attempt["model"] or attempt["rung"]), "CHAT_MODEL", began, answered, _asked(attempt), ok=True
        ),
        _Span(root.trace, f"{span.id} verify", span.id).of(
            "verification", "EVALUATOR", answered, ended,
            {
                "mlflow.spanInputs": {"candidate": _clip(attempt.get("candidate"))},
                "mlflow.spanOutputs": verdict,
            },
            ok=accepted, why="; ".join(findings)[:500],
        ),
    ]  # fmt: skip


def _asked(attempt: dict[str, Any]) -> dict[str, Any]:
    """A model call in the form that the UI shows as a conversation, with its tokens and cost."""
    tokens, cost = attempt.get("tokens") or {}, attempt.get("cost_usd")
    answer = {"role": "assistant", "content": _clip(attempt.get("completion") or attempt.get("candidate"))}
    told: dict[str, Any] = {
        "mlflow.spanInputs": {"messages": _messages(attempt)},
        "mlflow.spanOutputs": {"choices": [{"message": answer, "finish_reason": attempt.get("finish_reason")}]},
        "mlflow.llm.model": attempt.get("model") or attempt["rung"],
    }
    prompt, completion = tokens.get("prompt"), tokens.get("completion")
    if prompt is not None and completion is not None:
        usage = {"input_tokens": prompt, "output_tokens": completion, "total_tokens": prompt + completion}
        told["mlflow.chat.tokenUsage"] = usage
    if cost is not None:
        told["mlflow.llm.cost"] = {"total_cost": cost}
    return told


def _messages(attempt: dict[str, Any]) -> list[dict[str, str]]:
    return [{"role": one["role"], "content": _clip(one["content"])} for one in attempt["prompt"]["messages"]]


def _findings(attempt: dict[str, Any]) -> list[str]:
    return [finding["message"] for finding in attempt.get("findings") or []]


def _ending(row: InstanceRow, made: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """How the climb ended. As a message, since lists of traces show a message's text, and of anything else the JSON."""
    ended: dict[str, Any] = {"messages": [{"role": "assistant", "content": outcome(row)}]}
    if made:
        ended |= {"answer": f"```\n{_clip(made[-1].get('candidate'))}\n```", "findings": _findings(made[-1])}
    return ended


class _Span:
    """A span's identity: ids are derived, so that the same span is never stored twice."""

    def __init__(self, trace: str, path: str, parent: str | None) -> None:
        self.trace, self.parent = trace, parent
        self.id = _hex(f"{trace}/{path}", 16)

    def of(
        self, name: str, kind: str, began: int, ended: int, told: dict[str, Any], *, ok: bool, why: str = ""
    ) -> dict[str, Any]:
        """The span as MLflow stores it; times are nanoseconds since 1970."""
        attributes = {"mlflow.traceRequestId": self.trace, "mlflow.spanType": kind, **told}
        return {
            "trace_id": _base64(self.trace.removeprefix("tr-")),
            "span_id": _base64(self.id),
            "parent_span_id": _base64(self.parent) if self.parent else "",
            "name": name,
            "start_time_unix_nano": began,
            "end_time_unix_nano": ended,
            "attributes": {key: json.dumps(value) for key, value in attributes.items()},
            "status": {"code": "STATUS_CODE_OK" if ok else "STATUS_CODE_ERROR", "message": "" if ok else why},
            "events": [],
        }


def _ended(climb: Path) -> int:
    file = climb / "summary.json"
    while not file.exists():  # an outage before the climb's folder was written: when its parent was
        file = file.parent
    return file.stat().st_mtime_ns


def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8", errors="replace") if file.is_file() else ""


def _took(attempt: dict[str, Any], part: str) -> int:
    return int((attempt["seconds"].get(part) or 0) * NS)


def _clip(text: object) -> str:
    return str(text or "")[:TEXT_LIMIT]


def _hex(text: str, digits: int) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:digits]


def _base64(digits: str) -> str:
    return base64.b64encode(bytes.fromhex(digits)).decode()

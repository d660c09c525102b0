"""Inside the sandbox: calls the candidate once a case and reports what came back; knows no expected value."""

from __future__ import annotations

import json
import os
import sys
import types

TYPE_CHECKING = False  # as typing's, whose import is a good part of a short candidate's time
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

LONG = 500


def main() -> None:
    """Read the job from stdin, report a line a case, leave without running what the candidate registered."""
    report, job, leave = open_channel()
    namespace = _import(job["source"], report)
    if namespace is not None:
        call = _find(namespace, job["call"], report)
        if call is not None:
            for number, case in enumerate(job["cases"]):
                report({"start": number})
                report({"case": number, **_outcome(call, case)})
        report({"done": True})
    leave(0)


def open_channel() -> tuple[Callable[[Mapping[str, Any]], None], dict[str, Any], Callable[[int], Any]]:
    """Take stdout for reports, before the candidate is there to see; its prints go to stderr."""
    write, encode, leave, channel = os.write, json.JSONEncoder().encode, os._exit, os.dup(1)
    job: dict[str, Any] = json.load(sys.stdin)
    nonce = job.pop("nonce")
    os.dup2(2, 1)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)

    def report(record: Mapping[str, Any]) -> None:
        line = f"\n{nonce} {encode(record)}\n".encode()
        while line:
            line = line[write(channel, line) :]

    report({"ready": True})
    return report, job, leave


def encode(value: Any) -> Any:
    """A value as JSON: tuples become lists; what JSON lacks is tagged, what has no form at all is its repr."""
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int):
        return int.__index__(value)
    if isinstance(value, float):
        # Subtracting finds NaN and the infinities without a library that the candidate could have changed.
        return float.__add__(value, 0.0) if value - value == 0 else {"$float": float.__repr__(value)}
    if isinstance(value, list | tuple):
        return [encode(item) for item in value]
    if isinstance(value, dict):
        return {_key(key): encode(item) for key, item in dict.items(value)}
    return _tagged(value)


def _tagged(value: Any) -> dict[str, Any]:
    if isinstance(value, set | frozenset):
        return {"$set": sorted((encode(item) for item in value), key=json.dumps)}
    if isinstance(value, bytes | bytearray):
        return {"$bytes": value.hex()}
    if isinstance(value, complex):
        return {"$complex": [encode(value.real), encode(value.imag)]}
    return {"$repr": repr(value)[:LONG]}


def _key(key: Any) -> str:
    """A key as JSON writes it."""
    if isinstance(key, str):
        return key
    return json.dumps(key) if key is None or isinstance(key, bool | int | float) else repr(key)


def _import(source: str, report: Callable[[Mapping[str, Any]], None]) -> dict[str, Any] | None:
    module = types.ModuleType("candidate")
    module.__file__ = "candidate.py"
    sys.modules["candidate"] = module
    try:
        exec(compile(source, "candidate.py", "exec"), module.__dict__)  # noqa: S102  this is the sandbox's job
    except BaseException as error:  # noqa: BLE001  also sys.exit() at import
        report({"import": _raised(error)})
        return None
    return module.__dict__


def _find(namespace: dict[str, Any], path: str, report: Callable[[Mapping[str, Any]], None]) -> Any:
    first, *rest = path.split(".")
    try:
        found = namespace[first]
        for name in rest:
            found = getattr(found, name)
    except (KeyError, AttributeError):
        report({"undefined": path})
        return None
    return found


def _outcome(call: Callable[..., Any], case: dict[str, str]) -> dict[str, Any]:
    """Call with values of its own, so that one call cannot spoil the next."""
    try:
        value = call(*json.loads(case["args"]), **json.loads(case["kwargs"]))
        if isinstance(value, types.CoroutineType):
            import asyncio  # noqa: PLC0415  it takes longer than most candidates

            value = asyncio.run(value)
        return {"returns": encode(value)}
    except BaseException as error:  # noqa: BLE001  the candidate may raise whatever it likes, SystemExit too
        return _raised(error)


def _raised(error: BaseException) -> dict[str, Any]:
    lines: list[int | None] = []
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == "candidate.py":
            lines.append(trace.tb_lineno)
        trace = trace.tb_next
    if isinstance(error, SyntaxError) and error.filename == "candidate.py":
        lines.append(error.lineno)
    try:
        message = str(error)[:LONG]
    except BaseException:  # noqa: BLE001  an exception of the candidate's own making
        message = ""
    names = [kind.__name__ for kind in type(error).__mro__]
    return {"raises": names, "message": message, "line": lines[-1] if lines else None}


if __name__ == "__main__":
    main()

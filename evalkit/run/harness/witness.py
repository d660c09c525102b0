"""Inside the sandbox: an audit hook that signs the reports, out of reach of frames and of the garbage collector.

Python keeps audit hooks in a list that no Python code can get at; untracked, the hook and its cells are in no answer
of `gc` either. It signs only what our reporter says, called by pytest, called by us: see docs/sandbox.md.
"""

import builtins
import ctypes
import gc
import marshal
import os
import sys
from _blake2 import blake2b
from collections.abc import Iterator
from types import CodeType, FrameType, FunctionType
from typing import Any

EVENT = "evalkit.report"
CALLERS = ("_pytest", "pytest", "pluggy")


def swear_in(key_pipe: int, reports: int, suite: dict[str, Any]) -> None:
    """Wait for the key; from now on `sys.audit("evalkit.report", record, snapshot)` reports."""
    key = os.read(key_pipe, 32)
    os.close(key_pipe)
    _hide(_hook(key, reports, suite, sys._getframe(1)))  # noqa: SLF001  the frame above which pytest runs


def _hook(key: bytes, reports: int, suite: dict[str, Any], bottom: Any) -> Any:  # noqa: C901  as its inner function
    """The hook; it stands on nothing that a candidate could change but what it has compared itself."""
    write, dumps, blake, frame_of, find, size = os.write, marshal.dumps, blake2b, sys._getframe, id, len  # noqa: SLF001
    is_collecting, pause, resume = gc.isenabled, gc.disable, gc.enable
    event_name, untrack, callers, ours = EVENT, _untrack, _callers, _ours(suite)
    real, now = dict(vars(builtins)), vars(builtins)
    known = {id(code): (code, suite) for code in _codes(suite)}
    own, count, absent = dict(known), 0, object()
    kept: dict[str, object] = {}

    def hook(event: str, args: tuple[Any, ...]) -> None:  # noqa: C901, PLR0912  in one piece: a helper could be changed
        nonlocal count
        if event != event_name:
            return
        collecting = is_collecting()
        pause()  # a candidate's gc.callbacks would see this frame
        wrong, changed = "" if size(args) == 2 else "a report of another form", []  # noqa: PLR2004
        frame: FrameType | None = frame_of(1)
        code: Any = frame.f_code if frame else None
        # What the checks stand on must be as it was before the candidate was there.
        for name, value in real.items():
            if now.get(name) is not value:
                wrong = "builtins." + name
        for value, its_code, space, name in ours:
            if space.get(name) is not value or (its_code is not None and value.__code__ is not its_code):
                wrong = "the reporter's " + name
        # Whose word is it? The reporter's, called by pytest's functions alone, down to where we called pytest.
        if find(code) not in own:
            wrong = wrong or "a report by another than the reporter"
        if not wrong and not kept and "started" in args[0]:
            known.update(callers())
            untrack(known)
        while frame is not None and frame is not bottom and not wrong:
            if known.get(find(frame.f_code), (None, None))[1] is not frame.f_globals:
                wrong = "a report out of " + frame.f_code.co_name
            frame = frame.f_back
        if frame is None:
            wrong = wrong or "a report from elsewhere"
        if wrong:
            record: dict[str, Any] = {"forged": wrong}
        else:
            record, snapshot = args
            for name in kept if "done" in record else snapshot:
                if kept.get(name, snapshot.get(name, absent)) is not snapshot.get(name, absent):
                    changed += [name]
            if not kept or "collected" in record:
                kept.update(snapshot)
                untrack(kept)
            if changed:
                record = {**record, "changed": changed[:5]}
        body = dumps(record)
        proof = blake(count.to_bytes(8, "big") + body, key=key, digest_size=16).digest()
        count += 1
        message = (16 + size(body)).to_bytes(4, "big") + proof + body
        while message:
            message = message[write(reports, message) :]
        if collecting:
            resume()

    return hook


def _ours(suite: dict[str, Any]) -> list[tuple[Any, Any, Any, str]]:
    """Everything of the reporter by value, code, where it is looked up, and name."""
    spaces = [suite, vars(suite["Reporter"])]
    return [
        (value, getattr(value, "__code__", None), space, name)
        for space in spaces
        for name, value in list(space.items())
    ]


def _codes(suite: dict[str, Any]) -> Iterator[CodeType]:
    for space in (suite, vars(suite["Reporter"])):
        for value in list(space.values()):
            if isinstance(value, FunctionType) and value.__globals__ is suite:
                yield from _nested(value.__code__)


def _callers() -> dict[int, tuple[CodeType, dict[str, Any]]]:
    """Every function of pytest, as it is before the candidate's import."""
    found = {}
    for module, about in list(sys.modules.items()):
        if module.partition(".")[0] in CALLERS:
            for owner in (about, *(value for value in vars(about).values() if isinstance(value, type))):
                for value in list(vars(owner).values()):
                    function = getattr(value, "__func__", getattr(value, "__wrapped__", value))
                    if isinstance(function, FunctionType):
                        found.update({id(code): (code, function.__globals__) for code in _nested(function.__code__)})
    return found


def _nested(code: CodeType) -> Iterator[CodeType]:
    yield code
    for value in code.co_consts:
        if isinstance(value, CodeType):
            yield from _nested(value)


def _hide(hook: Any) -> None:
    """Known to the interpreter's own list alone, and to no search of the collector."""
    sys.addaudithook(hook)
    for cell in hook.__closure__:
        if isinstance(cell.cell_contents, dict | list) and cell.cell_contents is not vars(builtins):
            _untrack(cell.cell_contents)
        _untrack(cell)
    _untrack(hook.__closure__)
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(hook))  # never freed: that would track it
    _untrack(hook)


def _untrack(value: object) -> None:
    ctypes.pythonapi.PyObject_GC_UnTrack(ctypes.py_object(value))

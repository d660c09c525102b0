"""Inside the sandbox: the candidate in a process of its own, called from the tests' process by messages of plain data.

Both sides speak the same protocol: a line of JSON asks (`do`) or answers (`ok`, `err`), and while one waits it serves
what the other asks. A side makes nothing of what it is told but plain values, exceptions by name, and proxies: names
for objects that stay where they are (proxies.py). See docs/sandbox.md.
"""

from __future__ import annotations

import builtins
import json
import os
import sys

TYPE_CHECKING = False  # as typing's, whose import is a good part of a short candidate's time
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

# Values of the standard library that cross as values: how to say them, and how to make them again.
STANDARD: dict[str, tuple[Callable[[Any], Any], Callable[[Any, Any], Any]]] = {
    "decimal.Decimal": (str, lambda kind, told: kind(told)),
    "fractions.Fraction": (str, lambda kind, told: kind(told)),
    "uuid.UUID": (str, lambda kind, told: kind(told)),
    "pathlib.PosixPath": (str, lambda kind, told: kind(told)),
    "datetime.date": (lambda one: one.isoformat(), lambda kind, told: kind.fromisoformat(told)),
    "datetime.time": (lambda one: one.isoformat(), lambda kind, told: kind.fromisoformat(told)),
    "datetime.datetime": (lambda one: one.isoformat(), lambda kind, told: kind.fromisoformat(told)),
    "datetime.timedelta": (
        lambda one: [one.days, one.seconds, one.microseconds],
        lambda kind, told: kind(told[0], told[1], told[2]),
    ),
}
MOST_BITS = 10_000  # Python writes no longer numbers in decimals


class Ended(BaseException):
    """The candidate's process has ended, or said what it cannot say. No `except Exception` of a test hides it."""


class Peer:
    """One end. `mine` are objects that the other side knows by number; `values` lets nothing else than values in."""

    def __init__(self, reading: int, writing: int, *, serves: dict[str, Callable[..., Any]], values: bool) -> None:
        self._in, self._out = os.fdopen(reading, "rb"), os.fdopen(writing, "wb")
        self.serves, self.values = serves, values
        self.mine: dict[int, Any] = {}
        self._numbers: dict[int, int] = {}
        self.errors: dict[int, type] = {}  # by the number that the other side gave to a class
        self.remotes: dict[int, Any] = {}
        self.proxy: Callable[[Peer, int], Any] | None = None  # how the other side's objects are shown here
        self.iterator: Callable[[Peer, int], Any] | None = None  # and its iterators, where there can be any
        self.proxies: tuple[type, ...] = ()
        self.said: Callable[[], str] = str  # what was printed since
        self.hear: Callable[[str], Any] = str

    def ask(self, what: str, *given: Any) -> Any:
        """The other side's answer; its exception is raised here. Raises Ended."""
        self._send({"do": what, "with": [self.encode(one) for one in given]})
        while True:
            record = self._receive()
            if "do" in record:
                self.serve(record)
                continue
            self.hear(str(record.get("said", "")))
            if "err" in record:
                raise self._error(record["err"])
            if what == "call" and record.get("changed"):
                _become(given[1:], self._freely(record["changed"]))
            return self.decode(record.get("ok"))

    def serve(self, record: dict[str, Any]) -> None:
        """Do what was asked, and answer."""
        try:
            given = [self.decode(one) for one in record["with"]]
            done = self.encode(self.serves[record["do"]](self, *given))
            answer = {"ok": done, "changed": self._changed(given, record)}
        except Ended:
            raise
        except BaseException as error:  # noqa: BLE001  also SystemExit crosses
            answer = {"err": self._told(error)}
        self._send({**answer, "said": self.said()})

    def every(self) -> None:
        """Serve until the other side is gone."""
        while True:
            self.serve(self._receive())

    def _send(self, record: dict[str, Any]) -> None:
        try:
            self._out.write(json.dumps(record).encode() + b"\n")
            self._out.flush()
        except OSError as error:
            raise Ended("the code ended its process") from error

    def _receive(self) -> dict[str, Any]:
        try:
            record = json.loads(self._in.readline())
        except (ValueError, RecursionError) as error:
            raise Ended("the code ended its process instead of returning") from error
        if not isinstance(record, dict):
            raise Ended("the code wrote into the tests' channel")
        return record

    # --- values ---

    def encode(self, value: Any) -> Any:  # noqa: C901, PLR0911, PLR0912  a table of types
        """As JSON: plain where JSON has it, tagged where not, by number where it stays here."""
        if value is None or value is True or value is False:
            return value
        if type(value) in self.proxies:
            return {"$": "yours", "v": value.__dict__["_number"]}
        if "enum" in sys.modules and isinstance(value, sys.modules["enum"].Enum):
            return self._named(value)
        if isinstance(value, str):
            return str.__str__(value)
        if isinstance(value, int):
            plain = int.__index__(value)
            return plain if plain.bit_length() < MOST_BITS else {"$": "int", "v": hex(plain)}
        if isinstance(value, float):
            number = float.__add__(value, 0.0)
            return number if number - number == 0 else {"$": "float", "v": float.__repr__(value)}
        if isinstance(value, list):
            return [self.encode(one) for one in list.__iter__(value)]
        if isinstance(value, tuple):
            names = list(getattr(value, "_fields", ()))
            return {"$": "tuple", "v": [self.encode(one) for one in tuple.__iter__(value)], "n": names}
        if isinstance(value, dict):
            return {"$": "dict", "v": [[self.encode(key), self.encode(one)] for key, one in dict.items(value)]}
        if isinstance(value, set | frozenset):
            kind = "set" if isinstance(value, set) else "frozenset"
            return {"$": kind, "v": [self.encode(one) for one in value]}
        if isinstance(value, bytes | bytearray):
            return {"$": "bytes" if isinstance(value, bytes) else "bytearray", "v": value.hex()}
        if isinstance(value, complex):
            return {"$": "complex", "v": [value.real, value.imag]}
        if type(value) is range:
            return {"$": "range", "v": [value.start, value.stop, value.step]}
        if isinstance(value, type) and issubclass(value, BaseException):
            return self._class(value)
        name = f"{type(value).__module__}.{type(value).__qualname__}"
        if name in STANDARD:
            return {"$": "standard", "n": name, "v": STANDARD[name][0](value)}
        return self._named(value)

    def decode(self, told: Any) -> Any:  # noqa: C901, PLR0911, PLR0912  a table of tags
        """The value that was told; types are exact, whatever they were on the other side."""
        if isinstance(told, list):
            return [self.decode(one) for one in told]
        if not isinstance(told, dict):
            return told
        inside = told.get("v")
        match told.get("$"):
            case "int":
                return int(str(inside), 16)
            case "float":
                return float(str(inside))
            case "tuple" if told.get("n"):
                from collections import namedtuple  # noqa: PLC0415  rarely needed

                return namedtuple("Tuple", told["n"])(*self.decode(inside))  # noqa: PYI024
            case "tuple":
                return tuple(self.decode(inside))
            case "dict":
                return {self.decode(key): self.decode(one) for key, one in told["v"]}
            case "set":
                return set(self.decode(inside))
            case "frozenset":
                return frozenset(self.decode(inside))
            case "bytes":
                return bytes.fromhex(str(inside))
            case "bytearray":
                return bytearray.fromhex(str(inside))
            case "complex":
                return complex(told["v"][0], told["v"][1])
            case "range":
                return range(*told["v"])
            case "standard":
                module, _, name = str(told["n"]).rpartition(".")
                kind = getattr(__import__(module), name) if told["n"] in STANDARD else None
                return STANDARD[told["n"]][1](kind, inside)
            case "class":
                return self._mirror(told)
            case "yours":
                return self.mine[told["v"]]
            case "iterator" if self.iterator is not None:
                return self.iterator(self, int(told["v"]))
            case "object" if self.proxy is not None:
                if self.values:
                    raise Ended(f"the code gives {str(told.get('n'))[:60]!r} where only plain values can be given")
                number = int(told["v"])
                if number not in self.remotes:
                    self.remotes[number] = self.proxy(self, number)
                return self.remotes[number]
        raise Ended("the code wrote into the tests' channel")

    def _named(self, value: Any) -> dict[str, Any]:
        if self.iterator is None and not callable(value):  # the tests', which give functions and iterators only
            if not hasattr(value, "__next__"):
                raise TypeError(f"a {type(value).__name__} cannot be given to a candidate in a process of its own")
            return {"$": "iterator", "v": self._number(value.__next__)}
        return {"$": "object", "v": self._number(value), "n": type(value).__name__}

    def _number(self, value: Any) -> int:
        number = self._numbers.setdefault(id(value), len(self._numbers) + 1)
        self.mine[number] = value  # kept, so that its id stays its own
        return number

    def _changed(self, given: list[Any], record: dict[str, Any]) -> Any:
        """The arguments of a call, if something was done to the lists, dicts and sets among them."""
        if record["do"] != "call":
            return None
        after = self.encode(tuple(given[1:]))
        return after if after["v"] != record["with"][1:] else None

    def _freely(self, told: Any) -> Any:
        """Decode what is no result, and may hold objects where results may not."""
        values, self.values = self.values, False
        try:
            return self.decode(told)
        finally:
            self.values = values

    # --- exceptions ---

    def _class(self, kind: type) -> dict[str, Any]:
        """A builtin by its name; another with a number and its bases."""
        if kind in self.errors.values():
            return {"$": "yours", "v": next(number for number, known in self.errors.items() if known is kind)}
        if getattr(builtins, kind.__name__, None) is kind:
            return {"$": "class", "n": kind.__name__, "v": 0}
        bases = [self._class(base) for base in kind.__bases__ if issubclass(base, BaseException)]
        return {"$": "class", "n": kind.__name__, "v": self._number(kind), "of": bases}

    def _mirror(self, told: dict[str, Any]) -> type:
        """A builtin exception itself; one of the other side's as a class of the same name."""
        if not told["v"]:
            found = getattr(builtins, str(told["n"]), None)
            if isinstance(found, type) and issubclass(found, BaseException):
                return found
            raise Ended("the code wrote into the tests' channel")
        if told["v"] not in self.errors:
            bases = tuple(self.decode(base) for base in told["of"])
            self.errors[told["v"]] = type(str(told["n"]), bases, {"__str__": _text})
        return self.errors[told["v"]]

    def _told(self, error: BaseException) -> dict[str, Any]:
        attributes = {name: one for name, one in vars(error).items() if not name.startswith("_")}
        try:
            text = str(error)
        except BaseException:  # noqa: BLE001  an exception of the candidate's own making
            text = ""
        lines = list(_lines(error))
        told = {"class": self._class(type(error)), "text": text, "line": lines[-1] if lines else None}
        try:
            return {**told, "args": self.encode(list(error.args)), "has": self.encode(attributes)}
        except BaseException:  # noqa: BLE001  what it carries cannot cross
            return {**told, "args": [text], "has": {"$": "dict", "v": []}}

    def _error(self, told: Any) -> BaseException:
        """As the other side raised it: class, arguments, attributes, text, and the candidate's line."""
        kind = self.decode(told["class"])
        try:
            error: BaseException = kind.__new__(kind)
        except TypeError:  # a builtin that wants more, such as a group
            error = Exception.__new__(Exception)
        error.args = tuple(self._freely(told["args"]))
        error.__dict__.update({str(name): one for name, one in self._freely(told["has"]).items()})
        line = told["line"] if type(told["line"]) is int else None
        error.__dict__.update(told=str(told["text"]), candidate_line=line)
        return error


def _text(error: BaseException) -> str:
    return str(error.__dict__.get("told") or " ".join(map(str, error.args)))


def _become(old: Any, new: Any) -> None:
    if type(old) is not type(new):
        return
    if type(old) in (list, bytearray):
        old[:] = new
    elif type(old) in (dict, set):
        old.clear()
        old.update(new)
    elif type(old) is tuple:  # the arguments of a call
        for one, other in zip(old, new, strict=False):
            _become(one, other)


def _lines(error: BaseException) -> Iterator[int | None]:
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == "candidate.py":
            yield trace.tb_lineno
        trace = trace.tb_next
    if isinstance(error, SyntaxError) and error.filename == "candidate.py":
        yield error.lineno

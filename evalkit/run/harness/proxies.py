"""Inside the sandbox: the candidate's objects as the tests see them, and the tests' functions as it sees them."""

from __future__ import annotations

import builtins
import operator
import sys
from types import ModuleType

TYPE_CHECKING = False  # as typing's, whose import is a good part of a short candidate's time
if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from typing import Any

    from evalkit.run.harness.apart import Peer
else:
    from evalkit_apart import Peer

UNASKED = ("_pytest", "__")  # attributes that frameworks look for, and no candidate has
ASKED = ("__name__", "__qualname__", "__doc__", "__module__", "__annotations__", "__dict__", "__version__")


# --- the tests' side ---


class Remote:
    """An object of the candidate's, which stays there; what is done to it here is done to it there."""

    def __init__(self, peer: Peer, number: int) -> None:
        self.__dict__.update(_peer=peer, _number=number)

    def _do(self, name: str, *given: Any) -> Any:
        return self.__dict__["_peer"].ask("operate", name, self, *given)

    def __getattr__(self, name: str) -> Any:
        if name.startswith(UNASKED) and name not in ASKED:
            raise AttributeError(name)
        return self._do("getattr", name)

    def __setattr__(self, name: str, value: object) -> None:
        self._do("setattr", name, value)

    def __delattr__(self, name: str) -> None:
        self._do("delattr", name)

    def __call__(self, *given: Any, **named: Any) -> Any:
        """Call it where it lives."""
        return self.__dict__["_peer"].ask("call", self, given, named)

    def __eq__(self, other: object) -> Any:
        """Only with another of the candidate's: what says that it equals 1 does not thereby equal 1."""
        return self._do("eq", other) is True if type(other) is Remote else NotImplemented

    def __ne__(self, other: object) -> Any:
        return self._do("ne", other) is True if type(other) is Remote else NotImplemented

    def __hash__(self) -> int:
        return int(self._do("hash"))

    def __iter__(self) -> Any:
        return self._do("iter")

    def __instancecheck__(self, one: object) -> bool:
        return type(one) is Remote and self.__dict__["_peer"].ask("operate", "isinstance", one, self) is True

    def __await__(self) -> Generator[Any, Any, Any]:
        yield from ()  # nothing is waited for here: the candidate's process runs it to its end
        return self._do("await")

    def __exit__(self, *raised: object) -> Any:
        return self._do("exit", isinstance(raised[1], BaseException))


def _operator(name: str) -> Callable[..., Any]:
    return lambda self, *given: self._do(name, *given)


def _ordering(name: str) -> Callable[..., Any]:
    return lambda self, other: self._do(name, other) is True if type(other) is Remote else NotImplemented


for _name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "and", "or", "xor", "neg", "abs"):
    setattr(Remote, f"__{_name}__", _operator(_name))
    setattr(Remote, f"__r{_name}__", lambda self, other, name=_name: self._do("turned", name, other))
for _name in ("getitem", "setitem", "delitem", "contains", "len", "bool", "repr", "str", "next", "int", "float"):
    setattr(Remote, f"__{_name}__", _operator(_name))
for _name in ("enter", "reversed"):
    setattr(Remote, f"__{_name}__", _operator(_name))
for _name in ("lt", "le", "gt", "ge"):
    setattr(Remote, f"__{_name}__", _ordering(_name))


def called_back(_: Peer, function: Any, given: Any, named: Any) -> Any:
    """All that the candidate can ask of the tests: to call a function that they handed over."""
    return function(*given, **named)


def tests_side(reading: int, writing: int, *, values: bool) -> Peer:
    """The end that the tests speak through; `print` of the candidate is heard here."""
    peer = Peer(reading, writing, serves={"call": called_back}, values=values)
    peer.proxy, peer.proxies = Remote, (Remote,)
    peer.hear = lambda text: sys.stdout.write(text) if text else 0
    return peer


def candidate_module(peer: Peer, source: str) -> ModuleType:
    """The candidate as a module: each name is looked up where it lives."""
    values, peer.values = peer.values, False  # a module and its functions are no values, but what tests are for
    remote = peer.ask("load", source)
    known = peer.ask("names", remote)
    replaced: dict[str, Any] = {}
    absent = object()
    peer.values = values

    class Candidate(ModuleType):
        def __getattr__(self, name: str) -> Any:
            if name.startswith(UNASKED):
                raise AttributeError(name)
            peer.values = False
            try:
                return getattr(remote, name)
            finally:
                peer.values = values

        def __setattr__(self, name: str, value: object) -> None:
            if name.startswith("__"):
                ModuleType.__setattr__(self, name, value)
            else:
                replaced.setdefault(name, getattr(self, name, absent))
                setattr(remote, name, value)

        def __delattr__(self, name: str) -> None:
            """As of a module whose names are not in its dict: what was replaced is there again (monkeypatch)."""
            before = replaced.pop(name, absent)
            if before is absent:
                delattr(remote, name)
            else:
                setattr(remote, name, before)

    module = Candidate("candidate")
    module.__dict__.update(__file__="candidate.py", __all__=known)
    return module


# --- the candidate's side ---


def candidate_side(reading: int, writing: int) -> None:
    """Serve what the tests ask, until they are gone."""
    serves: dict[str, Callable[..., Any]] = {"load": _load, "names": _names, "call": _call, "operate": _operate}
    peer = Peer(reading, writing, serves=serves, values=False)
    peer.proxy, peer.iterator, peer.proxies = Handed, HandedIterator, (Handed, HandedIterator)
    from io import StringIO  # noqa: PLC0415

    sys.stdout = printed = StringIO()

    def said() -> str:
        text = printed.getvalue()[:100_000]
        printed.seek(0)
        printed.truncate()
        return text

    peer.said = said
    peer.every()


class Handed:
    """A function of the tests', as the candidate sees it."""

    def __init__(self, peer: Peer, number: int) -> None:
        self._peer, self._number = peer, number

    def __call__(self, *given: Any, **named: Any) -> Any:
        """Call it where it lives."""
        return self._peer.ask("call", self, given, named)


class HandedIterator(Handed):
    """An iterator of the tests', as the candidate sees it."""

    def __iter__(self) -> HandedIterator:
        return self

    def __next__(self) -> Any:
        return self()


def _load(_: Peer, source: str) -> Any:
    module = ModuleType("candidate")
    module.__file__ = "candidate.py"
    sys.modules["candidate"] = module
    exec(compile(source, "candidate.py", "exec"), module.__dict__)  # noqa: S102  this is the sandbox's job
    return module


def _names(_: Peer, module: Any) -> list[str]:
    names = getattr(module, "__all__", None)
    return list(names) if names else [name for name in vars(module) if not name.startswith("_")]


def _call(_: Peer, function: Any, given: Any, named: Any) -> Any:
    return function(*given, **named)


def _operate(_: Peer, name: str, one: Any, *given: Any) -> Any:
    match name:
        case "await":
            import asyncio  # noqa: PLC0415  it takes longer than most candidates

            async def whole() -> Any:
                return await one

            return asyncio.run(whole())
        case "enter":
            return one.__enter__()
        case "exit":
            return one.__exit__(*((Exception, Exception(), None) if given[0] else (None, None, None)))
        case "turned":
            return _operation(given[0])(given[1], one)
    return _operation(name)(one, *given)


def _operation(name: str) -> Any:
    return getattr(operator, name, None) or getattr(operator, f"{name}_", None) or getattr(builtins, name)

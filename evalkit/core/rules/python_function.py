"""`python`: a function of evalkit or of an installed plug-in judges the candidate."""

import importlib
import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from importlib.metadata import entry_points
from itertools import islice
from types import ModuleType
from typing import Any, ClassVar

from evalkit.core.errors import GraderError, InfrastructureError
from evalkit.core.rubric import Violation
from evalkit.core.rules.keys import KeyFault, refuse
from evalkit.core.rules.where import MANY, excerpt, short

GROUP = "evalkit.plugins"  # entry points, whose packages may be named
_CALL = re.compile(r"(?P<module>[^\W\d]\w*(\.[^\W\d]\w*)*):(?P<name>[^\W\d]\w*)")


@dataclass(frozen=True)
class PythonFunction:
    """`call` is `package.module:function`; it gets the candidate, and `args` as keywords.

    It returns None, True or an empty text where the rule holds; False, a text, a Violation, or an iterable of
    texts and Violations where it does not. It runs in evalkit's own process, without a time limit.
    """

    call: str
    args: Mapping[str, Any] = field(default_factory=dict)

    SCHEMA: ClassVar[dict[str, Any]] = {
        "required": ["call"],
        "properties": {
            "call": {
                "type": "string",
                "description": "write package.module:function",
                "pattern": f"^{_CALL.pattern.replace('?P<module>', '').replace('?P<name>', '')}$",
            },
            "args": {"type": "object"},
        },
    }

    def __post_init__(self) -> None:
        """Refuse what cannot be called so. Raises KeyFaults."""
        refuse(self._faults())

    def violations(self, candidate: str) -> list[Violation]:
        """What the function holds against the candidate. Raises GraderError where it fails."""
        try:
            found = list(_listed(self._function()(candidate, **deepcopy(dict(self.args)))))
        except InfrastructureError:
            raise
        except (Exception, SystemExit) as error:  # the function is the user's own: whatever it raises is no verdict
            raise GraderError(f"the rule's function {self.call} failed: {type(error).__name__}: {error}") from error
        return [_violation(one, candidate, self.call) for one in found]

    def _function(self) -> Callable[..., object]:
        module, name = self.call.split(":")
        function: Callable[..., object] = getattr(importlib.import_module(module), name)
        return function

    def _faults(self) -> Iterator[KeyFault]:
        named = _CALL.fullmatch(self.call)
        if not named:
            yield KeyFault(("call",), f"{short(self.call)!r} is no function; write package.module:function")
            return
        known = _packages()
        if named["module"].split(".")[0] not in known:
            yield KeyFault(
                ("call",),
                f"{self.call!r} is neither evalkit's nor an installed plug-in's (entry point group {GROUP}); "
                f"refused, because it would run any code{_near(named['module'].split('.')[0], known)}",
            )
            return
        try:
            module = importlib.import_module(named["module"])
        except Exception as error:  # noqa: BLE001  a plug-in's module can raise anything
            yield KeyFault(("call",), f"{named['module']!r} cannot be imported: {type(error).__name__}: {error}")
            return
        yield from self._function_faults(module, named["name"], known)

    def _function_faults(self, module: ModuleType, name: str, known: set[str]) -> Iterator[KeyFault]:
        own = {key: one for key, one in vars(module).items() if inspect.isfunction(one)}
        own = {key: one for key, one in own.items() if one.__module__.split(".")[0] in known}
        if name not in own:
            yield KeyFault(("call",), f"{module.__name__!r} has no function {name!r}{_near(name, own)}")
        elif inspect.iscoroutinefunction(own[name]):
            yield KeyFault(("call",), f"{name!r} is async; a rule's function is a plain one")
        else:
            try:
                inspect.signature(own[name]).bind("", **self.args)
            except TypeError as error:
                yield KeyFault(("args",), f"do not fit {name}{inspect.signature(own[name])}: {error}")


def _packages() -> set[str]:
    return {"evalkit", *(point.value.split(":")[0].split(".")[0] for point in entry_points(group=GROUP))}


def _near(word: str, known: Iterable[str]) -> str:
    near = get_close_matches(word, list(known), 1)
    return f"; did you mean {near[0]!r}?" if near else ""


def _listed(answer: object) -> Iterator[object]:
    """What the function returned, one by one."""
    if answer is None or answer is True or answer == "":
        return
    if answer is False:
        yield Violation()
    elif isinstance(answer, Iterable) and not isinstance(answer, str | bytes | Mapping):
        yield from islice(answer, MANY)
    else:
        yield answer


def _violation(one: object, candidate: str, call: str) -> Violation:
    if isinstance(one, str):
        return Violation(one)
    if not isinstance(one, Violation):
        raise GraderError(
            f"the rule's function {call} returned {short(repr(one))}; "
            "it must return None, a truth value, a text, a Violation, or several of these last two"
        )
    return one if one.excerpt else replace(one, excerpt=excerpt(candidate, one.line))

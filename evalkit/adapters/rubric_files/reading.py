"""From the data of a rubric to its objects, collecting every fault on the way."""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from functools import cache
from importlib.metadata import EntryPoints, entry_points
from math import isfinite
from typing import Any

from evalkit.adapters.rubric_files.wording import faults_of, near, placeholder_faults, schema
from evalkit.core.errors import RubricError
from evalkit.core.rubric import Examples, Kind, RejectedAnswer, Rubric, Rule, leaves
from evalkit.core.rules import KINDS
from evalkit.core.rules.composite import Part
from evalkit.core.rules.keys import KeyFault, KeyFaults, KeyPath, as_list, words
from evalkit.core.rules.tree_sitter import unite
from evalkit.core.rules.where import short

GROUP = "evalkit.rules"  # entry points: name = kind, value = its class
# What a part of any_of, all_of and not has beside its kind's keys.
PART: dict[str, Any] = {
    "required": ["kind"],
    "properties": {key: {"type": "string"} for key in ("kind", "description")},
}
PART_KEYS = tuple(PART["properties"])
ANY_KIND = {"properties": {key: True for kind in KINDS.values() for key in kind.SCHEMA["properties"]}}


class Reading:
    """One pass over a rubric's data: makes the rubric and collects faults."""

    def __init__(self, lines: Mapping[KeyPath, int], faults: list[tuple[int, KeyFault]]) -> None:
        self.faults = faults  # each with its line, 0 where none is known
        self._lines = lines
        self._kinds = kinds()
        self._said = {fault.path for _, fault in faults}  # a value that YAML could not read has no second fault

    def rubric(self, data: object, name: str) -> Rubric | None:
        """The rubric, or None: then `faults` says why."""
        found = list(faults_of(schema(), data))
        rules: list[Rule | None] = []
        threshold = None
        if isinstance(data, dict):
            threshold = _threshold(data)
            given = data.get("rules")
            for index, rule in enumerate(given if isinstance(given, list) else []):
                rules.append(self._rule(rule, ("rules", index), found, weighted=threshold is not None))
            found += [*_sense_faults(data, threshold), *_example_faults(data)]
        self.faults += [(self._line(fault.path), fault) for fault in found if fault.path not in self._said]
        if self.faults or not isinstance(data, dict):
            return None
        unite(leaf for rule in rules if rule for leaf in leaves(rule.check))
        return Rubric(
            name=data.get("name", name),
            rules=tuple(rule for rule in rules if rule),
            description=data.get("description", ""),
            threshold=threshold,
            examples=_examples(data.get("examples", {})),
        )

    def _rule(self, data: object, path: KeyPath, faults: list[KeyFault], *, weighted: bool) -> Rule | None:
        if not isinstance(data, dict):
            return None  # the rubric's own schema says so
        before = len(faults)
        check = self._check(data, path, faults, tuple(schema()["$defs"]["rule"]["properties"]))
        wordless = not data.get("message") and not data.get("description")
        if wordless and not get_close_matches("message", map(str, data), 1):
            faults.append(KeyFault((*path, "message"), "is missing: say to the model what it should do"))
        faults += [_below(path, fault) for fault in placeholder_faults(data)]
        if check is None or wordless or faults[before:] or any(faults_of(schema()["$defs"]["rule"], data)):
            return None
        return Rule(
            id=data["id"],
            kind=data["kind"],
            check=check,
            message=data.get("message") or data["description"],
            description=data.get("description", ""),
            weight=float(data.get("weight", 1)),
            required=data.get("required", not weighted),
            tags=tuple(data.get("tags", ())),
            accept=tuple(words(data.get("accept"))),
            reject=tuple(words(data.get("reject"))),
            sensitive=tuple(data.get("sensitive", ())),
        )

    def _check(self, data: Mapping[str, Any], path: KeyPath, faults: list[KeyFault], beside: Sequence[str]) -> Any:
        """The object of the rule's kind, or None and the faults of its own keys; `beside` are no keys of a kind."""
        name = data.get("kind")
        known = name if isinstance(name, str) and name in self._kinds else None
        if isinstance(name, str) and not known:
            text = f"{short(name)!r} is no kind of rule{near(name, list(self._kinds))}"
            faults.append(KeyFault((*path, "kind"), text))
            known = next(iter(get_close_matches(name, list(self._kinds), 1)), None)  # for the faults of its keys
        if known is None:
            faults += [_below(path, fault) for fault in faults_of(_closed(ANY_KIND, beside), data)]
            return None
        kind = _loaded(known, self._kinds[known])
        parts = self._parts(kind, data, path, faults) if hasattr(kind, "NESTED") else None
        check, found = _made(kind, data if parts is None else {**data, "of": parts}, data, beside)
        faults += [_below(path, fault) for fault in found]
        return check if known == name and (parts is None or all(parts)) else None

    def _parts(
        self, kind: Any, data: Mapping[str, Any], path: KeyPath, faults: list[KeyFault]
    ) -> tuple[Part | None, ...]:
        """What a composite is made of, None for each part that has a fault."""
        of = data.get("of")
        if kind.NESTED == "one":
            listed = [((*path, "of"), of)]
        else:
            listed = [((*path, "of", index), part) for index, part in enumerate(of if isinstance(of, list) else [])]
        return tuple(self._part(part, place, faults) for place, part in listed if isinstance(part, dict))

    def _part(self, data: Mapping[str, Any], path: KeyPath, faults: list[KeyFault]) -> Part | None:
        before = len(faults)
        faults += [_below(path, fault) for fault in faults_of(PART, data)]
        check = self._check(data, path, faults, PART_KEYS)
        if len(faults) > before:
            return None
        return Part(data["kind"], check, data.get("description", ""))

    def _line(self, path: KeyPath) -> int:
        """The line of the longest part of the key path that has one."""
        for end in range(len(path), -1, -1):
            if (line := self._lines.get(path[:end])) is not None:
                return line
        return 0


def _made(
    kind: type[Kind], keys: Mapping[str, Any], data: Mapping[str, Any], beside: Sequence[str]
) -> tuple[Any, list[KeyFault]]:
    """The kind's object of these keys, or None and all that is wrong with them as they stand in the data."""
    found = list(faults_of(_closed(kind.SCHEMA, beside), data))
    faulty = {fault.path[0] for fault in found if fault.path}
    own = {key: keys[key] for key in kind.SCHEMA.get("properties", {}) if key in keys and key not in faulty}
    if any(key not in own for key in kind.SCHEMA.get("required", ())):
        return None, found
    try:
        check = kind(**own)
    except KeyFaults as error:  # of the keys that are left; what concerns the rule whole may be due to the others
        return None, found + [fault for fault in error.faults if fault.path or not found]
    except ValueError as error:  # a plug-in's way to say it
        return None, found or [KeyFault((), str(error))]
    return (None if found else check), found


def _closed(schema_of_kind: Mapping[str, Any], beside: Sequence[str]) -> dict[str, Any]:
    """The schema of a whole rule in which only the kind's own keys are checked, and no others may stand."""
    properties = {**dict.fromkeys(beside, True), **schema_of_kind.get("properties", {})}
    return {**schema_of_kind, "properties": properties, "additionalProperties": False}


def _threshold(data: Mapping[str, Any]) -> float | None:
    accept = data.get("accept")
    value = accept.get("threshold") if isinstance(accept, dict) else None
    return float(value) if isinstance(value, float) or value == 1 else None


def _sense_faults(data: Mapping[str, Any], threshold: float | None) -> Iterator[KeyFault]:
    """What a schema cannot say."""
    given = data.get("rules")
    listed = enumerate(given if isinstance(given, list) else [])
    rules = [(index, rule) for index, rule in listed if isinstance(rule, dict)]
    first: dict[str, int] = {}
    for index, rule in rules:
        if isinstance(rule.get("id"), str) and first.setdefault(rule["id"], index) != index:
            text = f"{short(rule['id'])!r} is the id of rules[{first[rule['id']]}] too; ids must be unique"
            yield KeyFault(("rules", index, "id"), text)
        if isinstance(rule.get("weight"), float) and not isfinite(rule["weight"]):
            yield KeyFault(("rules", index, "weight"), f"is {rule['weight']!r}; it must be a finite number")
    if threshold is None:
        return
    if not isfinite(threshold):
        yield KeyFault(("accept", "threshold"), f"is {threshold!r}; it must be above 0 and at most 1")
    if rules and all(rule.get("weight", 1) == 0 for _, rule in rules):
        yield KeyFault(("accept", "threshold"), "is a share of the weights, but every rule's weight is 0")


def _examples(data: Mapping[str, Any]) -> Examples:
    reject = (RejectedAnswer(one["text"], tuple(words(one.get("rules")))) for one in data.get("reject", ()))
    return Examples(tuple(words(data.get("accept"))), tuple(reject))


def _example_faults(data: Mapping[str, Any]) -> Iterator[KeyFault]:
    """Rejected answers that name a rule which is not there."""
    known = [str(rule.get("id")) for rule in as_list(data.get("rules")) if isinstance(rule, dict)]
    examples = data.get("examples")
    rejected = examples.get("reject") if isinstance(examples, dict) else None
    for index, one in enumerate(rejected if isinstance(rejected, list) else []):
        for name in words(one.get("rules")) if isinstance(one, dict) else []:
            if name not in known:
                path = ("examples", "reject", index, "rules")
                yield KeyFault(path, f"{short(name)!r} is no rule of this rubric{near(name, known)}")


def kinds() -> dict[str, Callable[[], type[Kind]]]:
    """All kinds by name, those of plug-ins too; a plug-in is imported when its kind is asked for."""
    plugged = {entry.name: entry.load for entry in _plugged(tuple(sys.path))}
    return {**plugged, **{name: _constant(kind) for name, kind in KINDS.items()}}


@cache
def _plugged(_: tuple[str, ...]) -> EntryPoints:
    """Found once for each `sys.path`: a look reads all installed packages, and a dataset may hold 1,000 rubrics."""
    return entry_points(group=GROUP)


def _constant(kind: type[Kind]) -> Callable[[], type[Kind]]:
    return lambda: kind


def _loaded(name: str, load: Callable[[], type[Kind]]) -> type[Kind]:
    try:
        return load()
    except (ImportError, AttributeError) as error:
        raise RubricError(f"the plug-in of the rule kind {name!r} cannot be loaded: {error}") from error


def _below(path: KeyPath, fault: KeyFault) -> KeyFault:
    return KeyFault((*path, *fault.path), fault.text)

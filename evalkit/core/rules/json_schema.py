"""`json_schema`: the candidate is JSON, and a JSON Schema holds for it."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar

from evalkit.core.errors import GraderError
from evalkit.core.rubric import Violation
from evalkit.core.rules.keys import KeyFault, refuse
from evalkit.core.rules.where import MANY, excerpt, short

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError
    from jsonschema.protocols import Validator
    from referencing import Registry

SAMPLES: tuple[Any, ...] = ({}, [], "", 0, None)


@dataclass(frozen=True)
class JsonSchema:
    """`schema` is a JSON Schema (2020-12 unless its `$schema` says otherwise); references never leave it."""

    schema: Any

    SCHEMA: ClassVar[dict[str, Any]] = {
        "required": ["schema"],
        "properties": {"schema": {"type": ["object", "boolean"]}},
    }

    def __post_init__(self) -> None:
        """Refuse what is no JSON Schema, or refers to nothing. Raises KeyFaults."""
        refuse(self._faults())

    @cached_property
    def validator(self) -> "Validator":
        """Built once a rule, with a registry of its own: jsonschema's default one would ask the network."""
        from jsonschema import Draft202012Validator  # noqa: PLC0415  costs 60 ms that most commands need not pay
        from jsonschema.validators import validator_for  # noqa: PLC0415

        kind = validator_for(self.schema, default=Draft202012Validator)
        return kind(self.schema, registry=_specifications(), format_checker=kind.FORMAT_CHECKER)

    def violations(self, candidate: str) -> list[Violation]:
        """Why it is no JSON, or each place (named by its path, `$` being the whole) where the schema fails.

        Raises GraderError where the schema turns out to refer to nothing.
        """
        try:
            value = json.loads(candidate, parse_constant=_no_number)
        except json.JSONDecodeError as error:
            detail = f"it is not JSON: {error.msg} at column {error.colno}"
            return [Violation(detail, error.lineno, excerpt(candidate, error.lineno))]
        except (ValueError, RecursionError) as error:
            return [Violation(f"it is not JSON that can be read: {error}")]
        return self._against(value)

    def _against(self, value: Any) -> list[Violation]:
        from referencing.exceptions import Unresolvable  # noqa: PLC0415  see `validator`

        try:
            errors = sorted(islice(self.validator.iter_errors(value), MANY), key=_order)
            return [_violation(error) for error in errors]
        except Unresolvable as error:
            raise GraderError(f"a json_schema rule refers to nothing: {error}. Mend its $ref.") from error
        except (
            RecursionError,
            ArithmeticError,
        ) as error:  # the candidate is nested too deeply, or holds 1e999
            return [Violation(f"its JSON cannot be compared with the schema: {error}", unread=True)]

    def _faults(self) -> Iterator[KeyFault]:
        try:
            wrong = [nearest(error) for error in self._meta().iter_errors(self.schema)]
            yield from (KeyFault(("schema", *error.absolute_path), short(error.message)) for error in wrong)
            if not wrong:
                self._try()
        except Exception as error:  # noqa: BLE001  a schema breaks jsonschema in many ways; here each is the user's
            yield KeyFault(("schema",), f"cannot be used: {short(str(error) or type(error).__name__)}")

    def _meta(self) -> "Validator":
        """The validator of the schema itself, formats such as a pattern's syntax included."""
        kind = type(self.validator)
        return kind(kind.META_SCHEMA, registry=_specifications(), format_checker=kind.FORMAT_CHECKER)

    def _try(self) -> None:
        """Find what only shows in use: references to nothing, references in a circle."""
        from referencing import Resource  # noqa: PLC0415  see `validator`
        from referencing.jsonschema import DRAFT202012  # noqa: PLC0415

        root = Resource.from_contents(self.schema, default_specification=DRAFT202012)
        resolver = _specifications().resolver_with_root(root)
        for reference in _references(self.schema):
            resolver.lookup(reference)
        for sample in SAMPLES:
            list(self.validator.iter_errors(sample))


def _specifications() -> "Registry[Any]":
    """The drafts of JSON Schema themselves, which a schema may refer to; nothing else is looked up."""
    from jsonschema_specifications import REGISTRY  # type: ignore[import-untyped]  # noqa: PLC0415  no type marker

    registry: Registry[Any] = REGISTRY
    return registry


def _references(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        if isinstance(schema.get("$ref"), str):
            yield schema["$ref"]
        for value in schema.values():
            yield from _references(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from _references(value)


def _violation(error: "ValidationError") -> Violation:
    error = nearest(error)
    return Violation(f"{_path(error)}: {short(error.message, 200)}")


def nearest(error: "ValidationError") -> "ValidationError":
    """Under `anyOf` and the like, the one branch that comes nearest to holding."""
    from jsonschema.exceptions import best_match  # noqa: PLC0415  see `validator`

    return best_match([error]) or error


def _order(error: "ValidationError") -> tuple[str, str]:
    return _path(error), error.message


def _path(error: "ValidationError") -> str:
    """`$.items[2].price`."""
    steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in error.absolute_path)
    return ascii("$" + "".join(steps))[1:-1]  # a lone surrogate in a key must not break the journal


def _no_number(word: str) -> None:
    raise ValueError(f"{word} is no JSON number")

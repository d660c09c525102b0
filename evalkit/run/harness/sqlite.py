"""Inside the sandbox: runs the candidate's SQL on a fresh database a case and reports the rows."""

from __future__ import annotations

import json
import os
import sqlite3
import sys
import time

TYPE_CHECKING = False  # as typing's, whose import takes longer than most queries
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Any

STEPS = 10_000  # of SQLite's machine between two looks at the clock
MOST_ROWS = 10_000
DENIED = frozenset({sqlite3.SQLITE_ATTACH, sqlite3.SQLITE_DETACH})


def main() -> None:
    """Read the job from stdin, report a line a case."""
    job: dict[str, Any] = json.load(sys.stdin)
    nonce = job["nonce"]
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)

    def report(record: Mapping[str, Any]) -> None:
        os.write(1, f"{nonce} {json.dumps(record)}\n".encode())

    report({"ready": True})
    deadline = time.monotonic() + job["seconds"]
    for number, case in enumerate(job["cases"]):
        report({"start": number})
        report({"case": number, **_outcome(job["setup"], case["setup"], job["query"], deadline)})
    report({"done": True})


def _outcome(setup: str, more: str, query: str, deadline: float) -> dict[str, Any]:
    database = sqlite3.connect(":memory:", isolation_level=None)
    try:
        database.executescript(setup)
        database.executescript(more)
    except sqlite3.Error as error:
        return {"fault": f"the setup failed: {error}"}
    late = _guard(database, deadline)
    try:
        rows = _rows(database, query)
    except (sqlite3.Error, sqlite3.Warning, ValueError, OverflowError) as error:
        names = [kind.__name__ for kind in type(error).__mro__]
        return {"raises": names, "message": str(error), "line": None, "late": late()}
    return {"returns": rows} if rows is not None else {"no_rows": True}


def _guard(database: sqlite3.Connection, deadline: float) -> Callable[[], bool]:
    def late() -> bool:
        return time.monotonic() > deadline

    def allow(action: int, first: str | None, second: str | None, *_: object) -> int:
        denied = action in DENIED or "load_extension" in (first, second)
        return sqlite3.SQLITE_DENY if denied else sqlite3.SQLITE_OK

    database.set_authorizer(allow)
    database.set_progress_handler(late, STEPS)
    return late


def _rows(database: sqlite3.Connection, query: str) -> list[list[Any]] | None:
    """The rows of the last statement that has any to give; None if none does."""
    rows = None
    for statement in _statements(query):
        cursor = database.execute(statement)
        if cursor.description:
            rows = [[_value(value) for value in row] for row in cursor.fetchmany(MOST_ROWS)]
    return rows


def _statements(query: str) -> Iterator[str]:
    text = ""
    for part in query.split(";"):
        text += part + ";"
        if sqlite3.complete_statement(text):  # a semicolon in a string or a trigger ends nothing
            yield text
            text = ""
    if text.strip(" \t\r\n;"):
        yield text


def _value(value: Any) -> Any:
    return {"$bytes": value.hex()} if isinstance(value, bytes) else value


if __name__ == "__main__":
    main()

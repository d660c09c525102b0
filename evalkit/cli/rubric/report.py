"""What `evalkit rubric test` prints: a row a rule, what is wrong with it, and what has no examples."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from difflib import unified_diff
from typing import Any

from evalkit.cli.tables import counted, show
from evalkit.core.mutation.report import OK, UNCHECKED, Brittle, RubricReport, RuleReport
from evalkit.core.rules.where import short

COLUMNS = {
    "id": "rule",
    "accepts": "accepts",
    "rejects": "rejects",
    "mutations": "caught",
    "rewrites": "kept",
    "crossed": "crossed",
    "verdict": "verdict",
}
DIFF = 10  # lines of a difference that are shown
WIDEST = 160


def as_json(reports: Sequence[RubricReport]) -> str:
    """As INTERFACE.md has it, and more beside it."""
    return json.dumps({"rubrics": [asdict(report) for report in reports]}, indent=2)


def tell(reports: Sequence[RubricReport], *, lenient: bool) -> None:
    """Print all of it."""
    for report in reports:
        show([_row(rule, report) for rule in report.rules], COLUMNS, title=report.name)
        for rule in report.rules:
            _explain(report.name, rule)
        for answer in report.failed_answers:
            print(f"{report.name}: should {answer.expected} {short(answer.example)!r} as a whole; found {answer.found}")
        _coverage(report)
    print("caught: mutations of accepted answers that break the rule · kept: rewrites of the same meaning that do not")
    total = sum(len(report.rules) for report in reports)
    print(f"{counted(total, 'rule')} in {counted(len(reports), 'rubric')}: {_outcome(reports, total, lenient=lenient)}")


def _outcome(reports: Sequence[RubricReport], total: int, *, lenient: bool) -> str:
    """What failed, and what could not be looked at: of that, nothing good is said."""
    failed = [rule for report in reports for rule in report.failures(lenient=lenient)]
    unchecked = [rule.id for report in reports for rule in report.rules if rule.verdict == UNCHECKED]
    said = [f"{len(failed)} failed: {', '.join(failed)}"] if failed else []
    if unchecked:
        said.append(f"{len(unchecked)} could not be checked: {', '.join(unchecked)}")
    if not failed and (not unchecked or len(unchecked) < total):
        said.append("the others do as their examples say" if unchecked else "all do as their examples say")
    return "; ".join(said)


def _row(rule: RuleReport, report: RubricReport) -> dict[str, Any]:
    crossed = {name for crossing in report.crossings if crossing.rule == rule.id for name in crossing.rejected_by}
    kept = rule.rewrites.tried - rule.rewrites.caught
    return {
        "id": rule.id,
        "accepts": rule.accepts,
        "rejects": rule.rejects,
        "mutations": f"{rule.mutations.caught}/{rule.mutations.tried}",
        "rewrites": f"{kept}/{rule.rewrites.tried}",
        "crossed": len(crossed) or None,
        "verdict": rule.verdict,
    }


def _explain(rubric: str, rule: RuleReport) -> None:
    for example in rule.failed_examples:
        print(f"{rubric}: {rule.id}: should {example.expected} {example.example!r}, but found {example.found}")
    if rule.verdict != OK and not rule.failed_examples:
        print(f"{rubric}: {rule.id}: {rule.verdict}: {rule.why}")
    for one in rule.brittle:
        print(f"{rubric}: {rule.id}: fires after {one.rewrite} ({one.changes}): {one.found}")
        print(_difference(one))


def _difference(one: Brittle) -> str:
    """The lines that the rewrite changed."""
    lines = unified_diff(one.example.splitlines(), one.text.splitlines(), n=0, lineterm="")
    changed = [line for line in list(lines)[2:] if not line.startswith("@@")]
    more = [f"    … {len(changed) - DIFF} more lines"] if len(changed) > DIFF else []
    return "\n".join([f"    {short(line, WIDEST)}" for line in changed[:DIFF]] + more)


def _coverage(report: RubricReport) -> None:
    for key, names in report.coverage.items():
        if names:
            print(f"{report.name}: {key.replace('_', ' ')} examples: {', '.join(names)}")
    if report.crossings:
        print(f"{report.name}: crossed: so many other rules reject a rule's accept examples; fragments often are")

"""Which findings are told, most useful first, and in which words."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from evalkit.core.feedback.attempts import Key, key, may_tell
from evalkit.core.feedback.settings import Feedback
from evalkit.core.types import Attempt, Finding

OF_TESTS = ("test", "visible")


def chosen(settings: Feedback, asked: Sequence[Attempt]) -> list[str]:
    """The findings as lines, each once."""
    if settings.kind == "tests":
        return _of_repository(settings, asked)
    told = asked if settings.kind == "violations" else asked[-1:]
    return list(dict.fromkeys(one.message for attempt in reversed(told) for one in _required_first(settings, attempt)))


def _required_first(settings: Feedback, attempt: Attempt) -> list[Finding]:
    findings = (finding for finding in attempt.verdict.findings if may_tell(settings, finding))
    return sorted(findings, key=lambda finding: not finding.required)


def _of_repository(settings: Feedback, asked: Sequence[Attempt]) -> list[str]:
    """The newest attempt's findings; where it did not come to the tests, then those of the last one that did."""
    if not asked:
        return []
    by_attempt = [_most_useful_first(settings, attempt) for attempt in asked]
    lines = list(_worded(by_attempt[-1], _first_seen(asked, by_attempt)))
    if any(finding.source in OF_TESTS for finding in by_attempt[-1]):
        return lines
    earlier = zip(reversed(asked[:-1]), reversed(by_attempt[:-1]), strict=True)
    for attempt, findings in earlier:
        if of_tests := [finding for finding in findings if finding.source in OF_TESTS]:
            return lines + [f"Of attempt {attempt.number}: {line}" for line in _worded(of_tests, {})]
    return lines


def _most_useful_first(settings: Feedback, attempt: Attempt) -> list[Finding]:
    """Required ones first; of tests, those that name a place in the repository before those that do not."""
    return sorted(
        _required_first(settings, attempt),
        key=lambda finding: (not finding.required, finding.source in OF_TESTS and not finding.excerpt),
    )


def _first_seen(asked: Sequence[Attempt], by_attempt: Sequence[Sequence[Finding]]) -> dict[Key, int]:
    """The first earlier attempt that had a finding, by the finding."""
    found: dict[Key, int] = {}
    for attempt, findings in zip(asked[:-1], by_attempt[:-1], strict=True):
        for finding in findings:
            found.setdefault(key(finding), attempt.number)
    return found


def _worded(findings: Sequence[Finding], seen: dict[Key, int]) -> Iterator[str]:
    """A line each; tests that fail of the same cause share one."""
    alike: dict[tuple[str, ...], list[Finding]] = {}
    for finding in findings:
        group = finding if finding.source not in OF_TESTS else replace(finding, message=_message(finding))
        same = (group.message, group.excerpt, "" if group.source in OF_TESTS else group.rule)
        alike.setdefault(same, []).append(finding)
    for group_of in alike.values():
        attempts = [seen[key(finding)] for finding in group_of if key(finding) in seen]
        still = f"Still, since attempt {min(attempts)}: " if attempts else ""
        yield still + _line(group_of)


def _line(alike: Sequence[Finding]) -> str:
    first = alike[0]
    if first.source not in OF_TESTS:
        return first.message
    others = len({finding.rule for finding in alike}) - 1
    more = f" and {others} more test{'' if others == 1 else 's'}" if others else ""
    place = f"\n  {first.excerpt}" if first.excerpt and first.excerpt not in first.message else ""
    said = _message(first)
    return f"{first.rule}{more}{' ' if said.startswith('(') else ': '}{said}{place}"


def _message(finding: Finding) -> str:
    """Without the test's name, which stands before it."""
    return finding.message.removeprefix(finding.rule).lstrip(": ") or "failed"

"""The judgement of a candidate by a rubric: a pure function, and the words in which a model hears of it."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from math import fsum

from evalkit.core.failure import Failure
from evalkit.core.rubric import Rubric, Rule, Violation, source
from evalkit.core.types import Candidate, Finding, Verdict

LARGEST = 1_000_000  # characters: more is no answer to a prompt, and patterns take their time
PLACES = 3  # findings a rule makes at most: a model needs no list of forty lines to see the point
CLOSE = 1e-9  # 0.7 of the weights is 0.7, however the sum was rounded

_PLACEHOLDER = re.compile(r"\{(detail|line|excerpt)\}")  # no str.format: messages hold JSON's braces
_WORDING = {
    Failure.EMPTY_RESPONSE: "Your answer was empty.",
    Failure.NO_ANSWER: "Your reply holds no answer in the form that was asked for.",
    Failure.TRUNCATED: "Your answer was cut off at the length limit. Answer more briefly.",
    Failure.REFUSED: "You did not answer. Answer the question as it was asked.",
    Failure.CONTEXT_WINDOW: "The prompt was too long to be answered.",
}


def judge(
    rubric: Rubric,
    candidate: str,
    found: Mapping[str, list[Violation]] | None = None,
    unjudged: Collection[str] = (),
) -> Verdict:
    """Hold every rule against the candidate; `found`, by rule id, is what was found out elsewhere (run/checking).

    Accepted are candidates for which all required rules hold and, where the rubric has a threshold, rules of
    at least that share of the weights. Rules that are not required make findings as well. The rules `unjudged`
    are counted as that: they do not hold, and they make no findings.
    """
    if len(candidate) > LARGEST:
        return _too_long(rubric, candidate)
    known = {**(found or {}), **{name: [Violation()] for name in unjudged}}
    held = {rule.id: known[rule.id] if rule.id in known else rule.check.violations(candidate) for rule in rubric.rules}
    broken = {name: places for name, places in held.items() if places}
    score = _score(rubric, broken)
    accepted = not any(rule.required and rule.id in broken for rule in rubric.rules)
    if rubric.threshold is not None:
        accepted = accepted and score >= rubric.threshold - CLOSE
    return Verdict(
        accepted=accepted,
        failure=None if accepted else Failure.RULE_VIOLATION,
        findings=tuple(
            finding
            for rule in rubric.rules
            if rule.id not in unjudged
            for finding in _findings(rubric, rule, broken.get(rule.id, []))
        ),
        score=score,
        rules_passed=len(rubric.rules) - len(broken),
        rules_total=len(rubric.rules),
        rules_unjudged=len(unjudged),
    )


def rejected(candidate: Candidate) -> Verdict:
    """The verdict where there is nothing to judge: its failure, with one finding worded for the model."""
    failure = candidate.failure or Failure.NO_ANSWER
    if candidate.findings:
        return Verdict(accepted=False, failure=failure, findings=candidate.findings)
    message = _WORDING.get(failure, f"There is no answer to judge ({failure}).")
    if candidate.detail:
        message = f"{message} ({candidate.detail})"
    return Verdict(accepted=False, failure=failure, findings=(Finding("answer", message, source="answer"),))


def merged(verdicts: Sequence[Verdict]) -> Verdict:
    """Several judgements of one candidate as one: accepted if all accept, failed as the first that does not.

    The score is the mean of the scores by rules, each as heavy as it has rules. Raises ValueError for none.
    """
    if not verdicts:
        raise ValueError("there is no verdict to merge")
    rules = sum(verdict.rules_total for verdict in verdicts)
    weights = [verdict.rules_total / rules if rules else 1 / len(verdicts) for verdict in verdicts]
    return Verdict(
        accepted=all(verdict.accepted for verdict in verdicts),
        failure=next((verdict.failure for verdict in verdicts if not verdict.accepted), None),
        findings=tuple(finding for verdict in verdicts for finding in verdict.findings),
        score=min(1.0, fsum(v.score * weight for v, weight in zip(verdicts, weights, strict=True))),
        rules_passed=sum(verdict.rules_passed for verdict in verdicts),
        rules_total=rules,
        tests=tuple(test for verdict in verdicts for test in verdict.tests),
        seconds=fsum(verdict.seconds for verdict in verdicts),
        rules_unjudged=sum(verdict.rules_unjudged for verdict in verdicts),
        gradings=tuple(grading for verdict in verdicts for grading in verdict.gradings),
    )


@dataclass(frozen=True, slots=True)
class FailedExample:
    """An example that a rule gets wrong: `expected` is accept or reject, `found` what the rule said of it."""

    expected: str
    example: str
    found: str


def failed_examples(rule: Rule, found: Mapping[str, list[Violation]] | None = None) -> list[FailedExample]:
    """The rule's own examples that it gets wrong: none, if it means what it says.

    `found`, by example, is what was found out elsewhere (run/checking), for rules that need the world.
    """
    known = {text: rule.check.violations(text) for text in (*rule.accept, *rule.reject)} if found is None else found
    refused = [
        FailedExample("accept", example, _render(rule.message, known[example][0]))
        for example in rule.accept
        if known[example]
    ]
    missed = [FailedExample("reject", example, "nothing") for example in rule.reject if not known[example]]
    return refused + missed


def _score(rubric: Rubric, broken: dict[str, list[Violation]]) -> float:
    """The share of the weights whose rules hold; of the rules, where no rule weighs anything."""
    weights = [rule.weight for rule in rubric.rules]
    if not any(weights):
        weights = [1.0] * len(weights)
    # fsum rounds once, so that the order of the rules cannot tip the threshold.
    held = fsum(weight for rule, weight in zip(rubric.rules, weights, strict=True) if rule.id not in broken)
    return held / total if (total := fsum(weights)) else 1.0


def _findings(rubric: Rubric, rule: Rule, violations: Sequence[Violation]) -> list[Finding]:
    shown = list(violations[:PLACES])
    more = len(violations) - len(shown)
    messages = [_render(rule.message, violation) for violation in shown]
    if more:
        messages[-1] += f" (and in {more} more place{'s' if more > 1 else ''})"
    return [
        Finding(rule.id, message, rule.required, violation.line, violation.excerpt, source(rule.check), rubric.name)
        for message, violation in zip(messages, shown, strict=True)
    ]


def _render(message: str, violation: Violation) -> str:
    """The rule's message with what was found in its placeholders, or behind it."""
    values = {
        "detail": violation.detail,
        "line": "?" if violation.line is None else str(violation.line),
        "excerpt": violation.excerpt,
    }
    text, filled = _PLACEHOLDER.subn(lambda match: values[match[1]], message)
    where = "" if violation.line is None else f"line {violation.line}"
    behind = "" if filled else ", ".join(part for part in (violation.detail, where) if part)
    return f"{text.rstrip()} ({behind})" if behind else text


def _too_long(rubric: Rubric, candidate: str) -> Verdict:
    message = f"Your answer is too long: {len(candidate)} characters; at most {LARGEST} can be judged."
    return Verdict(
        accepted=False,
        failure=Failure.RULE_VIOLATION,
        findings=(Finding("answer", message, source="answer"),),
        rules_total=len(rubric.rules),
    )

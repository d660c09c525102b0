"""Suspect rules in a few lines."""

from collections.abc import Sequence

from evalkit.core.suspects import ALWAYS_FIRED, NEVER_FIRED, ONLY_OBJECTION, Answer, Suspect

NAMED = 5  # answers or rules that a line names


def lines(suspects: Sequence[Suspect]) -> list[str]:
    """The worst first: a line for each rule that rejects what passes the tests, one for the others of a kind."""
    found = [_objection(one) for one in suspects if one.why == ONLY_OBJECTION]
    for why, words in ((ALWAYS_FIRED, "broken by every answer"), (NEVER_FIRED, "broken by no answer")):
        rules = [f"{_name(one)} ({one.judged})" for one in suspects if one.why == why]
        if rules:
            more = f" and {len(rules) - NAMED} more" if len(rules) > NAMED else ""
            found.append(f"suspect rules, {words} (of so many): {', '.join(rules[:NAMED])}{more}")
    return found


def _objection(one: Suspect) -> str:
    answers = ", ".join(_where(answer) for answer in one.answers[:NAMED])
    more = f" and {one.of - NAMED} more" if one.of > NAMED else ""
    what = "an answer that passes" if one.of == 1 else f"{one.of} answers that pass"
    return f"suspect rule {_name(one)}: the only objection to {what} the tests: {answers}{more}"


def _name(one: Suspect) -> str:
    return f"{one.rubric}/{one.rule}" if one.rubric else one.rule


def _where(answer: Answer) -> str:
    return f"{answer.instance_id} attempt {answer.attempt}" + (f" epoch {answer.epoch}" if answer.epoch > 1 else "")

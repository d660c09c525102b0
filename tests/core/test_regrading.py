"""What other verdicts on recorded attempts change, for an attempt, a climb and the rate."""

import pytest

from evalkit.core.failure import Failure
from evalkit.core.regrading import Regraded, before, by_climb, climbed, rates
from evalkit.core.types import Finding, Status, Verdict
from tests.core.builders import attempt, ladder

YES = Verdict(accepted=True)


def no(*rules, required=True):
    findings = tuple(Finding(rule, f"Mend {rule}.", required) for rule in rules)
    return Verdict(accepted=False, failure=Failure.RULE_VIOLATION, findings=findings)


def climb(was, *verdicts, attempts=3, most=9):
    """A climb of attempts, each with its verdict then and now (an error, where it is text)."""
    made = [
        Regraded("i", 1, attempt(number, "only", number), then, None if isinstance(now, str) else now, _error(now))
        for number, (then, now) in enumerate(verdicts, 1)
    ]
    return climbed(was, made, ladder(only=attempts), most)


def _error(now):
    return now if isinstance(now, str) else ""


CASES = [
    # then, (then, now) of each attempt: now, open, flips as (attempt, is, rules, effect)
    (Status.SOLVED, [(YES, YES)], Status.SOLVED, False, []),
    (Status.UNSOLVED, [(no("a"), no("b"))], Status.UNSOLVED, False, []),
    (
        Status.UNSOLVED,
        [(no("a"), YES), (no("a"), no("a"))],
        Status.SOLVED,
        False,
        [(1, "accepted", ("a",), "solved at attempt 1; the 1 after it would not have been made")],
    ),
    (
        Status.UNSOLVED,
        [(no("a"), no("a")), (no("a", "b"), YES)],
        Status.SOLVED,
        False,
        [(2, "accepted", ("a", "b"), "solved at attempt 2")],
    ),
    (
        Status.SOLVED,
        [(no("a"), YES), (YES, no("c"))],
        Status.SOLVED,
        False,
        [
            (1, "accepted", ("a",), "solved at attempt 1; the 1 after it would not have been made"),
            (2, "rejected", ("c",), "none: attempt 1 is accepted, this one would not have been made"),
        ],
    ),
    (
        Status.SOLVED,
        [(YES, no("c"))],
        Status.UNSOLVED,
        True,
        [(1, "rejected", ("c",), "would have gone on: unknown what came next")],
    ),
    (
        Status.SOLVED,
        [(no("a"), no("a")), (no("a"), no("a")), (YES, no("a", "c"))],
        Status.UNSOLVED,
        False,  # the rung had three attempts
        [(3, "rejected", ("a", "c"), "unsolved")],
    ),
    (
        Status.UNSOLVED,
        [(no("a"), "no sandbox"), (no("a"), YES)],
        Status.UNFINISHED,
        False,
        [(2, "accepted", ("a",), "unknown: attempt 1 could not be judged")],
    ),
    (
        Status.UNSOLVED,
        [(no("a"), YES), (no("a"), "no sandbox")],
        Status.SOLVED,
        False,
        [(1, "accepted", ("a",), "solved at attempt 1; the 1 after it would not have been made")],
    ),
    (Status.UNFINISHED, [(no("a"), no("a"))], Status.UNFINISHED, False, []),
    (
        Status.UNFINISHED,
        [(no("a"), YES), (None, no("a"))],
        Status.SOLVED,
        False,
        [(1, "accepted", ("a",), "solved at attempt 1; the 1 after it would not have been made")],
    ),
]


@pytest.mark.parametrize(("was", "verdicts", "now", "goes_on", "flips"), CASES)
def test_what_becomes_of_a_climb(was, verdicts, now, goes_on, flips):
    found = climb(was, *verdicts)
    assert (found.solution.status, found.open) == (now, goes_on)
    assert [(flip.attempt, flip.after, flip.rules, flip.effect) for flip in found.flips] == flips


def test_a_solved_climb_keeps_no_attempt_that_would_not_have_been_made():
    found = climb(Status.UNSOLVED, (no("a"), YES), (no("a"), no("a")))
    assert [attempt.number for attempt in found.solution.attempts] == [1]


def test_the_cause_is_what_objects_now_and_did_not_then_required_rules_first():
    then, now = no("a"), no("b", required=False)
    (flip,) = climb(Status.UNSOLVED, (Verdict(accepted=True, findings=then.findings), now)).flips
    assert (flip.rules, flip.message) == (("b",), "Mend b.")
    bare = Verdict(accepted=False, failure=Failure.TEST_FAILURE)
    (flip,) = climb(Status.SOLVED, (YES, bare)).flips
    assert (flip.rules, flip.message) == ((), "test_failure")


def test_rates_count_open_climbs_as_unsolved_and_unjudged_ones_not_at_all():
    found = rates(
        [
            climb(Status.SOLVED, (YES, YES)),
            climb(Status.SOLVED, (YES, no("a"))),
            climb(Status.SOLVED, (YES, "no sandbox")),
            climb(Status.UNSOLVED, (no("a"), YES)),
            climb(Status.UNFINISHED, (no("a"), no("a"))),
        ]
    )
    assert (found.solved_before, found.judged_before, found.solved_after, found.judged_after) == (3, 4, 2, 3)
    assert (found.open, found.unjudged) == (1, 1)
    assert found.after.value == pytest.approx(2 / 3)


def test_attempts_come_in_order_and_climbs_by_instance_and_epoch():
    made = [Regraded("i", epoch, attempt(number, "only"), None, YES) for epoch, number in ((2, 2), (1, 1), (2, 1))]
    found = by_climb(made)
    assert {key: [one.attempt.number for one in group] for key, group in found.items()} == {
        ("i", 1): [1],
        ("i", 2): [1, 2],
    }


def test_how_a_climb_ended_is_guessed_only_where_an_attempt_was_accepted():
    assert before([Regraded("i", 1, attempt(1, "only"), YES, YES)]) is Status.SOLVED
    assert before([Regraded("i", 1, attempt(1, "only"), None, YES)]) is Status.UNFINISHED

"""Facts for tests, short to write."""

from evalkit.core.failure import Failure
from evalkit.core.ladder import Ladder, Rung
from evalkit.core.types import Attempt, Candidate, Completion, Finding, Message, Prompt, Verdict


def ladder(**attempts: int) -> Ladder:
    return Ladder({name: Rung(f"scripted/{name}", attempts=count) for name, count in attempts.items()})


def attempt(
    number: int, rung: str, on_rung: int = 1, *, failure: Failure | None = Failure.RULE_VIOLATION, **more
) -> Attempt:
    verdict = Verdict(accepted=failure is None, failure=failure, findings=tuple(more.pop("findings", ())))
    none = (Failure.MODEL_UNAVAILABLE, Failure.RUNG_SKIPPED, Failure.EMPTY_RESPONSE)
    refused = failure if failure in none else None
    completion = Completion("answer", model=rung, failure=refused, **more)
    prompt = Prompt((Message("user", f"prompt {number}"),))
    return Attempt(number, rung, on_rung, prompt, completion, Candidate("answer"), verdict)


def finding(message: str, **more) -> Finding:
    return Finding(rule=message[:8], message=message, **more)

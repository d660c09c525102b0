"""Ports for tests of the orchestration, met by shape: what they do is set by plain functions."""

from evalkit.core.answer import candidate
from evalkit.core.ladder import Ladder, Rung
from evalkit.core.types import Completion, Instance, Message, Prompt, Verdict
from evalkit.run.health import examine, examine_all


class FunctionModel:
    """Answers with `answer(prompt)`; an exception that it returns is raised. Counts its calls."""

    simulated = True

    def __init__(self, answer):
        self.answer, self.calls = answer, 0

    async def complete(self, prompt):
        self.calls += 1
        reply = self.answer(prompt)
        if isinstance(reply, Exception):
            raise reply
        return (
            reply
            if isinstance(reply, Completion)
            else Completion(reply, cost_usd=1.0, tokens_prompt=2, tokens_completion=3)
        )

    async def check(self):
        return None


class PlainStrategy:
    """The task, and what was wrong with each earlier answer."""

    def prompt(self, instance, history, epoch, step):
        findings = [one.message for attempt in history for one in attempt.verdict.findings]
        return Prompt(
            (Message("user", "\n".join([instance.prompt, *findings, str(len(history))])),),
            instance.id,
            epoch,
            step.number,
        )

    def candidate(self, instance, completion):
        return candidate(instance.answer, completion)


class WordVerifier:
    """Accepts candidates that hold a word; `fault(candidate)` may name an exception to raise."""

    def __init__(self, word="right", fault=lambda _: None):
        self.word, self.fault, self.calls = word, fault, 0

    async def verify(self, instance, found):
        self.calls += 1
        error = self.fault(found)
        if error is not None:
            raise error
        accepted = found.failure is None and self.word in found.text
        return Verdict(accepted, None if accepted else found.failure or "rule_violation")

    def covers(self, instance):
        return ""


class Memory:
    """A journal that forgets when the test ends."""

    def __init__(self):
        self.records = {}

    def __contains__(self, key):
        return key in self.records

    def recorded(self):
        return tuple(self.records)

    async def once(self, key, kind, effect, *args):
        if key not in self.records:
            self.records[key] = await effect(*args)
        return self.records[key]


def instances(count):
    return tuple(Instance(f"i{number}", f"task {number}") for number in range(count))


def rungs(**attempts):
    return Ladder({name: Rung(f"scripted/{name}", attempts=count) for name, count in attempts.items()})


async def faults_of(instance, verifier, **how):
    """What is wrong with an instance; nothing if it is healthy."""
    return (await examine(instance, verifier, **how)).faults


async def unhealthy(instances, verifier, concurrency=2):
    """The faults of each instance that has any, by id."""
    found = await examine_all(instances, verifier, concurrency)
    return {name: one.faults for name, one in found.items() if one.faults}

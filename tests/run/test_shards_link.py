"""Messages between a run and its workers: whole however they are cut, the same after the way, heard to the last one."""

import asyncio
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.core.edits import Tree
from evalkit.core.errors import BudgetError, ProviderTimeoutError, QuotaError, SandboxError
from evalkit.core.failure import Failure
from evalkit.core.types import (
    Attempt,
    Candidate,
    Completion,
    Finding,
    Grading,
    Instance,
    Message,
    Outcome,
    Prompt,
    Solution,
    Status,
    TestResult,
    Verdict,
)
from evalkit.run import shards_messages as say
from evalkit.run.gates import PutOff
from evalkit.run.shards_link import Link
from evalkit.run.stopping import Stopped

GRADING = Grading("g", ("pass",), 1.0, 1.0, requests=1)


class Wire:
    """Keeps what is written."""

    def __init__(self):
        self.data = b""

    def write(self, data):
        self.data += data

    def is_closing(self):
        return False


async def sent(messages, kind):
    link = Link(kind, lambda _: None, lambda: None)
    link._transport = Wire()
    for message in messages:
        link.send(message)
    link._flush()
    return link._transport.data


@given(st.lists(st.tuples(st.integers(0, 2**40), st.text(max_size=300)), max_size=8), st.lists(st.integers(1, 40)))
def test_messages_are_heard_once_and_in_order_however_the_stream_is_cut(told, cuts):
    messages = [say.Record(number, 1, text.encode("utf-8", "replace").decode(), b"{}") for number, text in told]
    data, heard = asyncio.run(sent(messages, say.Down)), []
    link = Link(say.Up, heard.append, lambda: None)
    while data:
        size = cuts.pop() if cuts else len(data)
        link.data_received(data[:size])
        data = data[size:]
    assert heard == messages


async def test_what_was_sent_before_the_end_is_heard_although_a_write_to_it_failed():
    ours, theirs = socket.socketpair()
    heard, lost = [], asyncio.Event()
    link = Link(say.Up, heard.append, lost.set)
    await asyncio.get_running_loop().create_connection(lambda: link, sock=ours)
    theirs.sendall(await sent([say.Want(1), say.Want(2)], say.Up))
    theirs.close()
    link.send(say.Go(1))
    link._flush()  # before anything was read
    await asyncio.wait_for(lost.wait(), 10)
    assert heard == [say.Want(1), say.Want(2)]


@pytest.mark.parametrize(
    "error",
    [
        QuotaError("used up", retry_after_s=3.5, requests=2),
        ProviderTimeoutError("slow", requests=3),
        SandboxError("no sandbox"),
        BudgetError("limits.calls=4 is reached"),
        PutOff("down", 12.5, is_first=True),
        Stopped(),
    ],
)
def test_an_error_is_the_same_after_the_way(error):
    if isinstance(error, SandboxError):
        error.spent = (GRADING,)
    (message,) = there_and_back([say.Answered(1, error=say.fault(error))])
    again = say.raised(message.error)
    assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(error))


def there_and_back(messages):
    heard = []
    Link(say.Up, heard.append, lambda: None).data_received(asyncio.run(sent(messages, say.Up)))
    return heard


def test_a_climb_is_the_same_after_the_way_also_what_it_edited():
    instance = Instance("i", "p", files={"a.py": "1\n", "b.py": "2\n"})
    tree = Tree(instance.files)
    tree["a.py"], tree["new.py"] = "3\n", "4\n"
    del tree["b.py"]
    verdict = Verdict(
        accepted=False,
        failure=Failure.TEST_FAILURE,
        findings=(Finding("r", "m", line=3),),
        tests=(TestResult("t", Outcome.FAILED, "no"),),
        gradings=(GRADING,),
    )
    prompt = Prompt((Message("user", "say"),), "i", 2, 1, files=("a.py",))
    attempts = tuple(
        Attempt(number, "rung", number, prompt, Completion("text", cost_usd=0.5), candidate, verdict)
        for number, candidate in enumerate([Candidate("c", files=tree), Candidate("", failure=Failure.NO_ANSWER)], 1)
    )
    solution = Solution("i", 2, Status.UNSOLVED, "max_attempts", attempts)
    bare, edited = say.without_files(solution)
    (message,) = there_and_back([say.Ended(1, bare, (), (GRADING,), edited)])
    again = say.with_files(message.solution, message.edited, instance)
    files = again.attempts[0].candidate.files
    assert isinstance(files, Tree)
    assert (files.changed, dict(files)) == (tree.changed, dict(tree))
    assert say.without_files(again) == (bare, edited)

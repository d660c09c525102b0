"""Workers of a run in the test's own event loop, each at the other end of a real pair of sockets."""

import asyncio
import socket

from evalkit.run import shards_messages as say
from evalkit.run.climbed import Climb
from evalkit.run.evaluate import Evaluation, Plan
from evalkit.run.guarded import guarded
from evalkit.run.shards import Crew, Ground
from evalkit.run.shards_calls import elsewhere
from evalkit.run.shards_link import Link
from evalkit.run.shards_worker import ShardJournal, Shared, Worker


class Here:
    """Starts workers that climb with `climb`'s models, strategy and verifier; counts them."""

    def __init__(self, climb, instances, concurrency):
        self.climb, self.instances, self.concurrency = climb, {one.id: one for one in instances}, concurrency
        self.started, self.graders = [], None

    async def start(self, number, link):
        ours, theirs = socket.socketpair()
        loop = asyncio.get_running_loop()
        await loop.create_connection(lambda: link, sock=ours)
        one = Process(self, theirs)
        await loop.create_connection(lambda: one.link, sock=theirs)
        self.started.append(one)
        return one

    async def join(self):
        return None

    async def close(self):
        return None


class Process:
    """One of them, which may be killed."""

    def __init__(self, here, end):
        self.here = here
        self.link = Link(say.Down, self._heard, self._lost)
        self.worker = self.working = None
        self.gone = asyncio.Event()

    def _heard(self, message):
        if isinstance(message, say.Setup):
            self.worker = Worker(self.link.send, message, self.here.instances)
            self.link.send(say.Ready(message.key, "here"))
        elif isinstance(message, say.Begin):
            self.working = asyncio.create_task(self._work())
        else:
            self.worker.heard(message)

    async def _work(self):
        climb = self.here.climb
        judge = getattr(climb.verifier, "asking", lambda _: climb.verifier)(self.worker.graders(self.here.graders))
        try:
            await self.worker.run(
                Climb(
                    climb.ladder,
                    climb.max_attempts,
                    climb.models,
                    climb.strategy,
                    judge,
                    ShardJournal(say.Job(0, "", 0), self.worker),
                ),
                Shared(None, self.here.concurrency, None),
            )
        except* Exception as group:  # noqa: BLE001  it is told, as a worker does
            self.link.send(say.Broken(say.fault(group.exceptions[0])))

    def _lost(self):
        if self.working is not None:
            self.working.cancel()
        self.gone.set()

    async def ended(self):
        await self.gone.wait()
        return "killed by the test"

    def kill(self):
        """As kill -9 does: nothing more is sent, and nothing under way is heard of again."""
        if self.working is not None:
            self.working.cancel()
        self.link.abort()


def crew_for(climb, instances, count, concurrency=2, *, capped=False, said=None):
    """A crew, and how its workers are started."""
    here = Here(climb, instances, concurrency)

    def setup(number):
        return say.Setup("key", {}, {}, None, number, count, capped, capped, together=True)

    return Crew(here, count, setup, (said if said is not None else []).append), here


def sharded(climb, instances, count, *, epochs=1, identical=3, quarantined=None, spending=None, said=None, **more):
    """An evaluation whose climbs are made by `count` workers, with its crew and its workers' starter."""
    crew, here = crew_for(climb, instances, count, capped=spending is not None, said=said, **more)
    here.preparing = asyncio.get_running_loop().create_task(crew.prepare())
    crew.stand(Ground(climb.journal, None, {}, ()))
    asked = Climb(
        climb.ladder,
        climb.max_attempts,
        guarded(climb.models, elsewhere),
        climb.strategy,
        climb.verifier,
        climb.journal,
    )
    plan = Plan(instances, epochs, 2, identical, quarantined or {})
    return Evaluation(plan, asked, (), spending=spending, crew=crew), crew, here

"""A model's first request goes ahead alone: whether it can be had at all is asked once, not by every climb."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

PATIENCE_S = 2.0  # "no such model" comes sooner; who waits longer waits for an answer, and need not
NEAR_S = 0.05  # the same of a server of one's own, which looks a name up in milliseconds


class FirstAlone:
    """Holds back all requests but the first, until that one has ended (however it did) or `patience_s` are over.

    A first request that was cancelled has found nothing out: the next one goes ahead in its place. For one
    event loop's thread, hence without a lock.
    """

    def __init__(self) -> None:
        self.patience_s = PATIENCE_S
        self._open = False
        self._ahead: asyncio.Future[None] | None = None

    async def run(self, send: Callable[[], Awaitable[T]]) -> T:
        """What `send` returns or raises, in its turn."""
        while not self._open:
            if self._ahead is None:
                return await self._lead(send)
            await asyncio.shield(self._ahead)  # one of those who wait may be cancelled alone
        return await send()

    async def _lead(self, send: Callable[[], Awaitable[T]]) -> T:
        loop = asyncio.get_running_loop()
        ahead = self._ahead = loop.create_future()
        timer = loop.call_later(self.patience_s, self._let_in, ahead)
        try:
            result = await send()
        except asyncio.CancelledError:
            raise
        except BaseException:
            self._open = True
            raise
        else:
            self._open = True
            return result
        finally:
            timer.cancel()
            self._ahead = None
            _wake(ahead)

    def _let_in(self, ahead: asyncio.Future[None]) -> None:
        self._open = True
        _wake(ahead)


def _wake(ahead: asyncio.Future[None]) -> None:
    if not ahead.done():
        ahead.set_result(None)

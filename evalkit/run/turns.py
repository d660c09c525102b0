"""A line of those who wait for their turn, first come, first served."""

import asyncio
from collections import deque
from collections.abc import Callable


class Turns:
    """For one event loop's thread, hence without a lock.

    `admit` lets in, by `next`, as many as may go; `left` takes a turn back from who was cancelled just when he got it.
    """

    def __init__(self, admit: Callable[[], None], left: Callable[[], None]) -> None:
        self._admit, self._left = admit, left
        self._waiting: deque[asyncio.Future[None]] = deque()

    def __bool__(self) -> bool:
        """Whether anybody waits; who was cancelled meanwhile may still be counted."""
        return bool(self._waiting)

    async def wait(self) -> None:
        """Until it is one's turn. Raises what `send_away` was given."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        self._admit()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self._left()
            raise

    def next(self) -> bool:
        """Let in who came first; False where nobody waits."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():  # else cancelled while it waited
                turn.set_result(None)
                return True
        return False

    def send_away(self, error: Callable[[], Exception]) -> None:
        """End everybody's waiting with an error."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_exception(error())

"""What of an instance's files goes into the prompt, under a token budget, and what was dropped."""

from collections.abc import Callable, Iterator
from itertools import chain

from evalkit.core.context.bags import Memory
from evalkit.core.context.cut import head, outline, parts
from evalkit.core.context.ground import Ground
from evalkit.core.context.named import named
from evalkit.core.context.picks import Chosen, Excerpt, Pick
from evalkit.core.context.ranking import ranking
from evalkit.core.context.settings import Context, Source
from evalkit.core.context.sources import picks
from evalkit.core.ladder import Rung
from evalkit.core.types import Instance

__all__ = ["Chosen", "Context", "Excerpt", "Source", "choose"]

Count = Callable[[str], int]
LISTED = 20  # dropped files that are named; of the others, how many
SMALL = 200  # files: more are no small repository, whatever the budget
LEAST = 150  # tokens: a file in less room says nothing, unless the budget is small itself
REFUSALS = 10  # files in a row that did not fit, after which nobody looks for a smaller one
_CHOSEN: Memory[Chosen] = Memory(100_000_000, lambda one: sum(len(file.text) for file in one.files) + 1000)


def choose(context: Context, instance: Instance, rung: Rung, count_tokens: Count) -> Chosen:
    """The files that go in, best first, under the budget. The same inputs give the same bytes."""
    room = context.tokens
    if rung.context_tokens is not None:
        room = max(0, min(room, rung.context_tokens - rung.max_tokens))
    if context.kind == "none":
        return Chosen()
    if context.kind == "files":
        return _in_order(instance, room, count_tokens)
    ground = Ground(context, instance)
    if ground.key is None:
        return _Filling(ground, room, count_tokens).chosen()
    key = (ground.key, repr(context), instance.gold if context.knows_the_answer else "", room, count_tokens)
    return _CHOSEN.get(key, lambda: _Filling(ground, room, count_tokens).chosen())


def _in_order(instance: Instance, room: int, count: Count) -> Chosen:
    """Take files in order until the budget is spent; one that does not fit is cut at a line's end."""
    kept: list[Excerpt] = []
    dropped: list[str] = []
    for path, text in instance.files.items():
        if room <= 0 and len(dropped) >= LISTED:
            return Chosen(tuple(kept), (*dropped, f"and {len(instance.files) - len(kept) - len(dropped)} more files"))
        part = head(path, text, room, count) if room > 0 else None
        if part is not None:
            room -= part.tokens
            kept.append(part)
        if part is None or part.text != text:
            dropped.append(f"{path}: {len(text) - len(part.text if part else '')} of {len(text)} characters")
    return Chosen(tuple(kept), tuple(dropped))


class _Filling:
    """The budget while sources fill it."""

    def __init__(self, ground: Ground, room: int, count: Count) -> None:
        self._ground = ground
        self._all = room
        self._room = room
        self._count = count
        self._kept: dict[str, Excerpt] = {}
        self._refused: dict[str, None] = {}

    def chosen(self) -> Chosen:
        """Fill by the sources' shares, then with what shares left over."""
        plan = self._ground.context.plan()
        whole = self._fits()
        for source in plan:
            self._take(source, self._all if whole or source.share is None else int(source.share * self._all))
        for source in plan:
            if source.share is not None and not whole:
                self._take(source, self._room)
        if whole and any(source.kind in {"keyword", "head"} for source in plan):
            self._rest()
        return Chosen(tuple(self._kept.values()), tuple(self._dropped()))

    def _fits(self) -> bool:
        """Whether all files fit, so that nothing needs to be cut."""
        if len(self._ground.paths) > SMALL:
            return False
        size = 0
        for path in self._ground.paths:
            size += len(self._ground.text(path))
            if size > 8 * self._all:
                return False
        return sum(self._count(self._ground.text(path)) for path in self._ground.paths) <= self._all

    def _take(self, source: Source, share: int) -> None:
        """Take picks until the share, or the room, is spent."""
        left, refusals = min(share, self._room), 0
        least = min(LEAST, self._all // 10)
        for pick in picks(source.kind, self._ground, tuple(self._kept)):
            if left <= least or refusals > REFUSALS:
                break
            if pick.path in self._kept:
                continue
            part = self._cut(pick, self._portion(left))
            if part is None:
                self._refused.setdefault(pick.path)
                refusals += 1
                continue
            refusals = 0
            self._keep(part)
            left -= part.tokens

    def _portion(self, left: int) -> int:
        """What one file may take."""
        if self._ground.context.cut == "head":
            return left
        return min(left, max(int(self._ground.context.file_share * self._all), LEAST))

    def _cut(self, pick: Pick, room: int) -> Excerpt | None:
        text = self._ground.files[pick.path] if pick.path not in self._ground.known else self._ground.text(pick.path)
        if pick.outline:
            return outline(pick, text, room, self._count)
        if self._ground.context.cut == "head" or self._ground.context.kind == "head":
            return head(pick.path, text, room, self._count)
        named_lines = {one.pick.path: one.pick.lines for one in named(self._ground)}.get(pick.path, ())
        pick = Pick(pick.path, tuple(dict.fromkeys((*pick.lines, *named_lines))))
        return parts(pick, text, room, self._count, ranking(self._ground, self._ground.first, "first").weights)

    def _keep(self, part: Excerpt) -> None:
        self._room -= part.tokens
        self._kept[part.path] = part
        self._refused.pop(part.path, None)

    def _rest(self) -> None:
        """What no source picked, where all fits."""
        for path in chain(self._ground.first, self._ground.last):
            if path not in self._kept and (part := head(path, self._ground.text(path), self._room, self._count)):
                self._keep(part)

    def _dropped(self) -> Iterator[str]:
        """What was cut, then what was left out, by the sources' order as far as they were asked."""
        for part in self._kept.values():
            if not part.whole:
                lines = self._ground.files[part.path].count("\n") + 1
                said = ", ".join(f"{first}-{last}" for first, last in part.spans) or "an outline"
                yield f"{part.path}: cut to {'lines ' if part.spans else ''}{said} of {lines}"
        ranked = dict.fromkeys(chain(self._refused, self._next()))
        left = [path for path in ranked if path not in self._kept]
        yield from (f"{path}: no room" for path in left[:LISTED])
        if (more := len(self._ground.known - set(self._kept)) - len(left[:LISTED])) > 0:
            yield f"and {more} more files"

    def _next(self) -> Iterator[str]:
        """What would have come next."""
        for source in self._ground.context.plan():
            for at, pick in enumerate(picks(source.kind, self._ground, tuple(self._kept))):
                if at >= LISTED + len(self._kept):
                    break
                yield pick.path

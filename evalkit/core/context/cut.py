"""A file cut to what matters: whole definitions around named lines and the problem's words, in the file's order."""

from collections.abc import Callable, Iterable, Iterator, Mapping

from evalkit.core.context.code import Block, blocks
from evalkit.core.context.picks import Excerpt, Pick
from evalkit.core.context.words import words

Count = Callable[[str], int]
DENSEST = 16  # characters a token: nobody counts what cannot fit, for exact counts are slow
MARK = 12  # tokens of a mark for what is left out
MISSES = 8  # parts that did not fit, after which nobody looks for smaller ones
NAMED, CALLED = 1000.0, 3.0  # what a named line is worth, and a name in the problem, times its word's weight
ENOUGH = 0.1  # of the best part's worth: what is worth less stays out
LONG = 120  # lines: a part of so many is shown around its named lines only
AROUND = 15


def head(path: str, text: str, room: int, count: Count) -> Excerpt | None:
    """The longest run of whole lines from the top that fits into `room` tokens (binary search)."""
    if (all_of_it := _whole(path, text, room, count)) is not None or not text:
        return all_of_it
    lines = text[: room * DENSEST].splitlines(keepends=True)
    low, high, size = 0, len(lines), 0
    while low < high:
        middle = (low + high + 1) // 2
        if (counted := count("".join(lines[:middle]))) <= room:
            low, size = middle, counted
        else:
            high = middle - 1
    return Excerpt(path, "".join(lines[:low]), 1, ((1, low),), whole=False, tokens=size) if low else None


def parts(pick: Pick, text: str, room: int, count: Count, weights: Mapping[str, float]) -> Excerpt | None:
    """The file whole if it fits into `room` tokens, else its best parts that do."""
    if not text or room <= 0 or (all_of_it := _whole(pick.path, text, room, count)) is not None:
        return all_of_it if text and room > 0 else None
    lines = text.split("\n")
    taken: list[Block] = []
    left, missed = room, 0
    for block in _ranked(pick, lines, blocks(pick.path, text), weights):
        own = count("\n".join(lines[at - 1] for at in (*block.heads, *range(block.start, block.end + 1)))) + MARK
        if own <= left:
            taken.append(block)
            left -= own
        elif (missed := missed + 1) > MISSES:
            break
    while taken:
        shown, spans = _shown(lines, taken)
        if (size := count(shown)) <= room:
            return Excerpt(pick.path, shown, spans[0][0], spans, whole=False, tokens=size)
        taken.pop()
    return None


def _whole(path: str, text: str, room: int, count: Count) -> Excerpt | None:
    """The file whole, if it fits."""
    if not text or len(text) > room * DENSEST or (size := count(text)) > room:
        return None
    return Excerpt(path, text, 1, ((1, _lines(text)),), tokens=size)


def outline(pick: Pick, text: str, room: int, count: Count) -> Excerpt | None:
    """The heads of classes and functions with their docstrings' first lines; None if that does not fit."""
    lines = text.split("\n")
    kept: list[int] = []
    for block in blocks(pick.path, text):
        if block.body:
            first = next((at for at in range(block.start, block.end + 1) if block.name in lines[at - 1]), block.start)
            kept += range(first, min(max(block.body, first + 1), first + 6))
            docstring = lines[block.body - 1].strip() if block.body <= block.end else ""
            kept += [block.body] * docstring.startswith(('"""', "'''", 'r"""'))
    shown = "\n".join(lines[at - 1] for at in sorted(set(kept)))
    marked = f"… (an outline; bodies are left out)\n{shown}\n"
    if not shown or len(marked) > room * DENSEST or (size := count(marked)) > room:
        return None
    return Excerpt(pick.path, marked, whole=False, tokens=size)


def _ranked(pick: Pick, lines: list[str], found: list[Block], weights: Mapping[str, float]) -> Iterator[Block]:
    """The parts worth showing, best first."""
    narrow = [part for block in found for part in _narrowed(block, pick.lines)]
    worth = {block: _worth(block, pick, lines, weights) for block in narrow}
    best = sorted(narrow, key=lambda block: (-worth[block], block.start))
    least = ENOUGH * max((one for one in worth.values() if one < NAMED), default=0.0)
    some = worth[best[0]] > 0  # else nothing speaks for any part: the file from its top
    yield from (block for block in best if worth[block] >= least and (worth[block] > 0 or not some))


def _narrowed(block: Block, named: Iterable[int]) -> Iterator[Block]:
    """A long part as what stands around its named lines."""
    inside = [line for line in named if block.start <= line <= block.end]
    if block.end - block.start < LONG:
        yield block
        return
    size = 2 * AROUND
    for start in range(block.start, block.end + 1, size):
        end = min(block.end, start + size - 1)
        heads = block.heads if start == block.start else (*block.heads, *([block.start] if block.name else []))
        yield Block(
            start, end, block.name if start == block.start or any(start <= at <= end for at in inside) else "", heads
        )


def _worth(block: Block, pick: Pick, lines: list[str], weights: Mapping[str, float]) -> float:
    text = "\n".join(lines[block.start - 1 : block.end])
    length = block.end - block.start + 1
    said = sum(weights[word] * times / (times + 1.0) for word, times in words(text).items() if word in weights)
    called = sum(weights.get(word, 0.0) for word in words(block.name)) if block.name else 0.0
    lines_named = sum(block.start <= line <= block.end for line in pick.lines)
    return said / (0.75 + 0.25 * length / 20) + CALLED * called + NAMED * lines_named


def _shown(lines: list[str], taken: list[Block]) -> tuple[str, tuple[tuple[int, int], ...]]:
    """The parts in the file's order, a mark for what is left out between them."""
    wanted = {at for block in taken for at in (*range(block.start, block.end + 1), *block.heads)}
    count = len(lines) - (lines[-1] == "")
    spans: list[tuple[int, int]] = []
    for at in sorted(one for one in wanted if 1 <= one <= count):
        if spans and not any(line.strip() for line in lines[spans[-1][1] : at - 1]):
            spans[-1] = (spans[-1][0], at)
        else:
            spans.append((at, at))
    text, before = [], 0
    for first, last in spans:
        if first > before + 1:
            text.append(_mark(before + 1, first - 1))
        text += lines[first - 1 : last]
        before = last
    if before < count:
        text.append(_mark(before + 1, count))
    return "\n".join(text) + "\n", tuple(spans)


def _mark(first: int, last: int) -> str:
    return f"… (line {first} left out)" if first == last else f"… (lines {first} to {last} left out)"


def _lines(text: str) -> int:
    return text.count("\n") + (not text.endswith("\n"))

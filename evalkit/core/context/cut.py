"""A file cut to what matters: whole definitions around named lines and the problem's words, in the file's order."""

from collections.abc import Callable, Iterable, Iterator, Mapping

from evalkit.core.context.code import Block, blocks
from evalkit.core.context.picks import Excerpt, Pick
from evalkit.core.context.words import words

Count = Callable[[str], int]
CHARACTERS = 3.0  # a token of code at least, about: an estimate first, for exact counts are slow
NAMED, CALLED = 1000.0, 3.0  # what a named line is worth, and a name in the problem, times its word's weight
ENOUGH = 0.1  # of the best part's worth: what is worth less stays out
LONG = 120  # lines: a part of so many is shown around its named lines only
AROUND = 15


def head(path: str, text: str, room: int, count: Count) -> Excerpt | None:
    """The longest run of whole lines from the top that fits into `room` tokens (binary search)."""
    if len(text) <= room * 8 and count(text) <= room:  # nobody counts what cannot fit
        return Excerpt(path, text, 1, ((1, _lines(text)),)) if text else None
    lines = text[: room * 40].splitlines(keepends=True)
    low, high = 0, len(lines)
    while low < high:
        middle = (low + high + 1) // 2
        if count("".join(lines[:middle])) <= room:
            low = middle
        else:
            high = middle - 1
    return Excerpt(path, "".join(lines[:low]), 1, ((1, low),), whole=False) if low else None


def parts(pick: Pick, text: str, room: int, count: Count, weights: Mapping[str, float]) -> Excerpt | None:
    """The file whole if it fits into `room` tokens, else its best parts that do."""
    if not text or room <= 0:
        return None
    if len(text) <= room * 8 and count(text) <= room:
        return Excerpt(pick.path, text, 1, ((1, _lines(text)),))
    lines = text.split("\n")
    ranked = list(_ranked(pick, lines, blocks(pick.path, text), weights))
    size = 0.0
    taken: list[Block] = []
    for block in ranked:
        size += sum(len(line) + 1 for line in lines[block.start - 1 : block.end]) / CHARACTERS
        if size > 2 * room and taken:
            break
        taken.append(block)
    low, high = 0, len(taken)
    while low < high:
        middle = (low + high + 1) // 2
        if count(_shown(lines, taken[:middle])[0]) <= room:
            low = middle
        else:
            high = middle - 1
    if not low:
        return None
    shown, spans = _shown(lines, taken[:low])
    return Excerpt(pick.path, shown, spans[0][0], spans, whole=False)


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
    if not shown or len(marked) > room * 8 or count(marked) > room:
        return None
    return Excerpt(pick.path, marked, whole=False)


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

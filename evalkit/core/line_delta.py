"""One text as what it keeps, drops and adds of another, line by line: the difference, and a way to store it small."""

from collections.abc import Sequence

Delta = list[int | str]


def delta(before: str, after: str) -> Delta:
    """How `after` comes from `before`: n keeps n lines, -n drops n, a text adds its lines. Drops go before adds.

    The shortest such script (longest common subsequence of lines; Myers 1986, Algorithmica 1:251), by rapidfuzz.
    """
    from rapidfuzz.distance import Indel  # noqa: PLC0415  10 ms that few commands need

    old, new = before.split("\n"), after.split("\n")
    head = _common(old, new)
    tail = _common(old[head:][::-1], new[head:][::-1])
    old_middle, new_middle = old[head : len(old) - tail], new[head : len(new) - tail]
    script: Delta = [head] if head else []
    dropped, added = 0, list[str]()
    for step in Indel.opcodes(old_middle, new_middle):
        length = step.src_end - step.src_start
        if step.tag == "equal":
            script += [*_change(dropped, added), length]
            dropped, added = 0, []
        else:
            dropped, added = dropped + length, added + new_middle[step.dest_start : step.dest_end]
    return [*script, *_change(dropped, added), *([tail] if tail else [])]


def applied(before: str, script: Delta) -> str:
    """The text that `delta` was told of."""
    old, new, at = before.split("\n"), list[str](), 0
    for step in script:
        if isinstance(step, str):
            new += step.split("\n")
        else:
            new += old[at : at + step] if step > 0 else []
            at += abs(step)
    return "\n".join(new)


def _common(one: Sequence[str], other: Sequence[str]) -> int:
    """How many lines the two begin with alike."""
    for number, (left, right) in enumerate(zip(one, other, strict=False)):
        if left != right:
            return number
    return min(len(one), len(other))


def _change(dropped: int, added: list[str]) -> Delta:
    return [*([-dropped] if dropped else []), *(["\n".join(added)] if added else [])]

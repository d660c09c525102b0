"""Files in the order in which their words match a problem's: BM25 by bm25s (Lucene's variant)."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from evalkit.core.context.bags import Bag, Memory, bag, content
from evalkit.core.context.ground import Ground
from evalkit.core.context.words import number, path_words, words

K1, B = 1.5, 0.75  # bm25s' own; on SWE-bench Lite 0.5 and 0.9 for b, 2.5 and 3 for k1 ranked no better
REPEATS = 3  # how often a word of the problem counts at most: logs and tables repeat theirs
TITLE = 2  # the words of the first line count so often once more
PATH = 5  # a word of the path counts as so many in the text
FILLER = 0  # stands for all words that the problem does not have


@dataclass(frozen=True, slots=True)
class Ranking:
    """Paths, best first, with scores (1: the best one's), and what each word of the problem says.

    A word's weight is its inverse document frequency.
    """

    paths: tuple[str, ...]
    scores: tuple[float, ...]
    weights: Mapping[str, float]


_RANKINGS: Memory[Ranking] = Memory(1_000_000, lambda one: len(one.paths))  # paths are the files' own strings


def ranking(ground: Ground, paths: Sequence[str], part: str) -> Ranking:
    """The `part` of the ground's files that `paths` are, ranked by the problem."""
    if ground.key is None:
        return _rank(ground, paths)
    return _RANKINGS.get((*ground.key, part), lambda: _rank(ground, paths))


def asked(prompt: str) -> Counter[str]:
    """The problem's words with their counts; its first line is its title."""
    counted = Counter({word: min(times, REPEATS) for word, times in words(prompt).items()})
    for word, times in words(prompt.strip().partition("\n")[0]).items():
        counted[word] += TITLE * times
    return counted


def _rank(ground: Ground, paths: Sequence[str]) -> Ranking:
    query = asked(ground.instance.prompt)
    if not query or not paths:
        return Ranking(tuple(paths), (0.0,) * len(paths), {})
    import numpy as np  # noqa: PLC0415  both take 0.6 s that runs without a repository need not pay
    from bm25s import BM25  # noqa: PLC0415

    wanted = {word: at for at, word in enumerate(sorted(query), 1)}
    ordered = sorted((number(word), at) for word, at in wanted.items())
    numbers = np.array([one for one, _ in ordered], dtype=np.uint32)
    places = [at for _, at in ordered]
    documents = []
    for path in paths:
        counted = bag(content(ground.files, path), lambda path=path: ground.text(path))  # type: ignore[misc]
        documents.append(_document(counted, path, wanted, numbers, places))
    if not any(documents):
        return Ranking(tuple(paths), (0.0,) * len(paths), {})
    index = BM25(k1=K1, b=B, method="lucene", backend="numpy")
    index.index((documents, {**wanted, "": FILLER}), show_progress=False)
    scores = index.get_scores_from_ids([at for word, at in wanted.items() for _ in range(query[word])])
    order = sorted(range(len(paths)), key=lambda at: (-float(scores[at]), paths[at]))
    having = Counter(at for document in documents for at in set(document))
    weights = {word: float(np.log(1 + len(paths) / (1 + having[at]))) for word, at in wanted.items()}
    best = float(scores[order[0]]) or 1.0
    return Ranking(tuple(paths[at] for at in order), tuple(float(scores[at]) / best for at in order), weights)


def _document(counted: Bag, path: str, wanted: Mapping[str, int], numbers: object, places: Sequence[int]) -> list[int]:
    """A file as the problem's words, each as often as it has it, and fillers for the rest of its length."""
    import numpy as np  # noqa: PLC0415  as above

    _, here, there = np.intersect1d(counted.numbers, numbers, assume_unique=True, return_indices=True)  # type: ignore[call-overload]
    document = [FILLER] * (counted.length - int(counted.counts[here].sum()))
    for at, times in zip(there.tolist(), counted.counts[here].tolist(), strict=True):
        document += [places[at]] * times
    for word in path_words(path):
        if word in wanted:
            document += [wanted[word]] * PATH
    return document

"""The settings of a context: which sources, in which order, under how many tokens."""

from dataclasses import dataclass, field
from difflib import get_close_matches

SOURCES = ("head", "keyword", "traceback", "combined", "imports", "signatures", "tests", "oracle_files")
KINDS = ("none", "files", "sources", *SOURCES)
CUTS = ("parts", "head")
INCLUDE = (
    "*.py", "*.pyx", "*.pyi", "*.js", "*.jsx", "*.mjs", "*.ts", "*.tsx", "*.rs", "*.go", "*.java", "*.kt", "*.scala",
    "*.c", "*.h", "*.cc", "*.cpp", "*.hpp", "*.cs", "*.rb", "*.php", "*.swift", "*.lua", "*.sql", "*.sh",
)  # fmt: skip
LAST = (
    "test/*", "tests/*", "testing/*", "*/test/*", "*/tests/*", "*/testing/*", "test_*.*", "*/test_*.*", "*_test.*",
    "conftest.py", "*/conftest.py", "doc/*", "docs/*", "*/doc/*", "*/docs/*", "example/*", "examples/*", "*/examples/*",
    "benchmarks/*", "*/benchmarks/*", "*/migrations/[0-9]*", "vendor/*", "*/vendor/*", "*/_vendor/*", "third_party/*",
    "*/third_party/*", "extern/*", "*/extern/*", "*/externals/*", "node_modules/*", "*/node_modules/*", "*/locale/*",
    "*/static/*", "*.min.*", "*_pb2.py",
)  # fmt: skip


@dataclass
class Source:
    """One source of a context. `share`: the part of the budget that it may take; null: all that is left."""

    kind: str
    share: float | None = None

    def __post_init__(self) -> None:
        """Refuse what can never work. Raises ValueError."""
        if self.kind not in SOURCES:
            raise ValueError(f"context.sources: {_unknown(self.kind, SOURCES)}")
        if self.share is not None and not 0 < self.share <= 1:
            raise ValueError(f"context.sources: {self.kind} has share {self.share}; it must be above 0 and at most 1")


@dataclass
class Context:
    """What of an instance's files goes into the prompt, `tokens` in all.

    `kind`: `none`; `files` (the instance's own files, in order, whole lines from the top of each); one of the
    sources `head`, `keyword`, `traceback`, `combined` (these two in one ranking), `imports`, `signatures`, `tests`,
    `oracle_files`; or `sources`: several of them as `sources` lists them, by name or as
    `{kind: keyword, share: 0.5}`. A file is shown once, where the first source put it. What shares left over goes to
    the sources again, in order.

    `tokens` are counted approximately (cl100k); a rung with `context_tokens` takes less where its window, less its
    `max_tokens`, is smaller. `cut`: a file that is too big gives the `parts` that matter to the problem (whole
    functions, around named lines), or its `head`. No file but the last one takes more than `file_share` of the
    budget. Of a repository, files that match `include` are looked at, and those that match `last` (tests, documents,
    vendored and generated files) only after all others. Where all files fit, all are shown.
    """

    kind: str = "files"
    tokens: int = 2000
    sources: list[str | Source] = field(default_factory=list)
    cut: str = "parts"
    file_share: float = 0.25
    include: list[str] = field(default_factory=lambda: list(INCLUDE))
    last: list[str] = field(default_factory=lambda: list(LAST))

    def __post_init__(self) -> None:
        """Refuse what can never work. Raises ValueError."""
        if self.kind not in KINDS:
            raise ValueError(f"context.kind is {_unknown(self.kind, KINDS)}")
        if self.tokens < 0:
            raise ValueError(f"context.tokens is {self.tokens}; it must be at least 0")
        if self.cut not in CUTS:
            raise ValueError(f"context.cut is {self.cut!r}; it must be one of {', '.join(CUTS)}")
        if not 0 < self.file_share <= 1:
            raise ValueError(f"context.file_share is {self.file_share}; it must be above 0 and at most 1")
        if bool(self.sources) != (self.kind == "sources"):
            raise ValueError(
                f"context.kind is {self.kind!r} and context.sources is {self.sources!r}; several sources are "
                "kind=sources with a list of them, e.g. context=repo 'context.sources=[traceback,keyword]'"
            )
        self.plan()

    def plan(self) -> tuple[Source, ...]:
        """The sources in order; none for `none` and `files`. Raises ValueError for a name that is none."""
        if self.kind == "sources":
            return tuple(one if isinstance(one, Source) else Source(one) for one in self.sources)
        return (Source(self.kind),) if self.kind in SOURCES else ()

    @property
    def tag(self) -> str:
        """What a run's tag says of it: `oracle`, or the kinds."""
        return "oracle" if self.knows_the_answer else "+".join(one.kind for one in self.plan()) or self.kind

    @property
    def knows_the_answer(self) -> bool:
        """Whether the known-good patch decides what is shown: such a run is an ablation, and tagged."""
        return any(source.kind == "oracle_files" for source in self.plan())


def _unknown(value: str, known: tuple[str, ...]) -> str:
    near = get_close_matches(value, known, 1)
    meant = f"; did you mean {near[0]!r}?" if near else ""
    return f"{value!r}; it must be one of {', '.join(known)}{meant}"

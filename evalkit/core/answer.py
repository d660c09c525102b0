"""How a candidate is taken out of a completion: pure text work, and never a guess."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches

from evalkit.core.edits import apply, guarded, is_edit
from evalkit.core.edits.forms import ANY, EDIT_FORMS
from evalkit.core.failure import Failure
from evalkit.core.types import Candidate, Completion, Instance

FENCE = re.compile(
    r"^[ \t]*(?P<mark>`{3,}|~{3,})[ \t]*(?P<language>[\w+#.-]*)[^\n]*\n"
    r"(?P<body>.*?)(?P<end>^[ \t]*(?P=mark)[`~]*[ \t]*$|\Z)",
    re.MULTILINE | re.DOTALL,
)
ALIASES = {
    "py": "python",
    "python3": "python",
    "sqlite": "sql",
    "sqlite3": "sql",
    "js": "javascript",
    "ts": "typescript",
    "rs": "rust",
}
# No list of what is allowed: any word is. It is long so that few real languages look like slips of others.
LANGUAGES = frozenset(
    """ada agda apl asm assembly awk bash basic batch c c++ clojure cobol coffeescript coq cpp crystal csharp c# css
    csv cuda cypher d dart delphi diff dockerfile elisp elixir elm erlang fish fortran fsharp f# gleam glsl go graphql
    groovy hack haskell haxe hcl hlsl html idris ini java javascript json json5 jsonc jsx julia kotlin latex lean less
    lisp livescript lua makefile markdown mathematica matlab mdx mojo mysql nasm nim nix objective-c objectivec ocaml
    octave odin pascal perl php plsql pony postgresql powershell prolog protobuf psql purescript python r racket raku
    reason regex ruby rust sas sass scala scheme scss sed sh shell smalltalk solidity sparql sql stata svelte swift tcl
    terraform tex thrift tla toml tsql tsv tsx typescript vala vb vba verilog vhdl vim vue wasm wat wgsl wolfram xml
    yaml yml zig zsh""".split()  # noqa: SIM905  a hundred quotes would be harder to read
) | frozenset(ALIASES)
LIKE = 0.8  # of difflib's ratio: pythn, pyhton, javascrpit, tyepscript


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced code block; `closed` is False where the text ended inside it."""

    language: str
    body: str
    closed: bool


def candidate(answer: str, completion: Completion, instance: Instance | None = None) -> Candidate:
    """Take the candidate out as the instance's `answer` says.

    `text`: the whole text, stripped. `code:LANGUAGE`: the last fenced block in that language, or else the last
    one without a language. `completion:LANGUAGE`: the same, or the whole raw text where there is no fence.
    `json`: the last fenced block, or else the whole text. `search_replace`, `unified_diff`, `whole_file`: the
    whole raw text, applied to the files of `instance` where it is given. Raises ValueError on another `answer`.
    """
    kind, _, language = answer.partition(":")
    if completion.failure is not None:
        return Candidate("", language, completion.failure, completion.detail)
    if kind not in FORMS:
        raise ValueError(f"answer {answer!r} is not one of {KNOWN}")
    if is_edit(kind):
        return _edits(answer, completion, instance)
    if kind == "text":
        return _cut(completion, Candidate(completion.text.strip()))
    chosen = _choose(blocks(completion.text), "json" if kind == "json" else language)
    if chosen is not None:
        return _from_block(completion, chosen, language or "json")
    if kind == "code":
        detail = f"no fenced {language} code block in the answer"
        failure = Failure.TRUNCATED if _was_cut(completion) else Failure.NO_ANSWER
        return Candidate("", language, failure, detail)
    whole = completion.text if kind == "completion" else completion.text.strip()
    return _cut(completion, Candidate(whole, language or "json"))


FORMS = {
    "text": "Answer with the text alone.",
    "json": "Answer with one JSON value in a single ```json code block.",
    "code": "Answer with one complete {language} solution in a single ```{language} code block.",
    "completion": "Answer with the complete {language} code in a single ```{language} code block.",
    **EDIT_FORMS,
}
KNOWN = "text, json, code:LANGUAGE, completion:LANGUAGE, search_replace, unified_diff, whole_file"


def form(answer: str, files: Iterable[str] = ()) -> str:
    """The sentence that tells the model how to hand in its answer. Raises ValueError on an unknown `answer`.

    `files` are paths, the best first: the example of an edit takes the first.
    """
    kind, _, language = answer.partition(":")
    if kind not in FORMS or (kind in ("code", "completion")) != bool(language):
        raise ValueError(f"answer {answer!r} is not one of {KNOWN}")
    return FORMS[kind].format(language=language, path=next(iter(files), ANY))


def misspelt(answer: str) -> str:
    """The `answer` that was meant where its language looks like a slip of a known one; empty where it does not."""
    kind, _, language = answer.partition(":")
    if not language or language in LANGUAGES or len(language) < 3:  # noqa: PLR2004  all short words are alike
        return ""
    near = get_close_matches(language, sorted(LANGUAGES), 1, LIKE)
    return f"{kind}:{near[0]}" if near else ""


def blocks(text: str) -> list[Block]:
    """All fenced code blocks, in order; an unclosed last one reaches to the end."""
    return [
        Block(_language(match["language"]), match["body"], closed=bool(match["end"]))
        for match in FENCE.finditer(text.replace("\r\n", "\n"))
    ]


def _language(label: str) -> str:
    label = label.lower()
    return ALIASES.get(label, label)


def _choose(found: list[Block], language: str) -> Block | None:
    wanted = _language(language)
    for label in (wanted, ""):
        for block in reversed(found):
            if block.language == label and block.body.strip():
                return block
    return None


def _from_block(completion: Completion, block: Block, language: str) -> Candidate:
    if not block.closed and _was_cut(completion):
        return _truncated(completion, language)
    return Candidate(block.body.rstrip("\n") + "\n", language)


def _edits(answer: str, completion: Completion, instance: Instance | None) -> Candidate:
    """All edits applied, or none; of an answer that was cut off nobody knows which edits are missing."""
    whole = _cut(completion, Candidate(completion.text))
    if whole.failure is not None or instance is None:
        return whole
    done = apply(answer, completion.text, instance.files, guarded(instance))
    files = None if done.failure else done.files
    return Candidate(completion.text, "", done.failure, files=files, findings=done.findings)


def _cut(completion: Completion, whole: Candidate) -> Candidate:
    if not whole.text.strip():
        return Candidate("", whole.language, Failure.EMPTY_RESPONSE, "the answer is empty")
    return _truncated(completion, whole.language) if _was_cut(completion) else whole


def _was_cut(completion: Completion) -> bool:
    return completion.finish_reason == "length"


def _truncated(completion: Completion, language: str) -> Candidate:
    tokens = f" after {completion.tokens_completion} tokens" if completion.tokens_completion else ""
    return Candidate("", language, Failure.TRUNCATED, f"the answer was cut off{tokens}")

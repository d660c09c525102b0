"""What can be done to any text, whatever it is: to its lines, words, ends and length."""

import re
from collections.abc import Iterator

from evalkit.core.mutation.made import Mutation, Rewrite

WIDE = 80  # characters: shorter lines of prose are seldom wrapped
TIMES = (2, 50, 500)
MOST = 200  # lines or words that are taken one by one
LARGEST = 30_000  # characters of a repeated text
_WORD = re.compile(r"\w+")
_NUMBER = re.compile(r"\d+")


def broken(example: str) -> Iterator[Mutation]:
    """Cut, repeated, dressed up, with words and lines missing or changed."""
    yield from _dressed(example)
    yield from _cut(example)
    yield from (
        Mutation(f"{times} times", "\n".join([example] * times)) for times in TIMES if len(example) * times < LARGEST
    )
    for match in list(_NUMBER.finditer(example))[:MOST]:
        number = int(match[0][:9]) + 1
        yield Mutation("another number", f"{example[: match.start()]}{number}{example[match.end() :]}")
    for match in list(_WORD.finditer(example))[:MOST]:
        yield Mutation("delete a word", example[: match.start()] + example[match.end() :])
        yield Mutation("another word", f"{example[: match.start()]}other{example[match.end() :]}")
    lines = example.splitlines(keepends=True)
    for place in range(min(len(lines), MOST) if len(lines) > 1 else 0):
        yield Mutation("delete a line", "".join(lines[:place] + lines[place + 1 :]))


def rewritten(example: str) -> Iterator[Rewrite]:
    """The same text with other blanks where they mean nothing."""
    yield Rewrite("blanks at the end", example.rstrip() + "\n", "layout")
    yield Rewrite("two newlines at the end", example.rstrip() + "\n\n", "layout")
    if any(len(line) > WIDE for line in example.splitlines()):
        yield Rewrite("wrapped lines", "\n".join(map(_wrapped, example.splitlines())), "layout")


def _dressed(example: str) -> Iterator[Mutation]:
    """As models like to hand their answers in."""
    yield Mutation("chatter before it", f"Sure! Here is what you asked for:\n\n{example}")
    yield Mutation("chatter behind it", f"{example.rstrip()}\n\nI hope this helps! Let me know if it does not.")
    yield Mutation("a fence around it", f"```\n{example.strip()}\n```")
    yield Mutation("a heading over it", f"# Answer\n\n{example}")
    yield Mutation("as a list", "\n".join(f"- {line}" for line in example.splitlines()))
    yield Mutation("in bold", f"**{example.strip()}**")
    yield Mutation("in capitals", example.upper())
    yield Mutation("in small letters", example.lower())
    yield Mutation("in quotes", f'"{example.strip()}"')
    yield Mutation("shouted", re.sub(r"[.!?]?\s*\Z", "!!!", example))


def _cut(example: str) -> Iterator[Mutation]:
    """As a length limit would."""
    text = example.rstrip()
    for share in (0.25, 0.5, 0.75):
        yield Mutation("cut off", text[: int(len(text) * share)])
    yield Mutation("less its last character", text[:-1])
    yield Mutation("less its first word", text.partition(" ")[2])
    yield Mutation("its first word alone", text.split()[0] if text.split() else "")
    yield Mutation("on one line", " ".join(text.split()))
    yield Mutation("without punctuation", re.sub(r"[^\w\s]", "", text))


def _wrapped(line: str) -> str:
    """A line of plain words in two; any other stays, since a newline may mean something in it."""
    at = line.find(" ", len(line) // 2)
    plain = not re.search(r"[`|#*{}<>=;]|--|//", line) and line[at + 1 : at + 2].isalpha()
    return f"{line[:at]}\n{line[at + 1 :]}" if len(line) > WIDE and at > 0 and plain else line

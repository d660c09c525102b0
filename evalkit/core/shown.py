"""What models and providers wrote, as it may stand in a terminal, a spreadsheet, a table of Markdown; pure."""

import re

# Terminals obey them: an answer could clear the screen, or set the window's title.
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
FORMULA = re.compile(r"[=+\-@\t\r]")  # OWASP, CSV Injection
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def visible(text: str) -> str:
    """`text` with control characters, and those that turn the direction of writing, spelt out, as in Python."""
    return CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def csv_cell(value: object) -> object:
    """A value that no spreadsheet takes for a formula: such a text gets an apostrophe before it."""
    if not isinstance(value, str):
        return value
    return f"'{value}" if FORMULA.match(value) and not NUMBER.fullmatch(value) else value


def markdown_cell(text: str) -> str:
    """`text` for a cell of a table of Markdown: one line, no bar, no HTML."""
    return " ".join(visible(text).split()).replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;")

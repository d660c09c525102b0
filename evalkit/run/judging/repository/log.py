"""What a test command printed when nothing could be reported: its last error, and where in the repository that was."""

import re
from dataclasses import dataclass

FRAME = re.compile(r'^\s*File "(?P<path>[^"]+)", line (?P<line>\d+)')
ERROR = re.compile(r"^(?:E\s+)?(?P<type>[A-Za-z_][\w.]*(?:Error|Exception|Warning|Interrupt|Exit|Configured))\b.*")
TRACEBACK = "Traceback (most recent call last):"
IMPORTS = ("SyntaxError", "IndentationError", "TabError", "ImportError", "ModuleNotFoundError", "CircularImportError")
LONGEST = 400


@dataclass(frozen=True, slots=True)
class Said:
    """An error's text and its deepest place in the repository: `path`, `line` and that line's code."""

    text: str = ""
    path: str = ""
    line: int | None = None
    code: str = ""

    @property
    def place(self) -> str:
        """As a finding's excerpt."""
        return f"{self.path}:{self.line}: {self.code}" if self.path else ""

    @property
    def is_import(self) -> bool:
        """Whether the code could not even be loaded."""
        return self.text.startswith(IMPORTS)


def last_error(log: str, here: str) -> Said:
    """Of the log's last traceback; else its last line."""
    lines = log.rpartition(TRACEBACK)[2].split("\n")
    path, at, code, text = "", None, "", ""
    for number, line in enumerate(lines):
        if frame := FRAME.match(line):
            inside = _inside(frame["path"], here)
            if inside:
                path, at = inside, int(frame["line"])
                code = lines[number + 1].strip() if number + 1 < len(lines) else ""
        elif not text and (error := ERROR.match(line)):
            text = error[0].removeprefix("E").strip() if line.startswith("E ") else error[0]
            break
    if not text:
        said = [line for line in lines if line.strip()]
        return Said(said[-1].strip()[:LONGEST] if said else "")
    return Said(text[:LONGEST], path, at, code[:200])


def _inside(path: str, here: str) -> str:
    """The path in the repository; empty for others'."""
    whole = path if path.startswith("/") else f"{here}/{path}"
    return whole.removeprefix(f"{here}/") if whole.startswith(f"{here}/") and "site-packages" not in whole else ""

"""The compilers that the rule kind `compiles` knows: how each is called, and how it words an error."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

PUBLIC_TYPE = re.compile(r"^\s*public\s+(?:\w+\s+)*?(?:class|interface|enum|record)\s+(\w+)", re.MULTILINE)
ES_MODULE = re.compile(r"^\s*(?:import\s+[\w{*'\"]|export\s)", re.MULTILINE)
PYTHON = "import sys; name = sys.argv[1]; compile(open(name, 'rb').read(), name, 'exec', dont_inherit=True)"


@dataclass(frozen=True, slots=True)
class Compiler:
    """`command` has the places {flags} and {file}; `plain` is a program that it surely takes.

    `errors` find the first error, with the groups message and, where it has a place, file and line. `install`
    names Debian's package. `memory_mb` is the address space that it needs at least.
    """

    file: str
    command: tuple[str, ...]
    errors: tuple[re.Pattern[str], ...]
    plain: str
    install: str
    memory_mb: int = 1024


def _pattern(*texts: str) -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(text, re.MULTILINE) for text in texts)


_C_ERRORS = _pattern(
    r"^(?P<file>[^\s:][^:\n]*):(?P<line>\d+):(?:\d+:)? (?:fatal )?error: (?P<message>.+)$",
    r"(?P<message>undefined reference to .+)$",
)

COMPILERS: dict[str, Compiler] = {
    "python": Compiler(
        "candidate.py",
        ("python", "{flags}", "-c", PYTHON, "{file}"),
        _pattern(
            r'^ *File "(?P<file>[^"\n]+)", line (?P<line>\d+)\n(?: .*\n){0,4}(?P<message>\w*(?:Error|Warning).*)$'
        ),
        "one = 1\n",
        "python3",
        512,
    ),
    "rust": Compiler(
        "candidate.rs",
        (
            "rustc",
            "--edition=2021",
            "--crate-type=lib",
            "--crate-name=candidate",
            "--emit=metadata",
            "{flags}",
            "{file}",
        ),
        _pattern(
            r"^error(?:\[E\d+\])?: (?P<message>.+)\n(?:(?!error).*\n){0,3}? *--> (?P<file>[^:\n]+):(?P<line>\d+):"
        ),
        "pub fn main() {}\n",
        "rustc",
        2048,
    ),
    "c": Compiler(
        "candidate.c",
        ("gcc", "-std=gnu17", "-c", "-o", "candidate.o", "{flags}", "{file}"),
        _C_ERRORS,
        "int main(void) { return 0; }\n",
        "gcc",
    ),
    "cpp": Compiler(
        "candidate.cpp",
        ("g++", "-std=gnu++20", "-c", "-o", "candidate.o", "{flags}", "{file}"),
        _C_ERRORS,
        "int main() { return 0; }\n",
        "g++",
    ),
    "go": Compiler(
        "candidate.go",
        ("go", "build", "-o", "candidate.out", "{flags}", "{file}"),
        _pattern(r"^(?:vet: )?(?:\./)?(?P<file>[^\s:]+\.go):(?P<line>\d+):(?:\d+:)? (?P<message>.+)$"),
        "package main\n\nfunc main() {}\n",
        "golang-go",
        4096,
    ),
    "java": Compiler(
        "Candidate.java",
        ("javac", "-J-Xmx256m", "-J-XX:+UseSerialGC", "-proc:none", "-d", "classes", "{flags}", "{file}"),
        _pattern(r"^(?P<file>[^\s:]+\.java):(?P<line>\d+): error: (?P<message>.+)$"),
        "class Candidate {}\n",
        "default-jdk-headless",
        4096,
    ),
    "typescript": Compiler(
        "candidate.ts",
        ("tsc", "--noEmit", "--skipLibCheck", "--target", "es2022", "--moduleDetection", "force", "{flags}", "{file}"),
        _pattern(r"^(?P<file>[^\s(]+)\((?P<line>\d+),\d+\): error (?P<message>TS\d+: .+)$"),
        "export const one: number = 1;\n",
        "node-typescript",
        8192,
    ),
    "javascript": Compiler(
        "candidate.js",
        ("node", "{flags}", "--check", "{file}"),
        _pattern(r"^(?:file://)?(?P<file>[^\s:]+\.[cm]?js):(?P<line>\d+)\n(?:.*\n){0,6}?(?P<message>\w*Error: .+)$"),
        "const one = 1;\n",
        "nodejs",
        8192,
    ),
}


def file_name(language: str, candidate: str) -> str:
    """What the compiler wants the file to be called: Java by its public type, JavaScript by its module system."""
    if language == "java" and (found := PUBLIC_TYPE.search(candidate)):
        return f"{found[1]}.java"
    if language == "javascript" and ES_MODULE.search(candidate):
        return "candidate.mjs"
    return COMPILERS[language].file


def argv(command: Sequence[str], flags: Sequence[str], file: str) -> tuple[str, ...]:
    """The command with its places filled."""
    words: list[str] = []
    for word in command:
        words += flags if word == "{flags}" else [word.replace("{file}", file)]
    return tuple(words)

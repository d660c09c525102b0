"""Pytest suites: every test that the file defines, or that is asked for by name, must be seen to pass."""

import ast
import json
from collections.abc import Iterator, Mapping
from typing import Any, TypeGuard

from evalkit.core.edits import apply
from evalkit.core.edits.paths import refused
from evalkit.core.errors import GraderError
from evalkit.core.failure import Failure
from evalkit.core.ports import Execution, Job
from evalkit.core.types import Candidate, Finding, Instance, Outcome, TestResult, Tests, Verdict
from evalkit.run.harness import script
from evalkit.run.judging.channel import Records, Trial, ending, finding, verdict

FILE = "test_candidate.py"
SUFFIXES = {"python": "py", "javascript": "js", "typescript": "ts", "bash": "sh", "shell": "sh", "markdown": "md"}


def suite_job(trial: Trial) -> Job:
    """The tests and the candidate as files; the nonce through stdin."""
    if trial.tests.isolation:
        return _isolated_job(trial)
    if trial.candidate.files is not None:
        return _edited_job(trial, trial.candidate.files)
    files = {**trial.instance.files, candidate_file(trial): trial.candidate.text, FILE: trial.tests.code}
    argv = ("python", "-P", "-c", script("keeper"), script("witness"), script("suite"))
    return Job(argv, files, f'{{"nonce": "{trial.nonce}"}}', trial.limits)


def _edited_job(trial: Trial, edited: Mapping[str, str]) -> Job:
    """The edited files, and which of them are the dataset's own, and what they make importable."""
    instance = trial.instance
    ours = [FILE, *(path for path in edited if refused(path, edited, instance.protected))]
    files = {**instance.files, **edited}
    for text in instance.good:  # tests may import what only the answer makes
        files |= apply(instance.answer, text, instance.files, instance.protected).files
    told = {"ours": ours, "modules": sorted({path.split("/")[0].removesuffix(".py") for path in files})}
    argv = ("python", "-P", "-c", script("keeper"), script("witness"), script("suite"), json.dumps(told))
    return Job(argv, {**edited, FILE: trial.tests.code}, f'{{"nonce": "{trial.nonce}"}}', trial.limits)


def _isolated_job(trial: Trial) -> Job:
    """No file shows the tests: they come through stdin, to a process that the candidate cannot look into."""
    files = {**trial.instance.files, candidate_file(trial): trial.candidate.text}
    stdin = {
        "nonce": trial.nonce,
        "tests": trial.tests.code,
        "candidate": trial.candidate.text,
        "sources": {name: text for name, text in trial.instance.files.items() if name.endswith(".py")},
        "values": trial.tests.isolation == "values",
        "pytest": needs_pytest(trial.tests.code),
    }
    argv = ("python", "-P", "-c", script("isolated"), script("apart"), script("proxies"), script("suite"))
    return Job(argv, files, json.dumps(stdin), trial.limits)


def needs_pytest(code: str) -> bool:
    """Whether a file of tests is more than functions without arguments, which are called without loading pytest."""
    tree = ast.parse(code)
    tests = [node for node in tree.body if _is_test(node)]
    plain = all(isinstance(node, ast.FunctionDef) and not (node.decorator_list or _arguments(node)) for node in tests)
    other = any(isinstance(node, ast.ClassDef) for node in tree.body)
    imported = any(
        alias.name.startswith("pytest")
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
    )
    imported = imported or any(isinstance(node, ast.ImportFrom) and node.module == "pytest" for node in ast.walk(tree))
    return not (tests and plain) or other or imported


def _arguments(node: ast.FunctionDef | ast.AsyncFunctionDef) -> list[ast.arg]:
    return [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]


def candidate_file(trial: Trial) -> str:
    """What the candidate's file is called: by its language, `.txt` for plain text."""
    if is_python(trial.instance, trial.tests, trial.candidate):
        return "candidate.py"
    language = _language(trial.instance, trial.candidate)
    return f"candidate.{SUFFIXES.get(language, language) or 'txt'}"


def is_python(instance: Instance, tests: Tests, candidate: Candidate) -> bool:
    """Whether the candidate is a Python module."""
    language = _language(instance, candidate)
    imported = not language and ("import candidate" in tests.code or "from candidate" in tests.code)
    return tests.kind == "cases" or language in ("python", "py") or imported


def judge(trial: Trial, done: Execution) -> Verdict:
    """Read the reporter's records; nothing that was not seen to pass has passed."""
    records = Records(trial, done)
    findings: list[Finding] = []
    failure = _not_collected(trial, records, findings)
    tampered = _tampered(records)
    if tampered:
        message = f"The code changes what the tests stand on: {', '.join(tampered)}."
        findings.append(finding("tests", message, source="rule"))
    results = list(_results(trial, records, findings, ending(done, trial.limits)))
    if not results and not findings:
        raise GraderError(f"{trial.instance.id}: {FILE} holds no tests. Mend the dataset.")
    if any("MemoryError" in test.message for test in results):
        failure = Failure.RESOURCE_LIMIT
    if tampered or (failure is None and findings):
        failure = failure or Failure.TEST_FAILURE
    return verdict(results, findings, failure, done, whole=_whole(trial.tests, records))


def _tampered(records: Records) -> list[str]:
    """What is no longer as it was before the candidate's import, and whose word was no test's."""
    names = [name.strip() for record in records.every("changed") for name in record["changed"]]
    names += ["sys.settrace"] if (records.first("done") or {}).get("traced") else []
    names += [record["forged"] for record in records.every("forged")]
    return [*dict.fromkeys(names)][:5]


def _whole(tests: Tests, records: Records) -> bool:
    """One list of tests, then each test's phases in order, then the end, which the process itself confirms."""
    names = [name for record in records.every("collected") for name in record["collected"]]
    phases = [(record["test"], record["when"]) for record in records.every("test")]
    ends = [(record.get("exit"), record.get("ended")) for record in records.last(2)]
    code = ends[0][0] if ends else None
    return (
        len(records.every("collected")) == len(records.every("done")) == 1
        and phases == [(name, when) for name in names for when in ("setup", "call", "teardown")]
        and (code == 0 or (code == 1 and bool(tests.names)))
        and ends == [(code, None), (None, code)]
    )


def defined(code: str) -> list[str]:
    """The tests that a file plainly defines, so that a candidate cannot make any of them vanish."""
    names: list[str] = []
    for node in ast.parse(code).body:
        if _is_test(node):
            names.append(node.name)
        elif isinstance(node, ast.ClassDef) and node.name.startswith("Test"):
            inside = [other for other in node.body if isinstance(other, ast.FunctionDef | ast.AsyncFunctionDef)]
            if all(other.name != "__init__" for other in inside):
                names += [f"{node.name}::{other.name}" for other in inside if _is_test(other)]
    return names


def _is_test(node: ast.stmt) -> TypeGuard[ast.FunctionDef | ast.AsyncFunctionDef]:
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test")


def _not_collected(trial: Trial, records: Records, findings: list[Finding]) -> Failure | None:
    for record in records.every("broken") + records.every("skipped"):
        why = record.get("message") or record.get("why", "")
        if not record["ours"]:
            raise GraderError(f"{trial.instance.id}: the tests cannot be collected: {why[:300]!r}. Mend the dataset.")
        message = f"The tests cannot import the code: {why}"
        findings.append(finding("import", message, line=record.get("line"), source="rule"))
        return Failure.SYNTAX_ERROR
    return None


def _results(trial: Trial, records: Records, findings: list[Finding], ended: str) -> Iterator[TestResult]:
    tests, edited = trial.tests, trial.candidate.files or {}
    phases: dict[str, list[Mapping[str, Any]]] = {}
    for record in records.every("test"):
        phases.setdefault(_short(record["test"]), []).append(record)
    collected = [_short(name) for record in records.every("collected") for name in record["collected"]]
    running = True
    for name in _wanted(tests, collected):
        if name in phases:
            result, line = _result(name, phases[name], edited)
        else:
            result, line = TestResult(name, Outcome.MISSING, f"{name} was not seen to run"), None
        if name not in phases or len(phases[name]) < len(("setup", "call", "teardown")):
            if running and not records.done:  # the one that was under way when the end came
                result = TestResult(name, Outcome.MISSING, f"{name}: the code {ended}")
            running = False
        if result.outcome is not Outcome.PASSED and (result.message or not findings):
            findings.append(finding(name, result.message or f"{name} {result.outcome}", line=line))
        yield result


def _wanted(tests: Tests, collected: list[str]) -> list[str]:
    """Tests asked for by name; else all that were collected, and all that the file defines."""
    if tests.names:
        return [_short(name) for name in tests.names]
    bases = {name.partition("[")[0] for name in collected}
    return [*dict.fromkeys(collected), *(name for name in defined(tests.code) if name not in bases)]


def _result(name: str, phases: list[Mapping[str, Any]], edited: Mapping[str, str]) -> tuple[TestResult, int | None]:
    for phase in phases:
        if phase["outcome"] != "passed":
            outcome = Outcome.SKIPPED if phase["outcome"] == "skipped" else Outcome.FAILED
            outcome = Outcome.ERROR if outcome is Outcome.FAILED and phase["when"] != "call" else outcome
            return TestResult(name, outcome, f"{name}: {phase['message']}{_where(phase, edited)}"), phase["line"]
    whole = {phase["when"] for phase in phases} == {"setup", "call", "teardown"}
    return TestResult(name, Outcome.PASSED if whole else Outcome.MISSING), None


def _where(phase: Mapping[str, Any], edited: Mapping[str, str]) -> str:
    """The line that raised it, of an edited file."""
    path, line = phase.get("file", ""), phase["line"]
    lines = edited[path].split("\n") if path in edited else []
    code = lines[line - 1].strip()[:120] if line is not None and 0 < line <= len(lines) else ""
    return f" ({path}, line {line}: `{code}`)" if code else ""


def _short(name: str) -> str:
    return name.removeprefix(f"{FILE}::")


def _language(instance: Instance, candidate: Candidate) -> str:
    return candidate.language or instance.answer.removeprefix("code:").replace("text", "")

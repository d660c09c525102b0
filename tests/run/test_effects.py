"""Rules that need a sandbox, in real ones: compiles, command, tests."""

import pytest

from evalkit.adapters.bubblewrap_sandbox import BubblewrapSandbox
from evalkit.core.errors import GraderError, SandboxError
from evalkit.core.ports import Execution, Limits
from evalkit.core.rubric import Rule, source
from evalkit.core.rules.command import Command
from evalkit.core.rules.compiles import Compiles
from evalkit.core.rules.instance_tests import InstanceTests
from evalkit.core.types import Instance, Tests
from evalkit.run.checking import failed_examples
from evalkit.run.tests_verifier import TestsVerifier
from evalkit.run.world import RuleWorld
from tests.sandboxes import why_no_bubblewrap


@pytest.fixture
def world(sandbox):
    """In both sandboxes."""
    return RuleWorld(Instance("i", "p"), sandbox=sandbox)


@pytest.fixture
def here():
    """In bubblewrap."""
    if why := why_no_bubblewrap():
        pytest.skip(why)
    return RuleWorld(Instance("i", "p"), sandbox=BubblewrapSandbox())


async def found(rule, candidate, world):
    try:
        return await rule.found(candidate, world)
    except SandboxError as error:
        if "Install" in str(error):
            pytest.skip(str(error))
        raise


COMPILED = [
    ("python", "def f():\n    return 1\n", "def f(:\n    pass\n", 1, "invalid syntax"),
    ("c", "int f(void) { return 1; }\n", "int f(void) {\n  return x;\n}\n", 2, "undeclared"),
    ("cpp", "int f() { return 1; }\n", "int f() {\n  return x;\n}\n", 2, "not declared"),
    ("rust", "pub fn f() -> u8 { 1 }\n", "pub fn f() -> u8 {\n    x\n}\n", 2, "cannot find value `x`"),
    ("go", "package a\n\nfunc F() int { return 1 }\n", "package a\n\nfunc F() int { return x }\n", 3, "undefined: x"),
    ("javascript", "export const a = 1;\n", "let a;\nlet a;\n", 2, "already been declared"),
]
LARGE = [
    ("java", "public class A {}\n", "public class A {\n  int f() { return 1 }\n}\n", 2, "';' expected"),
    ("typescript", "export const a = 1;\n", "export const a: number = 'x';\n", 1, "not assignable"),
]


@pytest.mark.parametrize(
    "case", [*COMPILED, *(pytest.param(case, marks=pytest.mark.slow) for case in LARGE)], ids=lambda case: case[0]
)
async def test_the_first_error_of_a_compiler_is_the_finding(world, case):
    language, right, wrong, line, text = case
    rule = Compiles(language)
    assert await found(rule, right, world) == []
    (violation,) = await found(rule, wrong, world)
    assert (violation.line, text in violation.detail) == (line, True), violation
    assert violation.excerpt == wrong.splitlines()[line - 1].strip()


SLOW = """
template<int N, int M> struct F { static const long v = F<N-1, 2*M>::v + F<N-1, 2*M+1>::v; };
template<int M> struct F<0, M> { static const long v = M; };
long f() { return F<22, 1>::v; }
"""
BLAMED = [
    (Compiles("cpp", timeout_s=1.5), SLOW, "did not end within"),
    (Compiles("c"), '#include "/dev/zero"\n', "ran out of memory"),
    (Compiles("python"), "x = '\0'", "null bytes"),
    (Compiles("c", command=["gcc", "{file}"]), "int x;\n", "undefined reference to `main'"),
    (
        Compiles("c", command=["gcc", "-c", "main.c"], files={"main.c": '#include "candidate.c"\nint a = two();\n'}),
        "int one(void);",
        "main.c:2: ",
    ),
]


@pytest.mark.parametrize(("rule", "candidate", "text"), BLAMED)
async def test_what_only_the_candidate_does_to_a_compiler_is_held_against_it(here, rule, candidate, text):
    (violation,) = await found(rule, candidate, here)
    assert text in violation.detail


NOT_BLAMED = [
    (Compiles("c", timeout_s=0.001), GraderError, "raise its timeout_s"),
    (Compiles("c", flags=["-nosuchflag"]), GraderError, "a plain program fares no better"),
    (Compiles("c", command=["nosuchcc", "{file}"]), SandboxError, "Install nosuchcc"),
    (Compiles("c", command=["sh", "-c", "nosuchcc"]), SandboxError, "nosuchcc: not found"),
]


@pytest.mark.parametrize(("rule", "error", "text"), NOT_BLAMED)
async def test_invariant_2_a_compiler_that_fails_by_itself_is_an_error_and_never_a_fail(here, rule, error, text):
    with pytest.raises(error, match=text):
        await rule.found("int f(void) { return 1; }\n", here)


async def test_flags_and_files_reach_the_compiler(here):
    assert await found(Compiles("c", flags=["-Werror", "-Wall"]), "static int f(void) { return 1; }\n", here)
    world = RuleWorld(Instance("i", "p", files={"a.h": "#define A 1\n"}), sandbox=BubblewrapSandbox())
    rule = Compiles("c", file="src/a.c", files={"src/b.h": "#define B 2\n"})
    assert await found(rule, '#include "../a.h"\n#include "b.h"\nint x = A + B;\n', world) == []


ECHO = "import sys; print(sys.stdin.read() + open(sys.argv[1]).read(), end='')"
COMMANDS = [
    (Command(["python", "-c", ECHO, "{file}"], stdin="a", stdout="ab"), ""),
    (Command(["python", "-c", ECHO, "{file}"], file="b.py", stdout="b\n"), ""),
    (Command(["python", "-c", ECHO, "{file}"], stdout="c"), "it printed 'b', not 'c'"),
    (Command(["python", "-c", ECHO, "{file}"], stdin="1\n2\n", stdout_matches=r"^\d$"), ""),
    (Command(["python", "-c", ECHO, "{file}"], stdout_matches=r"\d"), "it printed 'b', which '\\\\d' does not match"),
    (Command(["python", "-c", "import sys; sys.exit(3)"], exit_code=3), ""),
    (Command(["python", "-c", "import sys; sys.exit('no luck')"]), "ended with exit code 1, not 0: no luck"),
    (Command(["python", "-c", "while True: pass"], timeout_s=0.5), "did not end within 0.5 s"),
    (Command(["python", "-c", "x = 'x' * 10**9"], memory_mb=200), "used more than the 200 MB"),
    (Command(["python", "-c", "while True: print('x' * 1000)"]), "wrote more than the 256 KB"),
]


@pytest.mark.parametrize(("rule", "detail"), COMMANDS)
async def test_a_command_ends_and_prints_as_it_should(world, rule, detail):
    violations = await rule.found("b", world)
    assert [detail in violation.detail for violation in violations] == ([True] if detail else []), violations


async def test_a_command_that_is_not_there_is_an_error_and_never_a_fail(here):
    with pytest.raises(SandboxError, match="'nosuch' is not installed"):
        await Command(["nosuch"]).found("b", here)


class Counting:
    """Counts what it is asked to run, and in which image; all of it ends well."""

    confined = True
    limits = Limits()

    def __init__(self):
        self.jobs = []

    async def run(self, job):
        self.jobs.append(job)
        return Execution(len(self.jobs) % 2, "", "no", 0.1)


FALSE = Instance("i", "p", tests=Tests("command", command=("false",)), image="mine")


async def test_the_instance_s_tests_run_once_however_many_rules_ask():
    sandbox = Counting()
    world = RuleWorld(FALSE, sandbox=sandbox, tests=TestsVerifier(sandbox))
    found = [await InstanceTests().found("x", world) for _ in range(2)]
    assert len(sandbox.jobs) == 1
    assert ["`false` ended with exit code 1: no" in violations[0].detail for violations in found] == [True, True]
    assert await InstanceTests().found("another candidate", world) == []


async def test_a_job_runs_in_the_instance_s_image_unless_its_rule_names_one():
    sandbox = Counting()
    world = RuleWorld(FALSE, sandbox=sandbox)
    for rule in (Command(["true"]), Command(["true"], image="its-own")):
        await rule.found("x", world)
    assert [job.image for job in sandbox.jobs] == ["mine", "its-own"]


def test_an_instance_without_tests_is_known_before_anything_runs():
    assert "has no tests" in InstanceTests().missing(Instance("i", "p"))
    assert InstanceTests().missing(FALSE) == ""


async def test_the_examples_of_a_rule_are_tried_in_the_sandbox(here):
    rule = Rule("c", "compiles", Compiles("c"), "Mend it: {detail}", accept=("int a;", "int a"), reject=("b", "int b;"))
    wrong = [(one.expected, one.example) for one in await failed_examples(rule, here)]
    assert wrong == [("accept", "int a"), ("reject", "int b;")]


async def test_an_example_that_cannot_be_tried_says_which_rule_it_is():
    rule = Rule("slow", "compiles", Compiles("c"), "Mend it.", accept=("int a;",))
    with pytest.raises(SandboxError, match="rule 'slow': this rule needs a sandbox"):
        await failed_examples(rule, RuleWorld(Instance("i", "p")))


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({}, "rule"),
        ({"files": {"input.txt": "secret"}}, "test"),
        ({"stdin": "1"}, "test"),
        ({"stdout": "2"}, "test"),
        ({"stdout_matches": "2"}, "test"),
        ({"files": {"ruff.toml": ""}, "hidden": False}, "rule"),
        ({"hidden": True}, "test"),
    ],
)
def test_invariant_9_a_command_with_what_the_prompt_does_not_show_is_a_hidden_test(keys, told):
    assert source(Command(["python", "{file}"], **keys)) == told

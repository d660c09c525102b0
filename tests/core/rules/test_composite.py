"""any_of, all_of and not: what they make of their parts, to any depth, with parts that need the world too."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.adapters.rubric_files import read_rubric
from evalkit.core.judge import judge
from evalkit.core.rubric import Violation
from evalkit.core.rules.composite import AllOf, AnyOf, Not, Part
from evalkit.core.rules.python_ast import PythonAst
from evalkit.core.rules.regex import NotRegex, Regex
from evalkit.run.checking import is_pure, violations

BACKOFF = r"""
rules:
  - id: backoff
    kind: any_of
    message: "Wait 250, 500 and 1000 ms between attempts. Seen: {detail}."
    of:
      - kind: all_of
        description: the delays as literals
        of:
          - kind: tree_sitter
            language: rust
            query: '((integer_literal) @n (#match? @n "^500(_?[ui](8|16|32|64|128|size))?$"))'
          - kind: any_of
            of:
              - kind: tree_sitter
                language: rust
                query: '((integer_literal) @n (#match? @n "^1_?000(_?[ui](8|16|32|64|128|size))?$"))'
              - kind: tree_sitter
                language: rust
                query: |
                  ((call_expression function: (_) @_f arguments: (arguments . (integer_literal) @_n .)) @call
                    (#match? @_f "from_secs$") (#match? @_n "^1(_?u64)?$"))
      - kind: tree_sitter
        description: doubling
        language: rust
        query: |
          ((compound_assignment_expr operator: "*=" right: (integer_literal) @_n) @match (#match? @_n "^2"))
          ((binary_expression operator: "*" right: (integer_literal) @_n) @match (#match? @_n "^2"))
          ((binary_expression left: (integer_literal) @_n operator: "*") @match (#match? @_n "^2"))
          ((call_expression function: (field_expression field: (field_identifier) @_f)
             arguments: (arguments . (integer_literal) @_n .)) @match
            (#any-of? @_f "saturating_mul" "checked_mul" "wrapping_mul") (#match? @_n "^2"))
      - kind: tree_sitter
        description: a shift
        language: rust
        query: |
          (binary_expression operator: "<<")
          (compound_assignment_expr operator: "<<=")
      - kind: tree_sitter
        description: a power of two
        language: rust
        query: |
          ((call_expression function: (field_expression field: (field_identifier) @_f)) @match
            (#any-of? @_f "pow" "powi" "saturating_pow" "checked_pow"))
      - kind: tree_sitter
        description: a library's exponential backoff
        language: rust
        query: '((type_identifier) @t (#match? @t "^Exponential(Backoff|Builder|BackoffBuilder)$"))'
      - kind: tree_sitter
        description: a library's exponential backoff, by path
        language: rust
        query: '((identifier) @t (#match? @t "^Exponential(Backoff|Builder|BackoffBuilder)$"))'
"""

RETRY = """\
use std::time::Duration;

pub async fn fetch(url: &str) -> Result<String, FetchError> {
    %s
    for attempt in 0..4u32 {
        match get(url).await {
            Ok(body) => return Ok(body),
            Err(error) if attempt == 3 => return Err(error.into()),
            Err(_) => {
                %s
            }
        }
    }
    unreachable!()
}
"""

REACHES = {
    "literals": ("let delays = [250, 500, 1000];", "sleep(Duration::from_millis(delays[attempt as usize])).await;"),
    "typed literals": ("const D: [u64; 3] = [250u64, 500_u64, 1_000_u64];", "sleep(D[attempt as usize]).await;"),
    "a second": ("let d = [from_millis(250), from_millis(500), Duration::from_secs(1)];", "sleep(d[0]).await;"),
    "literals in a macro": ("let delays = vec![250, 500, 1000];", "sleep(delays[attempt as usize]).await;"),
    "*= 2": ("let mut retry_delay = 250;", "sleep(retry_delay).await; retry_delay *= 2;"),
    "times 2": ("let mut d = Duration::from_millis(250);", "sleep(d).await; d = d * 2;"),
    "2 times": ("let mut d = 250;", "sleep(d).await; d = 2 * d;"),
    "saturating_mul": ("let mut d = 250u64;", "sleep(d).await; d = d.saturating_mul(2);"),
    "a shift": ("", "sleep(Duration::from_millis(250 << attempt)).await;"),
    "a shift in place": ("let mut d = 250;", "sleep(d).await; d <<= 1;"),
    "pow": ("", "sleep(Duration::from_millis(250 * 2u64.pow(attempt))).await;"),
    "a library": ("let mut delays = ExponentialBackoff::from_millis(2).factor(125);", "sleep(delays.next()).await;"),
    "a library's type": ("let b: ExponentialBackoff = ours();", "sleep(b.next_backoff()).await;"),
}
FALLS_SHORT = {
    "one delay": ("", "sleep(Duration::from_millis(250)).await;"),
    "linear": ("let mut d = 250;", "sleep(d).await; d += 250;"),
    "only 500": ("let delays = [250, 500, 750];", "sleep(delays[0]).await;"),
    "tripling": ("let mut d = 250;", "sleep(d).await; d *= 3;"),
    "in a comment": ("// 250, 500, 1000 ms: delay *= 2", "sleep(250).await;"),
    "in a text": ('let about = "500 1000 << .pow( *= 2";', "sleep(250).await;"),
    "longer numbers": ("let delays = [2500, 5000, 10000];", "sleep(delays[0]).await;"),
}


@pytest.mark.parametrize("name", REACHES)
def test_a_backoff_that_reaches_500_and_1000_ms_holds_however_it_is_written(name):
    assert judge(read_rubric(BACKOFF, "backoff.yaml"), RETRY % REACHES[name]).accepted


@pytest.mark.parametrize("name", FALLS_SHORT)
def test_a_backoff_that_falls_short_is_told_what_each_way_misses(name):
    (finding,) = judge(read_rubric(BACKOFF, "backoff.yaml"), RETRY % FALLS_SHORT[name]).findings
    for way in ["the delays as literals: ", "doubling: not found", "a power of two: not found"]:
        assert way in finding.message


class Answers:
    """A check that needs the world and gives a prepared answer."""

    def __init__(self, *found):
        self._found = list(found)

    async def found(self, candidate, world):
        return self._found


def of(*checks):
    return tuple(Part("regex", check, f"part {number}") for number, check in enumerate(checks, 1))


A, B = Regex("a"), Regex("b")
NO_A = NotRegex("a")


@pytest.mark.parametrize(
    ("check", "text", "found"),
    [
        (AnyOf(of(A, B)), "b", []),
        (AnyOf(of(A, B)), "c", [Violation("part 1: does not hold; part 2: does not hold")]),
        (AnyOf(of(A, NO_A)), "", []),
        (AnyOf(of(B, NO_A)), "\na", [Violation("part 1: does not hold; part 2: found 'a'", 2, "a")]),
        (AnyOf(of(A)), "c", [Violation("part 1: does not hold")]),
        (AnyOf(of(NO_A, NO_A)), "a", [Violation("found 'a'", 1, "a")]),
        (AllOf(of(A, B)), "ab", []),
        (AllOf(of(A, B)), "c", [Violation("part 1: does not hold"), Violation("part 2: does not hold")]),
        (AllOf(of(NO_A)), "a\na", [Violation("part 1: found 'a'", 1, "a"), Violation("part 1: found 'a'", 2, "a")]),
        (AllOf((Part("not_regex", NO_A),)), "a", [Violation("found 'a'", 1, "a")]),
        (Not(of(A)), "b", []),
        (Not(of(A)), "a", [Violation("this must not hold, and does: part 1")]),
        (Not(of(AnyOf(of(A, AllOf(of(B, Not(of(A)))))))), "c", []),
        (Not(of(AnyOf(of(A, AllOf(of(B, Not(of(A)))))))), "b", [Violation("this must not hold, and does: part 1")]),
    ],
)
async def test_what_is_made_of_its_parts(check, text, found):
    assert check.violations(text) == found
    assert is_pure(check)
    assert await violations(check, text, None) == found


class Grader:
    """Costs more than the text, and says that it was asked."""

    stage = 2

    def __init__(self):
        self.asked = 0

    async def found(self, candidate, world):
        self.asked += 1
        return []


UNREAD = Not(of(PythonAst(forbid_calls=["print"])))  # of what does not parse nothing is known


@pytest.mark.parametrize(
    ("cheap", "text", "asked"), [(A, "a", 1), (A, "b", 0), (AllOf(of(B, NO_A)), "a", 0), (UNREAD, "def (", 1)]
)
async def test_all_of_asks_nothing_dearer_once_a_cheap_part_does_not_hold(cheap, text, asked):
    grader = Grader()
    told = await violations(AllOf(of(grader, cheap)), text, None)
    assert (grader.asked, told) == (asked, AllOf(of(grader, cheap)).combined([[], cheap.violations(text)]))


LEAVES = st.sampled_from([Regex(letter) for letter in "ab"] + [NotRegex(letter) for letter in "ab"])
TREES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, min_size=1, max_size=3).map(lambda checks: AnyOf(of(*checks)))
        | st.lists(inner, min_size=1, max_size=3).map(lambda checks: AllOf(of(*checks)))
        | inner.map(lambda check: Not(of(check)))
    ),
)


def holds(check, text):
    match check:
        case AnyOf():
            return any(holds(part, text) for part in check.parts)
        case AllOf():
            return all(holds(part, text) for part in check.parts)
        case Not():
            return not holds(check.parts[0], text)
        case _:
            return not check.violations(text)


@given(TREES, st.text("abc", max_size=3))
def test_they_mean_what_logic_means(check, text):
    assert (not check.violations(text)) == holds(check, text)


EVAL = """
rules:
  - id: no_eval
    kind: not
    message: "Do not call eval: {detail}."
    of: %s
"""
CALLED = "{kind: tree_sitter, language: python, query: '((identifier) @f (#eq? @f \"eval\"))'}"
LISTED = "{kind: tree_sitter, language: python, query: '((list) @l)'}"
UNREAD = [
    (CALLED, "eval(x)\ndef (\n"),
    (CALLED, "eval(x)\n" + "# long\n" * 20_000),
    (CALLED, "eval(x)\n" + "$ " * 3000),
    (f"{{kind: any_of, of: [{CALLED}, {{kind: regex, pattern: exec}}]}}", "eval(x)\ndef ("),
    (f"{{kind: all_of, of: [{CALLED}, {{kind: regex, pattern: eval, description: e}}]}}", "eval(x)\ndef ("),
    (f"{{kind: not, of: {{kind: not, of: {CALLED}}}}}", "eval(x)\ndef ("),
    ("{kind: python_ast, require_calls: eval}", "eval(x)\ndef ("),
    (f"{{kind: similarity, metric: DamerauLevenshtein, reference: {'ab' * 500}, min: 0.5}}", "ab" * 60_000),
]


@pytest.mark.parametrize(("of", "candidate"), UNREAD)
def test_what_could_not_be_looked_at_is_no_proof_that_something_is_not_there(of, candidate):
    assert not judge(read_rubric(EVAL % of, "e.yaml"), candidate).accepted


def test_what_one_part_alone_tells_is_told_though_another_could_not_look():
    both = f"{{kind: all_of, of: [{CALLED}, {{kind: regex, pattern: exec}}]}}"
    assert judge(read_rubric(EVAL % both, "e.yaml"), "eval(x)\ndef (").accepted
    assert judge(read_rubric(EVAL % LISTED, "e.yaml"), "eval(x)\n").accepted


async def test_parts_that_need_the_world_are_asked_through_it():
    failed = Answers(Violation("it does not compile", 3, "x"))
    mixed = AnyOf(of(A, AllOf(of(failed, B))))
    assert not is_pure(mixed)
    found = await violations(mixed, "b", None)
    assert found[0].line == 3
    assert "part 2: part 1: it does not compile" in found[0].detail
    assert await violations(mixed, "a", None) == []
    assert await violations(AnyOf(of(A, AllOf(of(Answers(), B)))), "b", None) == []
    assert await violations(Not(of(failed)), "", None) == []

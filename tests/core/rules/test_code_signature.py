"""signature: which heads of functions are the same, and what is said of those that are not."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.core.rules.code_signature import CodeSignature
from evalkit.core.rules.heads import HEADS
from evalkit.core.rules.keys import KeyFaults
from evalkit.core.rules.languages import LANGUAGES

FETCH = "pub async fn fetch_all(urls: &[String], limit: usize) -> Result<Vec<String>, FetchError>"
SCRIPT = "async function f<T>(urls: string[], n?: number): Promise<T[]>"
JAVA = "public static <T extends Y> List<T> f(int a, String... c) throws E, F"
C = "static const char *f(char const *s, int a[], int (*cb)(int, void *), ...)"
GO = "func F[T any](ctx context.Context, a, b int, c ...string) (int, error)"
PYTHON = 'async def f[T](a, b: int = 1, /, *rest: int, c="x", **kw) -> dict[str, T]'

SAME = [
    ("rust", FETCH, FETCH + " { todo!() }"),
    (
        "rust",
        FETCH + ";",
        "pub async fn fetch_all(\n    mut u: &[String], // x\n    l: usize,\n) -> Result<Vec<String,>,FetchError>{}",
    ),
    (
        "rust",
        "fn f<'a, T: A>(x: &'a T) -> &'a T where T: B, T: C",
        "fn f<'b, U: A>(y: &'b U) -> &'b U where U: C, U: B, {}",
    ),
    ("rust", "fn f()", "/// doc\n#[inline]\nfn f() -> () {}"),
    ("rust", "pub fn get(&self) -> u8", "impl F { pub fn get(&self) -> u8 { 1 } }"),
    ("rust", "fn f(g: impl Fn(u8) -> u8)", "mod m { fn f(_: impl Fn( u8 )->u8) {} }"),
    ("rust", "fn f((a, b): (u8, u8))", "fn f(p: (u8, u8,)) {}"),
    ("python", PYTHON, "async def f[U](a, b:int=1, /, *rest: int, c='x', **kw) -> dict[str, U]: pass"),
    ("python", "def push(self, x: int) -> None:", "class S:\n  @d\n  def push(self, x: int) -> None: ..."),
    ("typescript", SCRIPT, "export async function f<U>(u: string[], m?: number,): Promise<U[]> {}"),
    ("typescript", SCRIPT, "export const f = async <T,>(a: string[], n?: number): Promise<T[]> => []"),
    ("typescript", SCRIPT, SCRIPT + ";\n" + SCRIPT + " {}"),
    (
        "typescript",
        "static async get(id: string): Promise<void>",
        "class A { static async get(x: string): Promise<void> {} }",
    ),
    ("tsx", "function App(props: Props): JSX.Element", "function App(p: Props): JSX.Element { return <div/> }"),
    ("javascript", "function f(a, b = 2, ...c)", "const f = function (x, y = 2, ...z) {}"),
    ("javascript", "function f(a)", "const f = x => x"),
    ("go", GO, "func F[U any](ctx context.Context, x int, y int, z ...string) (n int, err error) { return }"),
    ("go", "func f() (error)", "func f() error { return nil }"),
    ("go", "func (s *Stack) Push(x int)", "func (t *Stack) Push(y int) {}"),
    ("java", JAVA, "class A { @X static public <U extends Y> List<U> f(final int b, String... d) throws F, E { } }"),
    ("java", "int f(int a)", "interface I { int f(int b); }"),
    ("c", C, "static char const *f(const char *x, int b[], int (*fn)(int, void*), ...) { }"),
    ("c", "int main()", "int main(void) {}"),
    ("c", "unsigned long g(void)", "long unsigned g() {}"),
]

NONE_OF_IT = (
    "fetch_all is not pub; is not async; takes 1 parameter, not 2; "
    "returns Vec<String>, not Result<Vec<String>, FetchError>"
)
DIFFERENT = [
    ("rust", FETCH, "\nfn fetch_all(u: &Vec<String>) -> Vec<String> {}", 2, NONE_OF_IT),
    ("rust", FETCH, "pub async fn fetch_al() {}", 1, "it has no function fetch_all; nearest is fetch_al"),
    ("rust", FETCH, f"impl X {{ {FETCH} {{}} }}", 1, "it has no function fetch_all; nearest is X's fetch_all"),
    ("rust", FETCH, "// " + FETCH, None, "it has no function fetch_all"),
    ("rust", FETCH, f"fn main() {{ {FETCH} {{}} }}", None, "it has no function fetch_all"),
    (
        "rust",
        FETCH,
        FETCH.replace("usize", "u32") + " {}",
        1,
        "fetch_all takes limit: u32 as parameter 2, not limit: usize",
    ),
    ("rust", FETCH, FETCH.replace("&[", "&mut [") + " {}", 1, "takes urls: &mut [String] as parameter 1"),
    ("rust", FETCH, "fn f( {", 1, "it does not parse as rust"),
    ("rust", "fn f()", "unsafe fn f() -> u8 {}", 1, "f is unsafe; returns u8, not nothing"),
    ("rust", "pub fn f()", "pub(crate) fn f() {}", 1, "f is not pub; is pub(crate)"),
    (
        "rust",
        "fn f<T>(x: T)",
        "fn f<T: A>(x: T) where T: B {}",
        1,
        "f has type parameters <T: A>, not type parameters <T>; has where T: B, not no where",
    ),
    ("rust", "fn f<T, U>(x: T, y: U)", "fn f<A, B>(x: B, y: A) {}", 1, "takes x: B as parameter 1, not x: T"),
    ("rust", "fn get(&self)", "impl F { fn get(&mut self) {} }", 1, "get takes &mut self as parameter 1, not &self"),
    ("python", "def f(a, b)", "def f(a, c): ...", 1, "f takes c as parameter 2, not b"),
    ("python", "def f(a: int = 1)", "def f(a: int = 2): ...", 1, "takes a: int = 2 as parameter 1, not a: int = 1"),
    ("python", "def f(a, *, b)", "def f(a, b): ...", 1, "f takes 2 parameters, not 3"),
    ("python", "def f()", "class A:\n  def f(): ...", 2, "nearest is A's f"),
    (
        "typescript",
        SCRIPT,
        "async function f<T>(u: string[], n: number): Promise<T[]> {}",
        1,
        "takes n: number as parameter 2",
    ),
    ("typescript", SCRIPT, SCRIPT, 1, "nearest is f (without a body)"),
    ("typescript", "export function f()", "function f() {}", 1, "f is not export"),
    ("typescript", "static get(): void", "class A { private get(): void {} }", 1, "get is not static; is private"),
    ("javascript", "function f(a)", "function f({a}) {}", 1, "takes {a} as parameter 1"),
    ("javascript", "function f(a)", "async function f(...a) {}", 1, "f is async; takes ...a as parameter 1, not a"),
    (
        "go",
        GO,
        GO.replace("c ...string", "c []string") + " { return }",
        1,
        "takes c []string as parameter 4, not c ...string",
    ),
    ("go", "func f() error", "func f() (int, error) { return 1, nil }", 1, "f returns (int, error), not error"),
    ("go", "func (s *Stack) Push(x int)", "func (t Stack) Push(y int) {}", 1, "Push is not on *Stack"),
    (
        "go",
        "func (s *Stack) Push(x int)",
        "func Push(y int) {}",
        1,
        "it has no function Push in Stack; nearest is Push",
    ),
    (
        "java",
        JAVA,
        "class A { public static List<T> f(int a, String[] c) throws E {} }",
        1,
        "takes String[] c as parameter 2",
    ),
    ("java", "int[] f()", "class A { int f() {} }", 1, "f returns int, not int[]"),
    (
        "c",
        C,
        "const char *f(char *s, int *a, int (*cb)(int), ...) {}",
        1,
        "f is not static; takes char *s as parameter 1",
    ),
    ("c", "int main()", "void main() {}", 1, "main returns void, not int"),
    ("c", "int f(void)", "int f(void);", None, "it has no function f"),
]


@pytest.mark.parametrize(("language", "declares", "candidate"), SAME)
def test_the_same_head_in_other_words_holds(language, declares, candidate):
    assert CodeSignature(language, declares).violations(candidate) == []


@pytest.mark.parametrize(("language", "declares", "candidate", "line", "detail"), DIFFERENT)
def test_another_head_is_refused_and_the_difference_said(language, declares, candidate, line, detail):
    (place,) = CodeSignature(language, declares).violations(candidate)
    assert detail in place.detail
    assert place.line == line
    assert bool(place.excerpt) == (line is not None)


def test_parameters_names_count_where_callers_use_them_or_the_rule_says_so():
    renamed = FETCH.replace("limit:", "most:") + " {}"
    assert CodeSignature("rust", FETCH).violations(renamed) == []
    (place,) = CodeSignature("rust", FETCH, names=True).violations(renamed)
    assert place.detail == "fetch_all takes most: usize as parameter 2, not limit: usize"
    assert CodeSignature("python", "def f(a)", names=False).violations("def f(b): ...") == []


def test_an_owner_is_the_class_trait_or_type_that_the_function_belongs_to():
    text = "trait A { fn get(&self) -> u8; } impl<T> G<T> { fn get(&self) -> u16 { 1 } }"
    for owner, detail in [("A", None), ("G", "get returns u16, not u8"), ("H", "it has no function get in H")]:
        found = CodeSignature("rust", "fn get(&self) -> u8", owner=owner).violations(text)
        assert [detail in place.detail for place in found] == ([True] if detail else [])


def test_one_right_function_among_several_of_the_name_is_enough():
    text = "mod a { fn f(x: u8) {} }\nfn f(x: u16) {}"
    assert CodeSignature("rust", "fn f(x: u16)").violations(text) == []


def test_a_body_that_does_not_parse_is_passed_over_where_the_rule_says_so():
    assert CodeSignature("rust", "fn f()").violations("fn f() { a(1 }")
    assert CodeSignature("rust", "fn f()", syntax="ignore").violations("fn f() { a(1 }") == []


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("declares", ["f(", "x = 1", "1 +", " ", "solve"])
def test_what_is_no_head_is_refused_with_an_example_that_is_one(language, declares):
    with pytest.raises(KeyFaults, match="; write e") as raised:
        CodeSignature(language, declares)
    assert raised.value.faults[0].path == ("declares",)
    assert CodeSignature(language, HEADS[language].example).violations("") != []


@settings(deadline=None, max_examples=200)
@given(
    st.sampled_from([(language, text) for language, text, *_ in SAME]),
    st.sampled_from([text for _, _, text, *_ in SAME + DIFFERENT]) | st.text("fn (){}:;,def*&<>a\n=.") | st.text(),
)
def test_whatever_is_given_as_a_candidate_has_a_verdict(head, text):
    assert len(CodeSignature(*head, syntax="ignore").violations(text)) <= 1


@settings(deadline=None)
@given(st.sampled_from(LANGUAGES), st.text("fnpub (){}:;,def*&<>a\n=.int", max_size=30))
def test_whatever_is_declared_is_refused_or_can_be_asked_for(language, text):
    try:
        check = CodeSignature(language, text)
    except KeyFaults:
        return
    assert check.violations("") != []

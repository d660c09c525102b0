"""Which files of a repository go into the prompt, and which parts of them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.core.budget import Context, Source, choose
from evalkit.core.context.settings import SOURCES
from evalkit.core.ladder import Rung
from evalkit.core.types import Instance, Repo

RUNG = Rung("scripted/x")
LONG = "".join(f"def filler_{at}(x):\n    y = x + {at}\n    return y\n\n\n" for at in range(60))
FILES = {
    "README.md": "Shop\n",
    "setup.py": "from setuptools import setup\nsetup()\n",
    "shop/__init__.py": "",
    "shop/basket.py": '"""Baskets."""\n\nfrom shop.money import Price\n\n\nclass Basket:\n    """Holds items."""\n\n'
    "    def total_price(self):\n        return sum(item.price for item in self.items)\n",
    "shop/money.py": "class Price:\n    def rounded(self):\n        return round(self.value, 2)\n",
    "shop/voucher.py": LONG + "def redeem_voucher(code):\n    check(code)\n    return code.upper()\n\n\n" + LONG,
    "shop/stock.py": "from .basket import Basket\n\n\ndef in_stock(item):\n    return item.count > 0\n",
    "shop/data.min.js": "x=1;" * 500,
    "tests/test_basket.py": "from shop.basket import Basket\n\n\n"
    "def test_total():\n    assert Basket().total_price() == 0\n",
    "tests/test_stock.py": "def test_stock():\n    assert True\n",
    "logo.png": "binary",
}


def words(text):
    return len(text.split())


def asked(prompt, files=FILES, gold=""):
    return Instance("i", prompt, files=files, repo=Repo("a/shop", "0" * 40), gold=gold)


def paths(prompt, tokens=150, **context):
    instance = asked(prompt, gold=context.pop("gold", ""))
    return [file.path for file in choose(Context(tokens=tokens, **context), instance, RUNG, words).files]


@pytest.mark.parametrize(
    ("kind", "prompt", "first"),
    [
        ("keyword", "Baskets lose items\nThe total price of a basket is wrong.", "shop/basket.py"),
        ("keyword", "redeemVoucher accepts everything", "shop/voucher.py"),
        ("head", "anything at all", "setup.py"),
        (
            "traceback",
            'Traceback:\n  File "/usr/lib/site-packages/shop/stock.py", line 5, in in_stock',
            "shop/stock.py",
        ),
        ("traceback", "See https://example.org/a/shop/blob/main/shop/money.py#L2 please", "shop/money.py"),
        ("traceback", "shop.money.Price.rounded is off by one", "shop/money.py"),
        ("traceback", "`redeem_voucher` should check its code", "shop/voucher.py"),
        ("traceback", r"Error in C:\work\shop\basket.py", "shop/basket.py"),
        ("combined", "The total price of a basket: see shop/money.py:3", "shop/money.py"),
        ("combined", "Basket items\nThe total price of a basket is wrong.", "shop/basket.py"),
        ("signatures", "in_stock is wrong", "shop/stock.py"),
    ],
)
def test_a_source_finds_what_the_problem_is_about(kind, prompt, first):
    assert paths(prompt, kind=kind)[0] == first


def test_neighbours_are_what_is_imported_and_what_imports():
    found = paths("total_price", kind="sources", sources=["traceback", "imports"])
    assert found[0] == "shop/basket.py"
    assert set(found[1:]) == {"shop/money.py", "shop/stock.py"}


def test_the_tests_of_chosen_files_come_by_name_and_import():
    assert paths("total_price", kind="sources", sources=["traceback", "tests"]) == [
        "shop/basket.py",
        "tests/test_basket.py",
    ]


def test_the_known_good_patch_decides_for_an_ablation_alone_which_is_marked():
    patch = "--- a/shop/money.py\n+++ b/shop/money.py\n@@ -1,3 +1,3 @@\n class Price:\n"
    assert paths("anything", kind="oracle_files", gold=patch) == ["shop/money.py"]
    assert Context("oracle_files").tag == "oracle"
    assert Context("sources", sources=["keyword", "oracle_files"]).tag == "oracle"
    assert Context("sources", sources=["traceback", Source("keyword", 0.5)]).tag == "traceback+keyword"


def test_tests_and_documents_come_after_source_and_other_files_never():
    everything = paths("test basket total", tokens=100_000, kind="keyword")
    assert everything[-2:] == ["tests/test_basket.py", "tests/test_stock.py"]
    assert set(everything) == {path for path in FILES if path.endswith(".py")} - {"shop/__init__.py"}
    assert paths("test basket total", kind="keyword", last=[])[0] == "tests/test_basket.py"


def test_a_big_file_is_cut_to_whole_definitions_with_marks_for_the_rest():
    (file,) = choose(Context("traceback", 60), asked("`redeem_voucher` fails"), RUNG, words).files
    assert "def redeem_voucher(code):\n    check(code)\n    return code.upper()\n" in file.text
    assert file.text.startswith("… (lines 1 to 300 left out)\n")
    assert file.spans[0][0] == file.line == 301
    assert not file.whole


def test_a_method_is_shown_below_the_first_line_of_its_class():
    methods = "".join(f"    def method_{at}(self):\n        return {at} + {at}\n\n" for at in range(80))
    files = {"a.py": f'class Big:\n    """Doc."""\n\n{methods}'}
    chosen = choose(Context("traceback", 40), asked("method_42() is wrong", files), RUNG, words)
    assert chosen.files[0].text.startswith("class Big:\n")
    assert "    def method_42(self):\n        return 42 + 42\n" in chosen.files[0].text


def test_an_outline_has_heads_and_docstrings_without_bodies():
    text = choose(Context("signatures", 40), asked("Basket.total_price"), RUNG, words).files[0].text
    assert 'class Basket:\n    """Holds items."""\n    def total_price(self):\n' in text
    assert "return" not in text


def test_where_all_files_fit_all_are_shown_whole_the_best_first():
    files = {"a.txt": "nothing\n", "b.txt": "a parrot\n", "tests/c.txt": "more\n"}
    chosen = choose(Context("keyword", 100), Instance("i", "the parrot", files=files), RUNG, words)
    assert [(one.path, one.text) for one in chosen.files] == [
        (one, files[one]) for one in ("b.txt", "a.txt", "tests/c.txt")
    ]
    assert chosen.dropped == ()


def test_what_is_left_out_is_said_within_bounds():
    files = {f"m{at}.py": f"def one_{at}():\n    return {at}\n" * 9 for at in range(300)}
    chosen = choose(Context("keyword", 90), asked("one_7 and one_8", files), RUNG, words)
    assert len(chosen.dropped) <= 20 + len(chosen.files) + 1
    assert chosen.dropped[-1].startswith("and ")
    assert chosen.dropped[-1].endswith(" more files")


@pytest.mark.parametrize(
    ("faulty", "said"),
    [
        ({"kind": "keywords"}, "did you mean 'keyword'"),
        ({"kind": "sources"}, "context.sources is []"),
        ({"kind": "keyword", "sources": ["tests"]}, "kind=sources"),
        ({"kind": "sources", "sources": ["trackback"]}, "did you mean 'traceback'"),
        ({"cut": "middle"}, "context.cut is 'middle'"),
        ({"file_share": 0}, "context.file_share is 0"),
        ({"tokens": -1}, "context.tokens is -1"),
    ],
)
def test_settings_that_cannot_work_are_refused(faulty, said):
    with pytest.raises(ValueError, match="context") as refused:
        Context(**faulty)
    assert said in str(refused.value)


def test_a_share_that_is_none_is_refused():
    with pytest.raises(ValueError, match="share 2"):
        Source("keyword", 2)


SOME = st.lists(st.sampled_from([kind for kind in SOURCES if kind != "oracle_files"]), min_size=1, max_size=3)


@settings(deadline=None, max_examples=60)
@given(
    sources=SOME,
    prompt=st.sampled_from(["total_price of Basket", "redeem_voucher in shop/voucher.py:303", "", "x"]),
    tokens=st.integers(0, 900),
)
def test_the_budget_holds_each_file_is_shown_once_and_lines_are_the_files_own(sources, prompt, tokens):
    context = Context("sources", tokens, sources)
    chosen = choose(context, asked(prompt), RUNG, words)
    assert sum(words(file.text) for file in chosen.files) <= tokens
    assert len({file.path for file in chosen.files}) == len(chosen.files)
    assert chosen == choose(
        context, Instance("j", prompt, files=dict(FILES), repo=Repo("a/shop", "1" * 40)), RUNG, words
    )
    for file in chosen.files:
        lines = FILES[file.path].split("\n")
        spanned = [lines[at - 1] for first, last in file.spans for at in range(first, last + 1)]
        if file.spans:
            assert [line for line in file.text.split("\n") if not line.startswith("…")][: len(spanned)] == spanned

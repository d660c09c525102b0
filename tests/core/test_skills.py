"""Skills: which fit an instance, in which order, and what the limits leave."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.adapters.skill_files import read
from evalkit.core.errors import ConfigError
from evalkit.core.skills import Skill, Skills, Skillset
from evalkit.core.types import Instance, Repo
from evalkit.places import installed

SHIPPED = str(installed("conf") / "skills")
DJANGO = Instance("d", "QuerySet.union() fails", answer="search_replace", repo=Repo("django/django", "0" * 40))


def words(text):
    return len(text.split())


def skillset(*skills, most=3, tokens=100):
    return Skillset(Skills(most, tokens), skills)


def names(found):
    return [skill.name for skill in found]


@pytest.mark.parametrize(
    ("skill", "fits"),
    [
        (Skill("a", "x", tags=("Django",)), True),  # the repository's name without its owner
        (Skill("a", "x", tags=("django/django",)), True),
        (Skill("a", "x", tags=("search_replace",)), True),  # the answer's form
        (Skill("a", "x", tags=("sympy",)), False),
        (Skill("a", "x", keywords=("queryset",)), True),
        (Skill("a", "x", keywords=("query",)), False),  # whole words
        (Skill("a", "x", keywords=("union()",)), True),
        (Skill("a", "x", tags=("django",), keywords=("migration",)), False),  # both, where both are given
        (Skill("a", "x", tags=("sympy",), always=True), True),
    ],
)
def test_tags_and_keywords_decide(skill, fits):
    assert bool(skillset(skill).fitting(DJANGO)) is fits


def test_the_best_go_first_and_a_long_one_makes_place_for_a_shorter_one():
    always = Skill("always", "a b", always=True)
    two = Skill("two", "one " * 98, tags=("django", "search_replace"))
    long, short = Skill("long", "one " * 9, tags=("django",)), Skill("short", "one", keywords=("fails",))
    picked = skillset(long, short, two, always, most=9).choose(DJANGO, words)
    assert names(picked.skills) == ["always", "two"]
    assert picked.dropped == ("skill long", "skill short")
    fewer = skillset(long, short, two, always, most=9, tokens=5).choose(DJANGO, words)
    assert (names(fewer.skills), fewer.dropped) == (["always", "short"], ("skill two", "skill long"))


def test_none_is_the_default_and_reads_no_file(tmp_path):
    (tmp_path / "broken.md").write_text("no front matter")
    assert read([str(tmp_path)], Skills()).skills == ()


@given(st.integers(0, 4), st.integers(0, 30), st.lists(st.integers(1, 12), max_size=6))
def test_the_limits_hold(most, tokens, lengths):
    skills = [Skill(f"s{at}", "one " * length, always=True) for at, length in enumerate(lengths)]
    picked = skillset(*skills, most=most, tokens=tokens).choose(DJANGO, words)
    assert len(picked.skills) <= most
    assert sum(words(skill.text) for skill in picked.skills) <= tokens
    assert len(picked.skills) + len(picked.dropped) == (len(skills) if most else 0)


def test_another_text_is_another_run_and_a_skill_that_fits_nothing_changes_none():
    one, other = Skill("a", "x", tags=("django",)), Skill("a", "y", tags=("django",))
    idle = Skill("b", "z", tags=("sympy",))
    found = [skillset(*skills).digest([DJANGO]) for skills in ([one], [other], [one, idle])]
    assert found[0] != found[1]
    assert found[0] == found[2]


def test_the_users_own_file_goes_before_the_shipped_one(tmp_path):
    (tmp_path / "sql.md").write_text("---\ntags: [sql]\n---\nMine.\n")
    found = {skill.name: skill for skill in read([str(tmp_path), SHIPPED], Skills(most=1)).skills}
    assert found["sql"].text == "Mine."
    assert len(found) >= 5


def test_only_names_those_that_may_go_in():
    assert names(read([SHIPPED], Skills(most=1, only=["traceback"])).skills) == ["traceback"]
    with pytest.raises(ConfigError, match="did you mean 'traceback'"):
        read([SHIPPED], Skills(most=1, only=["tracebacks"]))


def test_each_shipped_skill_is_short_enough_for_the_default_budget():
    for skill in read([SHIPPED], Skills(most=1)).skills:
        assert words(skill.text) < 200
        assert skill.description


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("Just text.", "no front matter"),
        ("---\ntags: [a]\nText without an end", "no front matter"),
        ("---\ntags: [a]\n---\n", "has no text"),
        ("---\nname: a\n---\nText.", "fits no instance"),
        ("---\ntag: [a]\n---\nText.", "did you mean 'tags'"),
        ("---\ntags: a\n---\nText.", "Expected `array`"),
        ("---\ntags: [\n---\nText.", "own.md"),
        ("---\n- a\n---\nText.", "Expected `object`"),
    ],
)
def test_a_file_that_is_no_skill_is_named(tmp_path, text, says):
    (tmp_path / "own.md").write_text(text)
    with pytest.raises(ConfigError, match=r"own\.md") as caught:
        read([str(tmp_path)], Skills(most=1))
    assert says in str(caught.value)

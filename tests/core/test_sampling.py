"""Samples are nested, near proportional, seeded, and do not depend on the order of the file."""

import re
from collections import Counter
from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from evalkit.core.sampling import sample, stratum
from evalkit.core.types import Instance


def made(kinds: list[str]) -> list[Instance]:
    return [
        Instance(f"i{number}", "?", tags=(kind, "more"), difficulty=kind[:1], metadata={"repo": kind})
        for number, kind in enumerate(kinds)
    ]


datasets = st.lists(st.sampled_from(["python", "sql", "json", "text", "rust"]), min_size=1, max_size=60).map(made)
fields = st.sampled_from(["tags", "difficulty", "repo", "", None])
seeds = st.integers(0, 2**31)


@given(datasets, seeds, fields, st.data())
def test_a_smaller_sample_is_the_beginning_of_a_larger_one(instances, seed, by, data):
    """Invariant 7."""
    large = data.draw(st.integers(1, len(instances)))
    small = data.draw(st.integers(1, large))
    assert sample(instances, large, seed, by)[:small] == sample(instances, small, seed, by)


@pytest.mark.parametrize("by", ["tags", "difficulty", "repo"])
def test_invariant_7_5_are_in_10_are_in_30_are_in_100_are_in_300_seeded_and_stratified(by):
    kinds = ["django"] * 114 + ["sympy"] * 77 + ["matplotlib"] * 23 + ["flask"] * 3 + ["pytest"] * 83
    instances = made(kinds)
    phases = [sample(instances, size, 7, by) for size in (5, 10, 30, 100, 300)]
    for small, large in pairwise(phases):
        assert large[: len(small)] == small
    assert [sample(instances, size, 7, by) for size in (5, 10, 30, 100, 300)] == phases  # the same seed
    assert sample(instances, 30, 8, by) != phases[2]  # another
    shares = Counter(stratum(instance, by) for instance in instances)
    for taken in phases:
        found = Counter(stratum(instance, by) for instance in taken)
        assert all(abs(found[name] - len(taken) * count / 300) < 1 for name, count in shares.items())


@given(datasets, seeds, fields)
def test_every_sample_is_within_one_of_proportional(instances, seed, by):
    whole = Counter(stratum(instance, by) for instance in instances)
    for size in range(1, len(instances) + 1):
        taken = Counter(stratum(instance, by) for instance in sample(instances, size, seed, by))
        for name, count in whole.items():
            assert abs(taken[name] - size * count / len(instances)) < 1


@given(datasets, seeds, fields, st.randoms())
def test_the_order_of_the_file_does_not_matter(instances, seed, by, random):
    shuffled = list(instances)
    random.shuffle(shuffled)
    assert sample(shuffled, len(instances), seed, by) == sample(instances, len(instances), seed, by)


@given(datasets, seeds, fields)
def test_a_sample_of_all_holds_each_instance_once(instances, seed, by):
    taken = sample(instances, len(instances), seed, by)
    assert sorted(one.id for one in taken) == sorted(one.id for one in instances)


def test_no_size_is_everything_in_file_order():
    instances = made(["sql", "python", "sql"])
    assert sample(instances, None, 7, "tags") == tuple(instances)


def test_another_seed_takes_others():
    instances = made(["python"] * 50)
    samples = {tuple(one.id for one in sample(instances, 5, seed, "tags")) for seed in range(20)}
    assert len(samples) == 20


def test_the_sample_of_today_is_that_of_last_year():
    """A change of the order would silently change everybody's samples: it needs a changelog line."""
    instances = made(["python", "sql", "python", "json", "sql", "python"])
    assert [one.id for one in sample(instances, 4, 42, "tags")] == ["i2", "i1", "i5", "i4"]


def test_instances_without_the_field_are_a_stratum_of_their_own():
    instances = [*made(["sql"] * 4), *(Instance(f"x{number}", "?") for number in range(4))]
    assert Counter(stratum(one, "repo") for one in sample(instances, 4, 1, "repo")) == {"sql": 2, "": 2}


@pytest.mark.parametrize(
    ("size", "by", "message"),
    [
        (
            2,
            "difficult",
            "no field 'difficult' to sample by; there is tags, difficulty, repo. Did you mean 'difficulty'?",
        ),
        (None, "repos", "Did you mean 'repo'?"),
        (4, "tags", "sample size 4 does not fit: the dataset holds 3 instances. Use 1 to 3"),
        (0, "tags", "sample size 0 does not fit"),
    ],
)
def test_what_cannot_be_sampled_says_so(size, by, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        sample(made(["sql", "sql", "json"]), size, 0, by)


@given(datasets, seeds, fields, st.integers(1, 4), st.data())
def test_the_shares_of_a_sample_are_disjoint_and_together_all_of_it(instances, seed, by, parts, data):
    size = data.draw(st.one_of(st.none(), st.integers(parts, len(instances))) if len(instances) >= parts else st.none())
    whole = sample(instances, size, seed, by)
    assume(len(whole) >= parts)
    shares = [()] * parts
    for part in range(parts):
        with suppress(ValueError):  # an empty share, of few instances in many strata
            shares[part] = sample(instances, size, seed, by, f"{part + 1}/{parts}")
    assert sorted(one.id for share in shares for one in share) == sorted(one.id for one in whole)
    for name in {stratum(one, by) for one in whole}:  # strata are held to their shares before the whole is
        counts = [sum(stratum(one, by) == name for one in share) for share in shares]
        assert max(counts) - min(counts) <= 1


def test_both_halves_hold_half_of_every_stratum_whatever_the_order_of_the_file():
    instances = made(["django"] * 20 + ["sympy"] * 8 + ["flask"] * 2)
    for part in ("1/2", "2/2"):
        taken = sample(instances, None, 3, "tags", part)
        assert Counter(stratum(one, "tags") for one in taken) == {"django": 10, "sympy": 4, "flask": 1}
        assert {one.id for one in sample(instances[::-1], None, 3, "tags", part)} == {one.id for one in taken}


@pytest.mark.parametrize("share", ["1", "0/2", "3/2", "a/b", "1/2/3", "-1/2", ""])
def test_a_share_that_is_none_says_how_to_write_one(share):
    with pytest.raises(ValueError, match="write PART/PARTS, such as 1/2"):
        sample(made(["sql", "sql"]), None, 0, "tags", share)


def test_an_empty_share_says_so():
    whole = [sample(made(["sql"] * 2), None, 0, "tags", f"{part}/2") for part in (1, 2)]
    assert list(map(len, whole)) == [1, 1]
    with pytest.raises(ValueError, match=r"the share ./9 of 2 instances is empty"):
        [sample(made(["sql"] * 2), None, 0, "tags", f"{part}/9") for part in range(1, 10)]

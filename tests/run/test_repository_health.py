"""Gold patches, tests that pass already, tests that go both ways: an instance with a repository is proven by name."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import cycle

import pytest

from evalkit.adapters.flaky_tests import FlakyTests
from evalkit.adapters.health_cache import HealthCache
from evalkit.core.environment import Built, Environment
from evalkit.core.errors import ConfigError, DatasetError, GraderError, SandboxError
from evalkit.core.failure import Failure
from evalkit.core.repository_files import RepositoryFiles
from evalkit.core.types import Dataset, Instance, Outcome, Repo, TestResult, Tests, Verdict
from evalkit.run.health import examine, examine_all
from evalkit.run.judging.channel import Trial
from evalkit.run.judging.repository import RepositoryTests
from evalkit.run.judging.repository.placed import OWN
from evalkit.run.preflight import built, preflight, quarantine
from tests.run.builders import unhealthy

GOLD = "diff --git a/a.py b/a.py\n--- a/a.py\n+++ b/a.py\n@@ -1 +1 @@\n-old\n+new\n"
REPO = Repo("o/r", "a" * 40, "here")


class Files:
    """A workspace of one file; counts how often it was asked."""

    asked = 0

    def files(self, repo):
        self.asked += 1
        if repo.name == "o/gone":
            raise DatasetError("repository 'o/gone' is not here")
        return {"a.py": "old\n", "conftest.py": "old\n"}


def instance(name="one", repo=REPO, gold=GOLD, f2p=("f1", "f2"), p2p=("p1",)):
    files = RepositoryFiles(Files(), repo)
    tests = Tests("repo", patch="p", targets=("t.py",), fail_to_pass=f2p, pass_to_pass=p2p)
    return Instance(name, "?", answer="search_replace", files=files, repo=repo, gold=gold, tests=tests)


@dataclass
class Running:
    """Says which tests pass before and, run for run, after; in words: `f1 p1`."""

    before: str = "p1"
    after: tuple[str, ...] = ("f1 f2 p1",)
    asked: list = field(default_factory=list)

    def __post_init__(self):
        self._after = cycle(self.after)

    def covers(self, instance):
        return ""

    async def verify(self, instance, candidate):
        self.asked.append(candidate)
        if candidate.failure:
            return Verdict(accepted=False, failure=candidate.failure, findings=candidate.findings)
        passing = (self.before if not candidate.text else next(self._after)).split()
        if passing == ["outage"]:
            raise SandboxError("the sandbox fell over")
        wanted = (*instance.tests.fail_to_pass, *instance.tests.pass_to_pass)
        outcomes = {name: Outcome.PASSED if name in passing else Outcome.FAILED for name in wanted}
        if passing == ["late"]:
            outcomes = dict.fromkeys(wanted, Outcome.MISSING)
        done = all(outcome is Outcome.PASSED for outcome in outcomes.values())
        tests = tuple(TestResult(name, outcome) for name, outcome in outcomes.items())
        return Verdict(done, None if done else Failure.TEST_FAILURE, tests=tests)


@pytest.mark.parametrize(
    ("verifier", "faults", "notes"),
    [
        (Running(), (), ()),
        (Running("p1 f1"), (), ("1 of 2 fail_to_pass pass already: f1",)),
        (Running("f1 f2 p1"), ("the empty answer passes already what a solution must make pass: f1, f2",), ()),
        (Running("f1 f2"), ("the empty answer passes already what a solution must make pass: f1, f2",), ()),
        (Running("", ("f1 p1",)), ("the gold patch is rejected (f2): test_failure",), ()),
        (Running("", ("f1 f2",)), ("the gold patch is rejected (p1): test_failure",), ()),
    ],
)
async def test_invariant_5_faults_name_the_tests(verifier, faults, notes):
    found = await examine(instance(), verifier)
    assert (found.faults, found.notes) == (faults, notes)
    assert [bool(candidate.text) for candidate in verifier.asked] == [False, True]
    assert verifier.asked[1].files["a.py"] == "new\n"


async def test_a_gold_patch_may_touch_what_answers_must_not_and_has_to_apply():
    assert (await examine(instance(gold=GOLD.replace("a.py", "conftest.py")), Running())).faults == ()
    (fault,) = (await examine(instance(gold=GOLD.replace("-old", "-odd")), Running())).faults
    assert fault.startswith("the gold patch is rejected: edit")


@pytest.mark.parametrize(
    ("after", "flaky", "faults"),
    [
        (("f1 f2 p1", "f1 f2 p1"), {}, ()),
        (("f1 f2", "f1 f2 p1", "f1 f2 p1"), {"p1": "passed in 2 of 3"}, ()),
        (("f1 p1", "f1 f2 p1"), {"f2": "passed in 1 of 2"}, ()),
        (
            ("p1", "f1 f2 p1"),
            {"f1": "passed in 1 of 2", "f2": "passed in 1 of 2"},
            ("every test of fail_to_pass goes both ways with the gold patch",),
        ),
        (("f1", "f1 p1"), {"p1": "passed in 1 of 2"}, ("the gold patch (run 1 of 2) is rejected (f2)",)),
        (("late", "f1 f2 p1"), {}, ("the gold patch (run 1 of 2) is rejected (f1, f2, p1)",)),
    ],
)
async def test_tests_that_go_both_ways_are_found_by_repeating_and_the_others_count(after, flaky, faults):
    found = await examine(instance(), Running(after=after), repeat=len(after))
    assert found.flaky == flaky
    assert [told[: len(start)] for told, start in zip(found.faults, faults, strict=False)] == list(faults)
    assert bool(found.faults) == bool(faults)


async def test_flaky_tests_are_left_out_from_then_on_and_the_dataset_is_another_one(tmp_path):
    known, other = FlakyTests(tmp_path / "mlruns" / "flaky.json"), instance("two")
    dataset = Dataset("d", "as it was", (instance(), other))
    assert known.applied(dataset) is dataset
    known.note(instance(), {"p1": "passed in 1 of 2"})
    known.note(known.applied(dataset).instances[0], {"f2": "passed in 2 of 3"})  # it is the same, with less to pass
    after = FlakyTests(known.path).applied(dataset)
    assert (after.instances[0].tests.fail_to_pass, after.instances[0].tests.pass_to_pass) == (("f1",), ())
    assert after.instances[1] is other
    assert after.digest not in ("as it was", FlakyTests(tmp_path / "none").applied(dataset).digest)
    assert known.of(after.instances) == {"one": {"f2": "passed in 2 of 3", "p1": "passed in 1 of 2"}}
    known.path.write_text("{}")
    assert known.of(after.instances) == {}
    known.path.write_text("[3]")
    with pytest.raises(DatasetError, match="Mend or delete it"):
        known.applied(dataset)


def test_two_checks_at_once_lose_no_flaky_test(tmp_path):
    many = [instance(f"i{number}") for number in range(20)]
    with ThreadPoolExecutor(4) as at_once:
        list(at_once.map(lambda one: FlakyTests(tmp_path / "flaky.json").note(one, {"p1": "passed in 1 of 2"}), many))
    assert set(FlakyTests(tmp_path / "flaky.json").of(many)) == {one.id for one in many}


async def test_health_is_remembered_by_instance_and_environment_without_reading_a_file(tmp_path):
    one, path = instance(), tmp_path / "healthy.txt"
    HealthCache(path, "v", {"here": "digest"}).note([one])
    assert HealthCache(path, "v", {"here": "digest"}).healthy(instance())
    assert not HealthCache(path, "v", {"here": "another"}).healthy(one)
    assert not HealthCache(path, "v", {"here": "digest"}).healthy(instance(gold=GOLD + "\n"))
    assert not HealthCache(path, "w", {"here": "digest"}).healthy(one)
    assert one.files._workspace.asked == 0


async def test_a_repository_that_is_not_there_is_the_instances_fault():
    gone = instance("gone", Repo("o/gone", "a" * 40, "here"))
    assert await unhealthy([gone, instance()], Running()) == {"gone": ("repository 'o/gone' is not here",)}


async def test_single_outages_are_noted_and_many_in_a_row_end_the_check():
    instances = [instance(f"i{number}") for number in range(6)]
    seen = []
    found = await examine_all(
        instances,
        Running(after=("outage", "f1 f2 p1")),
        1,
        outages=1,
        seen=lambda one, health: seen.append((one.id, health.outage)),
    )
    assert [one.outage for one in found.values()] == ["the sandbox fell over", ""] * 3
    assert [name for name, _ in seen] == list(found)
    with pytest.raises(SandboxError):
        await examine_all(instances, Running(after=("outage",)), 1, outages=1)


async def test_what_is_proven_stays_proven_when_an_outage_ends_the_rest(tmp_path):
    cache = HealthCache(tmp_path / "healthy.txt", "v")
    instances = [instance("one"), instance("two")]
    with pytest.raises(SandboxError):
        await quarantine(instances, Running(after=("f1 f2 p1", "outage")), cache, concurrency=1)
    assert [HealthCache(tmp_path / "healthy.txt", "v").healthy(one) for one in instances] == [True, False]


async def test_environments_are_built_once_each_and_all_that_cannot_be_are_told():
    class Some:
        asked: list = []  # noqa: RUF012  one test's

        async def built(self, name):
            self.asked.append(name)
            if name != "here":
                raise SandboxError(f"no {name}")

    environments = Some()
    instances = [instance(), instance(), instance(repo=Repo("o/r", "a" * 40, "there"))]
    assert {name: str(error) for name, error in (await built(environments, instances)).items()} == {"there": "no there"}
    assert environments.asked == ["here", "there"]


@dataclass
class Recipes:
    """Environments by name: `own` is this machine's Python; `old` and `same` are images'."""

    broken: type[Exception] = ConfigError

    async def built(self, name):
        if name == "broken":
            raise self.broken("pip could not install its packages")
        images = {"own": ("", "/venv/bin/python"), "old": ("python39", "python"), "same": ("python", "python")}
        image, python = images[name]
        version = {"old": "3.9", "same": OWN}.get(name, "")
        return Built(Environment(name, ("python",), python=version, image=image), python, name)


@dataclass
class Places:
    """A sandbox whose jobs get a container, or none."""

    containers: bool

    async def contains(self, image):
        return self.containers

    async def check(self, *images):
        pass


def _in(name, image=""):
    return replace(instance(name, Repo("o/r", "a" * 40, name)), image=image)


@pytest.mark.parametrize(
    ("containers", "unfit"),
    [
        (False, {"old": f"needs the image 'python39', and its tests would run under this machine's Python {OWN}"}),
        (True, {"own": "is built with this machine's Python, which a container has not"}),
    ],
)
async def test_tests_are_never_run_under_another_python_than_their_packages_are_for(containers, unfit):
    instances, sandbox = [_in("own"), _in("old"), _in("same")], Places(containers=containers)
    given = ({}, sandbox, Running(), instances)
    found = await preflight(*given, environments=Recipes(), quarantining=True)
    assert list(found) == list(unfit)
    assert all(why in found[name] for name, why in unfit.items())
    with pytest.raises(ConfigError, match=next(iter(unfit.values()))):
        await preflight(*given, environments=Recipes())
    tests = RepositoryTests(sandbox, object(), Recipes())  # also where nobody looked before
    for one in instances:
        if one.id in unfit:
            with pytest.raises(GraderError, match=unfit[one.id]):
                await tests.verdict(Trial(one, one.tests, None, "n", None))


async def test_a_wrong_recipe_quarantines_its_instances_and_an_outage_starts_nothing():
    instances = [_in("own"), _in("broken")]
    found = await preflight(
        {}, Places(containers=False), Running(), instances, environments=Recipes(), quarantining=True
    )
    assert found == {"broken": "environment 'broken': pip could not install its packages"}
    away = Recipes(SandboxError)
    with pytest.raises(ConfigError, match="nothing was started:\n  environment 'broken': pip"):
        await preflight({}, Places(containers=False), Running(), instances, environments=away, quarantining=True)

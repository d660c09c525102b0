"""evalkit register, from=models:/… and RUN resolution, as a user calls them."""

import json
import shutil

import mlflow
import pandas as pd
import pytest

from evalkit.adapters.mlflow_registry import Registry
from evalkit.adapters.mlflow_store import local_uri
from evalkit.cli import main
from evalkit.cli.runs_of import run_folder
from tests.e2e.command import SECRET, Home

TASKS = 12
SKILL = "---\nalways: true\n---\nSay it briefly.\n"
HOUSE = "rules: [{id: right, kind: regex, pattern: right, message: Say the right word.}]\n"
BRIEF = "rules: [{id: brief, kind: length, characters: {max: 60}, message: Be brief.}]\n"
STRATEGY = """_target_: evalkit.adapters.template_strategy.TemplateStrategy
system: 'In the house style, with \\${braces} kept.'
user: "{{ instance.prompt }} {{ form }} {% for line in feedback %}{{ line }}{% endfor %}"
"""
CHOICES = ["strategy=mine", "skills.most=1", "verifier.rubric=rubrics/brief.yaml", "dataset=jsonl"]


class Place(Home):
    """A user's folder with its own strategy, rubrics and skills, and two ladders of scripted answers."""

    def __init__(self, path):
        super().__init__(path)
        self.write("conf/strategy/mine.yaml", STRATEGY)
        self.write("conf/skills/brief.md", SKILL)
        self.write("rubrics/house.yaml", HOUSE)
        self.write("rubrics/brief.yaml", BRIEF)
        rows = [{"id": f"i{n}", "prompt": f"Task {n}.", "rubric": "house", "good": ["right"]} for n in range(TASKS)]
        self.write("tasks.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
        answers = {f"i{n}": ["wrong", "right"] for n in range(3)}
        self.write("weak.yaml", json.dumps({"default": "wrong", "instances": answers}))
        self.write("strong.yaml", json.dumps({"default": ["wrong", "right"]}))
        for name in ("weak", "strong"):
            rungs = {"one": {"model": f"scripted/{name}.yaml", "attempts": 2}}
            self.write(f"conf/ladder/{name}.yaml", json.dumps({"rungs": rungs}))

    def run(self, name, *more):
        command = ["run", f"ladder={name}", f"name={name}", *CHOICES, "dataset.path=tasks.jsonl", "tracker=none", *more]
        assert main(command) == 0
        assert main(["publish", name]) == 0

    def folder_of(self, name):
        (found,) = (one for one in self.runs if json.loads((one / "record.json").read_text())["name"] == name)
        return found

    def summary_of(self, name):
        return json.loads((self.folder_of(name) / "summary.json").read_text())

    @property
    def registry(self):
        return Registry(local_uri(str(self.path)), str(self.path))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A home in which `strong` is the champion of `solver`."""
    place = Place(tmp_path_factory.mktemp("home"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EVALKIT_HOME", str(place.path))
        patch.setenv("OPENAI_API_KEY", SECRET)
        place.run("weak")
        place.run("strong")
        assert main(["register", "weak", "--name", "solver", "--alias", "champion", "--allow-simulated"]) == 0
        assert main(["register", "strong", "--name", "solver", "--alias", "champion", "--allow-simulated"]) == 0
    return place


@pytest.fixture
def home(made, monkeypatch):
    monkeypatch.setenv("EVALKIT_HOME", str(made.path))
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    return made


@pytest.fixture
def said(capsys):
    """Call the command line; returns exit code, stdout and stderr."""

    def call(*args):
        code = main(list(args))
        told = capsys.readouterr()
        return code, told.out, told.err

    return call


def prompts(folder):
    """Digest of each prompt and whether its answer was accepted, by attempt."""
    found = [json.loads(path.read_text()) for path in sorted(folder.glob("instances/*/attempt_*.json"))]
    return [(one["instance_id"], one["attempt"], one["prompt"]["digest"], one["accepted"]) for one in found]


def test_a_better_run_takes_the_alias_and_the_version_holds_config_prompts_rubrics_and_evidence(home, tmp_path):
    champion = home.registry.holder("solver", "champion")
    bundle = home.registry.bring(champion, tmp_path / "bundle")
    evidence = json.loads((bundle / "evidence.json").read_text())
    facts = json.loads((bundle / "registered.json").read_text())
    kept = {str(path.relative_to(bundle)) for path in bundle.rglob("*") if path.is_file()}

    assert (champion.number, champion.tags["evalkit.rule"]) == ("2", "better")
    assert champion.tags["evalkit.simulated"] == "true"
    assert (evidence["rule"], evidence["champion"]) == ("better", "models:/solver/1")
    assert evidence["comparison"]["uplift"]["value"] == 0.75
    assert facts["dataset"]["digest"] == home.summary_of("strong")["dataset"]["digest"]
    assert {"config.yaml", "lock.json", "summary.json", "prompts/user.txt", "rubrics/house.yaml"} <= kept
    assert {path.rpartition("/")[2] for path in kept} >= {"brief.yaml", "000_brief.md"}
    assert SECRET not in "".join(path.read_text() for path in bundle.rglob("*") if path.is_file())


def test_what_is_refused_registers_nothing_and_says_why_in_a_line(home, said):
    before = home.registry.holder("solver", "champion")
    weak = ("register", "weak", "--name", "solver", "--alias", "champion")
    code, _, err = said(*weak, "--allow-simulated")
    assert (code, err.count("\n")) == (4, 1)
    assert "refused: against models:/solver/2 (@champion): uplift -75.0 points" in err
    assert said(*weak)[0] == 4  # simulated
    assert home.registry.holder("solver", "champion") == before


def test_what_solved_nothing_is_no_champion_unless_forced_which_is_recorded(home, said):
    where = [*CHOICES, "dataset.path=tasks.jsonl", "tracker=none", "max_attempts=1", "name=useless"]
    assert said("run", "ladder=weak", *where)[0] == 0
    assert said("publish", "useless")[0] == 0
    useless = ("register", "useless", "--name", "nobody", "--alias", "champion", "--allow-simulated")
    code, _, err = said(*useless)
    assert (code, f"refused: it solved nothing, of {TASKS}. Nothing was registered" in err) == (4, True)
    code, out, _ = said(*useless, "--force", "--format", "json")
    assert (code, json.loads(out)["tags"]["evalkit.forced"]) == (0, f"--force: it solved nothing, of {TASKS}")


def test_force_moves_the_alias_and_is_recorded(home, said):
    force = ("--allow-simulated", "--force", "--format", "json")
    code, out, _ = said("register", "weak", "--name", "forced", "--alias", "champion", *force)
    assert code == 0
    assert "evalkit.forced" not in json.loads(out)["tags"]  # nothing held it, so nothing was forced
    assert said("register", "strong", "--name", "forced", "--alias", "champion", *force)[0] == 0
    code, out, _ = said("register", "weak", "--name", "forced", "--alias", "champion", *force)
    assert "worse" in json.loads(out)["tags"]["evalkit.forced"]
    assert home.registry.holder("forced", "champion").number == "3"


def test_the_same_run_again_changes_nothing(home, said):
    code, out, _ = said("register", "strong", "--name", "solver", "--alias", "champion", "--allow-simulated")
    assert (code, "already: nothing to do" in out) == (0, True)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["nobody"], 2, "no run 'nobody'"),
        (["strnog"], 2, "did you mean 'strong'"),
        ([], 2, "either RUN or --best"),
        (["--best", "solved_rate"], 2, "no complete, live run"),
        (["--best", "solved_rate", "--experiment", "evalkti"], 2, "did you mean 'evalkit'"),
    ],
)
def test_wrong_arguments_are_told_in_a_line(home, said, arguments, code, words):
    found = said("register", *arguments, "--name", "solver", "--allow-simulated")
    assert (found[0], words in found[2], found[2].count("\n")) == (code, True, 1), found[2]


@pytest.fixture
def elsewhere(home, tmp_path, monkeypatch):
    """The same machine later: the user's conf/, rubrics and runs are gone; data and store are there."""
    for name in ("tasks.jsonl", "weak.yaml", "strong.yaml"):
        shutil.copy(home.path / name, tmp_path / name)
    monkeypatch.setenv("EVALKIT_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    there = Home(tmp_path)
    there.write("conf/tracker/local.yaml", f"uri: {local_uri(str(home.path))}\n")
    return there


def test_from_gives_the_same_prompts_and_verdicts_though_the_files_are_gone(home, elsewhere, said):
    assert said("run", "from=models:/solver@champion", "tracker=none")[0] == 0
    (again,) = elsewhere.runs
    record = json.loads((again / "record.json").read_text())
    lock = json.loads((again / "lock.json").read_text())

    assert again.name == home.folder_of("strong").name  # the key: all that decides prompts and verdicts
    assert prompts(again) == prompts(home.folder_of("strong"))
    assert record["tags"]["evalkit.from"] == "models:/solver/2"
    assert lock["overrides"][0] == "from=models:/solver/2"

    code, out, _ = said("run", "from=models:/solver/1", "+ladder.rungs.two.model=scripted/strong.yaml", "--cfg", "job")
    assert (code, "model: scripted/weak.yaml" in out, "model: scripted/strong.yaml" in out) == (0, True, True)
    elsewhere.write(
        "tasks.jsonl", json.dumps({"id": "new", "prompt": "New.", "rubric": "house", "good": ["right"]}) + "\n"
    )
    code, _, err = said("run", "from=models:/solver@champion", "tracker=none")
    assert (code, "is not what models:/solver/2 was measured on" in err) == (2, True)
    assert said("run", "from=models:/solver@champion", "tracker=none", "dataset.path=tasks.jsonl")[0] == 0


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("from=models:/solver@champoin", "aliases: @champion (version 2)"),
        ("from=models:/slover@champion", "did you mean 'solver'"),
        ("from=strong", "takes one model version"),
        ("from=models:/solver/1,models:/solver/2", "takes one model version"),
    ],
)
def test_a_version_that_is_not_there_is_told_with_what_there_is(home, said, given, words):
    code, _, err = said("run", given)
    assert (code, words in err, err.count("\n")) == (2, True, 1), err


def test_what_was_measured_must_be_what_is_registered(home, said):
    house = home.path / "rubrics" / "house.yaml"
    house.write_text(HOUSE.replace("pattern: right", "pattern: r.*"))
    try:
        code, _, err = said("register", "strong", "--name", "solver", "--allow-simulated")
    finally:
        house.write_text(HOUSE)
    assert (code, "has changed since run 'strong'" in err) == (4, True)


def test_a_run_of_another_machine_is_fetched_by_id_name_key_or_version(home, tmp_path, monkeypatch):
    uri, own = local_uri(str(home.path)), home.folder_of("strong")
    run_id = json.loads((own / "published.json").read_text())["run_id"]
    monkeypatch.setenv("EVALKIT_HOME", str(tmp_path))
    found = {run_folder(name, uri) for name in (run_id, run_id[:7], own.name[:6], "strong", "models:/solver@champion")}
    (there,) = found
    assert there == tmp_path / "mlruns" / "fetched" / run_id
    assert (there / "summary.json").read_bytes() == (own / "summary.json").read_bytes()
    assert prompts(there) == prompts(own)
    assert json.loads((there / "record.json").read_text())["name"] == "strong"


def test_what_mlflow_loads_answers_tasks(home):
    """As `mlflow models predict` and `serve` do, in this process."""
    mlflow.set_tracking_uri(local_uri(str(home.path)))
    try:
        model = mlflow.pyfunc.load_model("models:/solver@champion")
    finally:
        mlflow.set_tracking_uri(None)
    rules = [{"id": "never", "kind": "regex", "pattern": "never", "message": "Say never."}]
    tasks = [{"prompt": "a"}, {"prompt": "b", "rubric": "house"}, {"prompt": "c", "rubric": {"rules": rules}}]
    free, right, wrong = model.predict(pd.DataFrame(tasks))

    assert (free["verdict"], free["candidate"]) == ("accepted", "wrong")  # by the verifier's own rubric
    assert (right["verdict"], right["candidate"], right["rung"], right["attempts"]) == ("accepted", "right", "one", 2)
    assert (wrong["verdict"], wrong["candidate"], wrong["findings"][0]["rule"]) == ("rejected", None, "never")
    (named,) = model.predict({"prompt": "b", "rubric": "house"})
    assert named["verdict"] == "accepted"
    for wrong_task, words in (({"repo": {"path": "/"}}, "task 0: repo"), ({"rubrc": "house"}, "did you mean 'rubric'")):
        with pytest.raises(mlflow.exceptions.MlflowException, match=words):
            model.predict([{"prompt": "a", **wrong_task}])

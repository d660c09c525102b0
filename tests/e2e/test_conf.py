"""Every option of every config group composes and becomes an object; every sweep composes; faults are all named."""

import dataclasses
import itertools
import json

import pytest
import yaml

from evalkit.cli import main
from evalkit.cli.hydra_app import composed, groups, launch, options, sweep_names
from evalkit.cli.judged_in import flaky_tags, judged_by
from evalkit.core.errors import ConfigError, SandboxError
from evalkit.places import installed
from evalkit.settings import PORTS, TARGETS, RampSettings, fingerprinted, read, target
from evalkit.wiring import Wired

OTHERS = {name: ["dataset.path=x.jsonl"] for name in ("humaneval", "swebench")}  # files that are not ours
NEEDS = {"dataset": {**{name: ["dataset.path=starter.jsonl"] for name in ("jsonl", "repo")}, **OTHERS}}
OPTIONS = [(group, option) for group in groups() if group not in ("rung", "ramp") for option in options(group)]


def wired(*overrides):
    found = composed(overrides)
    return Wired(found.config, found.choices, read(found.config))


@pytest.fixture(autouse=True)
def _home(tmp_path, monkeypatch):
    monkeypatch.setenv("EVALKIT_HOME", str(tmp_path))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")  # what tracker=server reads


@pytest.mark.parametrize(("group", "option"), OPTIONS)
def test_every_option_composes_and_wires(group, option):
    found = wired(f"{group}={option}", *NEEDS.get(group, {}).get(option, []))
    if group in TARGETS and not (group == "dataset" and option in OTHERS):
        assert getattr(found, group) is not None


@pytest.mark.parametrize("option", [name for name in options("rung") if name != "base"])
def test_every_rung_can_be_added_to_a_ladder(option):
    assert wired(f"+rung@ladder.rungs.mine={option}").rungs["mine"].model


@pytest.mark.parametrize(
    "path", sorted((installed("conf")).glob("*/*.yaml")), ids=lambda path: f"{path.parent.name}/{path.stem}"
)
def test_every_setting_of_a_class_stands_in_its_yaml_so_that_overriding_needs_no_plus(path):
    node = yaml.safe_load(path.read_text())
    if "_target_" not in node:
        return
    cls = target(node, path.parent.name)
    wanted = {one.name for one in dataclasses.fields(cls) if one.init and one.name not in PORTS}
    assert wanted - set(node) - {"description"} == set()


@pytest.mark.parametrize("name", sweep_names())
def test_every_sweep_composes_and_its_cells_are_runs(name):
    sweep = yaml.safe_load((installed("sweeps") / f"{name}.yaml").read_text())
    params = sweep["hydra"]["sweeper"]["params"]
    cells = list(
        itertools.product(*([f"{key}={value}" for value in str(values).split(",")] for key, values in params.items()))
    )
    assert len(cells) > 1
    keys = {wired(f"+sweeps={name}", "hydra.mode=RUN", *cell).key for cell in cells}
    assert len(keys) == len(cells)


def test_the_examples_of_the_interface_work():
    changed = wired(
        "ladder.rungs.qwen.attempts=3",
        "~ladder.rungs.smollm",
        "+rung@ladder.rungs.mine=ollama",
        "ladder.rungs.mine.model=ollama_chat/qwen3:8b",
    )
    assert list(changed.rungs) == ["qwen05", "qwen", "mine"]
    assert changed.rungs["mine"].model == "ollama_chat/qwen3:8b"


def test_the_users_own_options_are_found_first(tmp_path):
    folder = tmp_path / "conf" / "ladder"
    folder.mkdir(parents=True)
    (folder / "own.yaml").write_text(
        "rungs: {small: {model: scripted/a.yaml, attempts: 2, on: {empty_response: escalate}}}\n"
    )
    (folder / "single.yaml").write_text("rungs: {mine: {model: scripted/b.yaml}}\n")
    own = wired("ladder=own").rungs["small"]
    assert (own.attempts, own.on) == (2, {"empty_response": "escalate"})
    assert list(wired("ladder=single").rungs) == ["mine"]


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (["laddr=local"], "Did you mean 'ladder'"),
        (["ladder=lokal"], "Did you mean 'local'"),
        (["max_atempts=3"], "Did you mean 'max_attempts'"),
        (["+max_atempts=3"], "max_atempts: unknown; did you mean 'max_attempts'"),
        (["+ladder.rungs.qwen.tempature=1"], "tempature: unknown; did you mean 'temperature'"),
        (["max_attempts=many"], "max_attempts: 'many' is not of type 'integer'"),
        (["max_attempts=0"], "max_attempts is 0"),
        (["limits.concurrency=0"], "concurrency is 0"),
        (["feedback.kind=all"], "feedback.kind is 'all'"),
        (["ladder.rungs.qwen.attempts=0"], "attempts is 0"),
        (["dataset=jsonl"], "dataset.path"),
        (["max_attempts=["], "no viable alternative"),
        (["verifier._target_=os.system"], "neither evalkit's nor an installed plug-in's"),
        (["verifier._target_=evalkit.run.nothing.Here"], "cannot be loaded"),
        (
            ["ladder.rungs.qwen.on.empty_response=escalat"],
            "ladder.rungs.qwen: 'escalat' is no policy; did you mean 'esc",
        ),
        (["ladder.on.empty_response=skp"], "'skp' is no policy; did you mean 'skip'?"),
        (["ladder.on.emty_response=skip"], "'emty_response' is no failure class; did you mean 'empty_response'?"),
        (
            ["ladder.rungs.qwen.attempts=0", "ladder.rungs.qwen05.temperature=-1"],
            "ladder.rungs.qwen05: temperature is -1",
        ),
    ],
)
def test_bad_settings_are_refused_with_the_nearest_name(overrides, says):
    with pytest.raises(ConfigError) as caught:
        wired(*overrides)
    assert says in str(caught.value)


def test_all_faults_of_a_config_are_named_at_once():
    with pytest.raises(ConfigError) as caught:
        wired("+epoch=2", "seed=x", "context.tokens=many", "++verifier.timeot_s=3")
    assert all(name in str(caught.value) for name in ("epoch", "seed", "context.tokens", "verifier.timeot_s"))


OTHER = ["max_attempts=3", "seed=1", "context.tokens=7", "ladder=single", "sample.size=3", "preflight=false"]


@pytest.mark.parametrize("other", OTHER)
def test_what_is_computed_names_the_run(other):
    assert wired(other).key != wired().key


@pytest.mark.parametrize(
    "same", ["limits.concurrency=3", "name=other", "tracker=none", "retry.attempts=9", "sandbox.concurrency=1"]
)
def test_how_it_is_computed_does_not(same):
    assert wired(same).key == wired().key


def test_the_order_of_the_rungs_names_the_run_too(tmp_path):
    folder = tmp_path / "conf" / "ladder"
    folder.mkdir(parents=True)
    for name, order in (("up", "ab"), ("down", "ba")):
        rungs = ", ".join(f"{one}: {{model: local/{tmp_path}/{one}.gguf}}" for one in order)
        (folder / f"{name}.yaml").write_text(f"rungs: {{{rungs}}}\n")
    for one in "ab":
        (tmp_path / f"{one}.gguf").write_bytes(b"GGUF")
    assert wired("ladder=up").key != wired("ladder=down").key


def test_a_shared_rubrics_content_names_the_run(tmp_path):
    path = tmp_path / "rubrics" / "mine.yaml"
    path.parent.mkdir()
    keys = set()
    for word in ("yes", "no"):
        path.write_text(f"name: mine\nrules: [{{id: r, kind: regex, pattern: '{word}', message: m}}]\n")
        keys.add(wired("verifier.rubric=mine").key)
    assert len(keys) == 2


def test_the_recipe_of_an_image_names_the_run_where_the_sandbox_has_images(tmp_path):
    path = tmp_path / "conf" / "sandbox" / "image" / "mine.yaml"
    path.parent.mkdir(parents=True)
    keys = {"docker": set(), "bubblewrap": set()}
    for package in ("python3", "rustc"):
        path.write_text(f"description: Mine.\nsuite: bookworm\npackages: [{package}]\n")
        keys["docker"].add(wired("sandbox=docker", "sandbox.image=mine").key)
        keys["bubblewrap"].add(wired("sandbox=bubblewrap").key)
    assert {name: len(found) for name, found in keys.items()} == {"docker": 2, "bubblewrap": 1}


def test_phases_of_a_ramp_are_of_one_family_whichever_images_their_instances_ask_for(tmp_path):
    tests = {"kind": "cases", "call": "f", "cases": [{"args": [1], "returns": 2}]}
    rows = [{"id": "plain", "prompt": "?", "answer": "code:python", "tests": tests}]
    rows.append({**rows[0], "id": "contained", "image": "rust"})
    (tmp_path / "tasks.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    whole = wired("dataset=jsonl", f"dataset.path={tmp_path}/tasks.jsonl", "sandbox=auto")
    phases = [dataclasses.replace(whole, only=only) for only in (("plain",), ("plain", "contained"))]
    assert [sorted(phase.images) for phase in phases] == [[], ["rust"]]
    assert len({phase.family for phase in (whole, *phases)}) == 1
    assert len({judged_by(phase) for phase in phases}) == 1


def test_tests_that_are_left_out_as_flaky_are_counted_in_a_tag(tmp_path):
    row = {"id": "one", "prompt": "?", "answer": "code:python", "tests": {"kind": "cases", "call": "f", "cases": []}}
    row["tests"]["cases"] = [{"args": [1], "returns": 2}]
    (tmp_path / "tasks.jsonl").write_text(json.dumps(row) + "\n")
    given = ("dataset=jsonl", f"dataset.path={tmp_path}/tasks.jsonl")
    before = wired(*given)
    before.flaky.note(before.instances[0], {"test_a": "passed in 2 of 3", "test_b": "passed in 1 of 3"})
    assert (flaky_tags(before), flaky_tags(wired("dataset=starter"))) == ({"evalkit.flaky_excluded": "2"}, {})


async def test_health_that_was_found_without_an_instance_s_image_is_not_remembered_for_the_image():
    with_it, without = wired("sandbox=auto"), wired("sandbox=auto")
    assert judged_by(with_it) == judged_by(without)
    try:
        await without.sandbox.check("no-such-image-anywhere")
    except SandboxError:
        pass  # no bubblewrap here either
    finally:
        await without.close()
    assert judged_by(with_it) != judged_by(without)


def test_a_multirun_calls_the_job_once_a_cell_and_returns_the_worst_code(capsys):
    seen = []

    def job(found):
        seen.append(found.config["max_attempts"])
        if len(seen) == 1:
            raise ConfigError("this cell is broken")
        return 0

    assert launch(["-m", "max_attempts=1,2,3"], "evalkit run", job) == 2
    assert seen == [1, 2, 3]
    assert "this cell is broken" in capsys.readouterr().err


def test_a_printed_config_can_be_loaded_again(tmp_path, capsys):
    (tmp_path / "conf" / "ladder").mkdir(parents=True)
    ladder = "rungs: {small: {model: scripted/a.yaml, on: {no_answer: escalate}}}\non: {truncated: stop}\n"
    (tmp_path / "conf" / "ladder" / "mine.yaml").write_text(ladder)
    assert main(["run", "ladder=mine", "--cfg", "job"]) == 0
    printed = yaml.safe_load(capsys.readouterr().out)
    assert printed["ladder"]["on"] == {"truncated": "stop"}
    assert main(["run", "ladder=mine", "--cfg", "job", "--package", "ladder"]) == 0
    (tmp_path / "conf" / "ladder" / "again.yaml").write_text(capsys.readouterr().out)
    ladders = [composed([f"ladder={name}"]).config["ladder"] for name in ("mine", "again")]
    assert ladders[0] == ladders[1]
    assert ladders[1]["rungs"]["small"]["on"] == {"no_answer": "escalate"}


@pytest.mark.parametrize(
    ("slip", "said"),
    [
        ("feedback=none,last,vilations", "Did you mean 'violations'?"),
        ("max_attempts=1,2,0", "max_attempts is 0"),
        ("max_attempts=1,two", "max_attempts: 'two' is not"),
        ("ladder.rungs.script.atempts=1,2", "unknown; did you mean 'attempts'?"),
    ],
)
def test_a_slip_in_a_later_cell_is_told_before_the_first_is_paid_for(tmp_path, capsys, slip, said):
    assert main(["run", "-m", "ladder=scripted", "tracker=none", "epochs=1,2", slip]) == 2
    told = capsys.readouterr()
    assert (said in told.err, (tmp_path / "mlruns" / "runs").exists()) == (True, False), told.err


@pytest.mark.parametrize("option", ["last", "violations", "none"])
def test_younger_settings_that_change_nothing_are_no_part_of_a_fingerprint(option):
    config = fingerprinted(composed([f"feedback={option}"]).config)
    assert config["feedback"] == {"kind": option, "tokens": 600, "tokens_after_empty": 150, "tests": "hidden"}
    assert config["sample"] == {"size": None, "by": "tags"}
    assert "skills" not in config


@pytest.mark.parametrize("override", ["feedback.tried=1", "sample.share=1/2", "skills.most=1", "skills.only=[sql]"])
def test_younger_settings_that_are_set_are(override):
    assert fingerprinted(composed([override]).config) != fingerprinted(composed([]).config)


def test_the_text_of_a_skill_that_fits_names_the_run(tmp_path):
    folder = tmp_path / "conf" / "skills"
    folder.mkdir(parents=True)
    keys = set()
    for text in ("one", "other"):
        (folder / "sql.md").write_text(f"---\ntags: [sql]\n---\n{text}\n")
        keys.add(wired("skills.most=1").key)
    assert len(keys) == 2


def test_a_ramp_shares_its_sample_out_by_itself():
    found = composed(["sample.share=1/2"], "ramp")
    with pytest.raises(ConfigError, match=r"ramp\.shares"):
        read(found.config, RampSettings)

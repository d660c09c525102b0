"""Feedback of tests, skills and triage in one run of the command, as a user sees them."""

import json

import yaml

from tests.e2e.edited import dataset
from tests.e2e.test_edits import edits

GIVEN = ["dataset=jsonl", "dataset.path=tasks.jsonl", "strategy=repair", "verifier=tests", "tracker=none"]


def test_a_standstill_starts_again_skills_are_recorded_and_the_causes_are_told(home):
    answer = "search_replace"
    home.write("tasks.jsonl", dataset(answer))
    answers = {
        "stock": [edits(answer, "stock", 3)],
        "prices": [edits(answer, "prices", 4)] * 3,  # the right file, wrong
        "names": [edits(answer, "stock", 3)] * 3,  # another file
    }
    home.write("answers.yaml", yaml.safe_dump({"default": "?", "instances": answers}))
    home.write("conf/ladder/mine.yaml", "rungs: {one: {model: scripted/answers.yaml, attempts: 3}}\n")
    home.write("conf/skills/mine.md", "---\nkeywords: [mend]\n---\nMend little.\n")
    done = home.evalkit("run", *GIVEN, "ladder=mine", "feedback=tests", "skills.most=1", "skills.only=[mine]")
    assert "solved 1 of 3" in done.stdout, done.stdout + done.stderr
    assert "test_failure.right_file" in done.stdout
    (run,) = home.runs
    third = json.loads((run / "instances/names/attempt_3.json").read_text())
    asked = third["prompt"]["messages"][-1]["content"]
    assert (third["prompt"]["skills"], third["edited"]) == (["mine"], ["stock.py"])
    assert "Mend little." in asked
    assert "Read the problem again from its beginning" in asked
    assert "- Attempt 2 edited stock.py: 1 of 2 tests failed." in asked
    summary = home.summary()
    assert (summary["skills"], summary["tags"]["evalkit.feedback"]) == ({"mine": 7}, "hidden-tests")
    rows = {row["cause"]: (row["climbs"], row["attempts"], row["lever"]) for row in summary["triage"]["rows"]}
    assert rows == {
        "test_failure.right_file": (1, 3, "model"),
        "test_failure.wrong_file": (1, 3, "prompt"),
        "repeated": (0, 4, "feedback"),
    }
    shown = home.evalkit("triage", run.name[:6], "--cause", "test_failure.wrong_file")
    assert "ended so: names" in shown.stdout
    (run / "summary.json").write_text(json.dumps({**summary, "triage": None}))  # as an older run's
    again = json.loads(home.evalkit("triage", run.name, "--format", "json").stdout)
    assert again == summary["triage"]
    assert "did you mean 'repeated'" in home.evalkit("triage", run.name, "--cause", "repeatd").stderr

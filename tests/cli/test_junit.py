"""What JUnit XML tells of a climb."""

import json
from xml.etree import ElementTree as ET

from evalkit.cli.junit import write_junit
from evalkit.core.ladder import Ladder, Rung
from evalkit.core.summary import DatasetFacts, Facts
from evalkit.core.tally import Tally
from evalkit.core.types import Solution, Status

FACTS = Facts("key", "name", DatasetFacts("mine", "0" * 64, 1), "ladder", simulated=False, tags={})


def test_a_rung_that_could_not_be_asked_has_nothing_to_say(tmp_path):
    tally = Tally(Ladder({"small": Rung("a/small"), "big": Rung("a/big")}))
    tally.add(Solution("one", 1, Status.UNSOLVED, "end"))
    (tmp_path / "instances" / "one").mkdir(parents=True)
    answered = {"rung": "small", "failure": "wrong", "findings": [{"rule": "r", "message": "too short"}]}
    for number, told in enumerate([answered, {"rung": "big", "skipped": True}], 1):
        (tmp_path / "instances" / "one" / f"attempt_{number}.json").write_text(json.dumps(told))
    write_junit(tmp_path / "out.xml", tmp_path, tally.summary(FACTS, status="complete", why="", wall_seconds=1.0))
    failure = ET.parse(tmp_path / "out.xml").find(".//failure")
    assert "too short" in failure.text
    assert "big" not in failure.text

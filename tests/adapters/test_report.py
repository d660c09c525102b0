"""report.html without a browser: what a text becomes in it, what is left out of it, and what it says is unknown."""

import base64
import gzip
import json
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from evalkit.adapters.report import write_run
from evalkit.adapters.report.attempt_files import AttemptFile, Message, Prompt
from evalkit.adapters.report.climbs import LONGEST, ClimbPage
from evalkit.adapters.report.figures import histogram, stairs
from evalkit.adapters.report.packing import script_json
from evalkit.adapters.report.words import duration, money, percent, points
from evalkit.adapters.run_folder import RunFolder
from evalkit.adapters.run_results import climb_folder
from evalkit.core.ladder import Ladder, Rung
from evalkit.core.line_delta import applied
from evalkit.core.summary import DatasetFacts, Facts
from evalkit.core.tally import Tally
from evalkit.core.types import (
    Attempt,
    Candidate,
    Completion,
    Solution,
    Status,
    Verdict,
)
from evalkit.core.types import (
    Message as Said,
)
from evalkit.core.types import (
    Prompt as Asked,
)

BAD = '</script><script>alert(1)</script><!-- \u2028 {{ 7 * 7 }} <b onclick="x">'


def climb(name, *solved_by, status=Status.SOLVED, text="answer"):
    """A climb with an attempt on each rung that is named, the last of which may be accepted."""
    attempts = tuple(
        Attempt(
            number, rung, 1, Asked((Said("user", f"{text} {number}"),)), Completion(text, cost_usd=None),
            Candidate(text), Verdict(accepted=status is Status.SOLVED and number == len(solved_by)),
        )
        for number, rung in enumerate(solved_by, 1)
    )  # fmt: skip
    return Solution(name, 1, status, "accepted", attempts)


@pytest.fixture
def made(tmp_path):
    """A run's folder and summary, of climbs."""

    def of(*climbs, name="a run"):
        folder, tally = (
            RunFolder(tmp_path),
            Tally(Ladder({rung: Rung(model=f"local/{rung}") for rung in ("low", "high")})),
        )
        for one in climbs:
            folder.climbed(one)
            tally.add(one)
            for attempt in one.attempts:
                tally.spend(attempt.completion)
        facts = Facts("k", name, DatasetFacts("d", "0", len(climbs)), "l", simulated=False, tags={})
        summary = tally.summary(facts, status="complete", why="", wall_seconds=1.0)
        folder.finish(summary)
        return tmp_path, summary

    return of


class Page(HTMLParser):
    """Which elements a page has, and the texts of its scripts by id."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.scripts, self.words, self.inside = [], {}, "", None
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.elements.append(tag)
        self.inside = dict(attributes).get("id", "") if tag in ("script", "style") else None

    def handle_endtag(self, tag):
        self.inside = None

    def handle_data(self, text):
        if self.inside is None:
            self.words += text
        else:
            self.scripts[self.inside] = self.scripts.get(self.inside, "") + text


def page_of(folder, summary, **more):
    out = folder / "report.html"
    written = write_run(folder, summary, out, place=climb_folder, suspects=[], **more)
    return written, Page(out.read_text("utf-8"))


def test_hostile_names_and_texts_stay_texts(made):
    folder, summary = made(climb("i", "low", text=BAD), name=BAD)
    _, page = page_of(folder, replace(summary, why=BAD, status="paused"))
    assert page.elements.count("script") == 3
    assert "b" in page.elements  # the page's own
    assert f"– {BAD}" in page.words  # why it was paused
    assert json.loads(page.scripts["data"])["runs"][0]["name"] == BAD
    (packed,) = json.loads(gzip.decompress(base64.b64decode(page.scripts["c0"])))
    assert packed[0]["answer"]["text"] == BAD


def test_json_in_a_script_cannot_end_it():
    told = script_json([BAD])
    assert json.loads(told) == [BAD]
    assert not {"<", ">", "&", "\u2028"} & set(told)


def test_what_does_not_fit_is_left_out_and_said_failed_climbs_last(made):
    noise = "".join(map(chr, range(32, 9000)))
    climbs = [climb(f"s{n}", "low", text=f"{n}{noise * 12}") for n in range(12)]
    folder, summary = made(*climbs, climb("bad", "low", "high", status=Status.UNSOLVED))
    written, page = page_of(folder, summary, most_bytes=1)
    rows = {row[0]: row[11:] for row in json.loads(page.scripts["data"])["runs"][0]["rows"]}
    assert written.left_out == sum(not place for place in rows.values()) > 0
    assert rows["bad"] == [0, 0]
    assert f"The texts of {written.left_out} climbs are not in this file" in page.words


def test_unknown_is_said_and_never_zero(made):
    _, page = page_of(*made(climb("i", "low")))
    assert page.words.count("unknown") >= 4  # cost, both kinds of tokens, and the rung's cost
    assert "$0" not in page.words.partition("Instances")[0]


def test_a_run_without_any_judged_climb_has_a_page(made):
    _, page = page_of(*made(Solution("i", 1, Status.UNFINISHED, "outage", error="the line is dead")))
    assert "Nothing was judged" in page.words
    assert "1 unfinished" in page.words


def test_attempts_are_told_by_what_they_change():
    texts = ["a\nb\nc", "", "a\nx\nc"]
    files = [
        AttemptFile(
            number, "low", number, accepted=False, candidate=text, prompt=Prompt([Message("user", f"do\n{text}")])
        )
        for number, text in enumerate(texts, 1)
    ]
    first, empty, last = ClimbPage().attempts(files)
    assert (first["answer"], "answer" in empty) == ({"text": texts[0]}, False)
    assert (last["answer"]["since"], applied(texts[0], last["answer"]["delta"])) == (1, texts[2])
    assert last["prompt"][0]["since"] == 2


def test_a_long_text_is_cut_where_it_says_so():
    file = AttemptFile(1, "low", 1, accepted=False, candidate="x" * (LONGEST + 5))
    (told,) = ClimbPage().attempts([file])
    assert "5 characters are left out here; attempt_1.json in the run's folder has them" in told["answer"]["text"]
    assert len(told["answer"]["text"]) < LONGEST + 200


def test_stairs_and_bars_add_up(made):
    _, summary = made(climb("a", "low"), climb("b", "low", "high"), climb("c", "low", "high", status=Status.UNSOLVED))
    low, high = stairs(summary, {"low": 3, "high": 2})
    assert (low.before, low.solved, low.left, low.came) == (0, 1, 2, 3)
    assert (high.before, high.solved, high.left, high.came) == (1, 1, 1, 2)
    assert [(bar.label, bar.solved, bar.unsolved) for bar in histogram(summary.instances)] == [("1", 1, 0), ("2", 1, 1)]


@pytest.mark.parametrize(
    ("told", "words"),
    [
        (money(None), "unknown"), (money(0.0), "$0.00"), (money(0.00012), "$0.00012"), (money(1234.5), "$1,234.50"),
        (duration(None), "unknown"), (duration(0.04), "0.04 s"), (duration(59.96), "60.0 s"),
        (duration(3725), "1 h 2 min"),
        (percent(0.125, 8), "12 %"), (percent(0.785, 1000), "78.5 %"), (points(-0.125, 8), "−12 points"),
    ],
)  # fmt: skip
def test_numbers_are_told_for_people(told, words):
    assert told == words

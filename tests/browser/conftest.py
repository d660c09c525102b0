"""One Chromium for a file of tests of pages, a page that tells what goes wrong in it, and reports of real runs."""

import json
import os
import shutil
from pathlib import Path

import pytest

from tests.e2e.command import Home

NAMES = (os.environ.get("CHROMIUM", "chromium"), "chromium-browser", "google-chrome")


@pytest.fixture(scope="module")  # playwright keeps an event loop running, in which no other test could have one
def browser():
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        why = "no Chromium here: sh scripts/browser.sh"
        pytest.fail(why) if os.environ.get("CI") == "true" else pytest.skip(why)
    from playwright.sync_api import sync_playwright  # noqa: PLC0415  only where there is a browser

    with sync_playwright() as tool:
        chromium = tool.chromium.launch(executable_path=path, args=["--no-sandbox"])  # root may not have Chromium's own
        yield chromium
        chromium.close()


class Opened:
    """A tab with one file, which may write nothing to the console and ask for nothing else."""

    def __init__(self, browser, path: Path, **look):
        self.context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **look})
        self.page = self.context.new_page()
        self.page.set_default_timeout(60_000)  # a machine may be busy
        self.wrong, self.asked = [], []
        self.page.on("console", lambda message: self.wrong.append(message.text))
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.wrong.append(dialog.message), dialog.dismiss()))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(path.as_uri())
        self.page.locator("#rows tr").first.wait_for()

    def quiet(self, path: Path):
        return self.wrong == [] and [url for url in self.asked if not url.startswith("data:")] == [path.as_uri()]


@pytest.fixture
def opened(browser):
    """Opens a file; what it wrote to the console or asked for beside itself fails the test."""
    tabs = []

    def one(path: Path, **look):
        tabs.append((Opened(browser, path, **look), path))
        return tabs[-1][0].page

    yield one
    for tab, path in tabs:
        told = tab.wrong, tab.asked
        fine = tab.quiet(path)
        tab.context.close()
        assert fine, told


RULES = [
    {"id": "right", "kind": "regex", "pattern": "right", "message": "Say the right word."},
    {"id": "few", "kind": "not_regex", "pattern": "(?s).{4000}", "message": "Be <b>brief</b>.", "required": False},
]
LADDER = """rungs:
  small: {model: scripted/small.yaml, attempts: 2, temperature: 0.7}
  big: {model: scripted/answers_of_the_big_one.yaml, attempts: 2, temperature: 0.7}
"""
HOSTILE = (
    '</script><script>window.broken=1</script><!-- <script> --!> <img src=x onerror="window.broken=2">'
    "<svg onload=window.broken=3> \u2028 \u2029 ${window.broken=4} ]]> &lt;b&gt; \u202e javascript:window.broken=5"
)
LONG = "\n".join(f"line {number}" for number in range(40))
SMALL = {
    "default": "wrong",
    "instances": {
        "first": "right",
        "changed": [f"{LONG}\nwrong\nend", f"{LONG}\nright\nend"],
        "hostile": [HOSTILE, f"{HOSTILE}\n{HOSTILE} more"],
    },
}
BIG = {"default": "wrong", "instances": {"third": "the right word", "hostile": f"{HOSTILE} again"}}


@pytest.fixture(scope="session")
def home(tmp_path_factory, own_cache):
    """A user's folder with two runs: `both`, which climbs two rungs, and `small`, which has only the first."""
    home = Home(tmp_path_factory.mktemp("reports"))
    rows = [
        {
            "id": name,
            "prompt": HOSTILE if name == "hostile" else f"Task {name}.",
            "rubric": {"rules": RULES},
            "good": ["right"],
        }
        for name in ("first", "changed", "third", "never", "hostile")
    ]
    home.write("tasks.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    home.write("conf/ladder/mine.yaml", LADDER)
    home.write("small.yaml", json.dumps(SMALL))
    home.write("answers_of_the_big_one.yaml", json.dumps(BIG))
    common = ["dataset=jsonl", "dataset.path=tasks.jsonl", "ladder=mine", "tracker=none"]
    for more in (["name=both"], ["~ladder.rungs.big", "name=small"]):
        done = home.evalkit("run", *common, *more)
        assert done.returncode == 0, done.stderr
    return home


@pytest.fixture(scope="session")
def report(home):
    """The page that the run has left."""
    (page,) = [
        run / "report.html" for run in home.runs if json.loads((run / "summary.json").read_text())["name"] == "both"
    ]
    return page


@pytest.fixture(scope="session")
def comparison(home):
    done = home.evalkit("report", "small", "both", "--out", "ab.html")
    assert done.returncode == 0, done.stderr
    return home.path / "ab.html"

"""What a user looks for is seen in MLflow's own UI, as `evalkit ui` serves it: columns, charts, instances, traces.

With EVALKIT_SCREENSHOTS=FOLDER each page's picture is kept there.
"""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from urllib.request import urlopen

import pytest

from evalkit.adapters.mlflow_publish import publish
from evalkit.adapters.mlflow_store import local_uri, open_store
from tests.adapters.mlflow_builders import MadeRun, solved, unsolved
from tests.servers.ports import free_port

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
SWEEP = "5eeb5eeb5eeb"
ENDS = {
    "old": (solved("sort"), unsolved("parse"), unsolved("merge")),
    "new": (solved("sort"), solved("parse", on="big"), unsolved("merge")),
}
CALM = """
localStorage.setItem("mlflow.assistant.fab.autoOpenedOnFirstLoad_v1", "true");
localStorage.setItem("mlflow.assistant.panelOpen_v1", "false");
"""  # else an assistant covers a third of the page


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """A store with the two runs of a sweep: where it is, and their MLflow ids by name."""
    home, ids = tmp_path_factory.mktemp("home"), {}
    for name, solutions in ENDS.items():
        made = MadeRun(home, key=f"{name}00000000", params={"feedback": name}, tags={"evalkit.sweep": SWEEP})
        made.end(*solutions)
        ids[name] = publish(str(made.path), local_uri(str(home)), "evalkit", home=str(home), traces="all").run_id
    client = open_store(local_uri(str(home)), str(home))
    for name, run_id in ids.items():
        client.update_run(run_id, name=name)
    return home, ids, client.get_experiment_by_name("evalkit").experiment_id


@pytest.fixture(scope="module")
def address(stored):
    port = free_port()
    command = [sys.executable, "-m", "evalkit", "ui", "--port", str(port)]
    server = subprocess.Popen(command, env={**os.environ, "EVALKIT_HOME": str(stored[0])}, stdout=subprocess.PIPE)
    until(lambda: urlopen(f"http://127.0.0.1:{port}/health", timeout=5).status == 200)
    yield f"http://127.0.0.1:{port}/"
    server.terminate()
    server.wait(30)


def until(works, seconds=240):
    deadline = time.monotonic() + seconds
    while True:
        try:
            if works():
                return
        except OSError:
            assert time.monotonic() < deadline, "the UI did not start"
        time.sleep(0.5)


@pytest.fixture
def page(browser, request):
    context = browser.new_context(viewport={"width": 1600, "height": 900})
    context.add_init_script(CALM)
    tab = context.new_page()
    tab.set_default_timeout(180_000)
    yield tab
    if folder := os.environ.get("EVALKIT_SCREENSHOTS"):
        tab.wait_for_timeout(2000)
        tab.screenshot(path=Path(folder) / f"{request.node.name}.png")
    context.close()


def sees(page, *texts):
    for text in texts:
        page.get_by_text(text).first.wait_for()


def followed(page, link):
    """Where a description's link leads: MLflow opens these in a tab of their own."""
    with page.context.expect_page() as opened:
        page.get_by_role("link", name=link, exact=True).click()
    opened.value.set_default_timeout(180_000)
    return opened.value


def test_the_experiments_note_leads_to_a_table_with_rates_and_choices(page, address, stored):
    page.goto(f"{address}#/experiments/{stored[2]}/runs")

    sees(followed(page, "table"), "solved_rate_low", "attempts_mean", "feedback", "0.6666666666666666")


def test_charts_begin_with_the_results_and_show_live_progress(page, address, stored):
    page.goto(f"{address}#/experiments/{stored[2]}/runs?viewStateShareKey=evalkit&compareRunsMode=CHART")

    sees(page, "Results", "solved_rate", "cost_usd vs. solved_rate", "Live progress, by climbs that ended")
    page.get_by_text("Live progress").first.scroll_into_view_if_needed()  # charts are drawn when they come into view
    page.mouse.move(1000, 600)
    page.mouse.wheel(0, 2000)
    sees(page, "progress.solved")
    page.locator(".js-plotly-plot").first.wait_for()


def test_a_sweeps_runs_are_side_by_side_in_charts_and_by_instance(page, address, stored):
    page.goto(f"{address}#/experiments/{stored[2]}/runs?viewStateShareKey=evalkit-{SWEEP}&compareRunsMode=CHART")
    sees(page, f"sweep {SWEEP}", "old", "new", "Results")

    page.goto("about:blank")  # another fragment alone would not load the page anew
    page.goto(f"{address}#/experiments/{stored[2]}/runs?viewStateShareKey=evalkit-{SWEEP}&compareRunsMode=ARTIFACT")
    sees(page, "instances.json", "parse", "solved by big, attempt 2", "unsolved after 2 attempts")


def test_a_runs_page_begins_with_its_result_and_leads_to_its_instances(page, address, stored):
    page.goto(f"{address}#/experiments/{stored[2]}/runs/{stored[1]['new']}")
    sees(page, "Solved 2 of 3", "its sweep as a table")
    page.get_by_text("Show more").first.click()  # the UI lays a veil over all but the first lines

    sees(followed(page, "instances"), "instances.json", "solved by big, attempt 2")


def test_a_trace_shows_prompt_answer_and_findings(page, address, stored):
    page.goto(f"{address}#/experiments/{stored[2]}/runs/{stored[1]['new']}/traces")
    page.get_by_text("unsolved after 2 attempts").first.wait_for()
    page.get_by_text("Say it, 1.").first.click()

    sees(page, "attempt 1: small", "verification", "Be brief.", re.compile("findings"), "answer")


def test_evaluation_runs_compare_by_instance_what_was_solved(page, address, stored):
    chosen = f"selectedRunUuid={stored[1]['new']}&compareToRunUuid={stored[1]['old']}"
    page.goto(f"{address}#/experiments/{stored[2]}/evaluation-runs?{chosen}")

    sees(page, "Comparing", "Assessments", "67%", "+33%")


def test_what_the_view_says_is_what_the_ui_reads_back(stored):
    """The UI shows its own columns, silently, where it cannot read the view: see that it stays JSON that it wrote."""
    tags = open_store(local_uri(str(stored[0])), str(stored[0])).get_experiment(stored[2]).tags
    assert {name for name in tags if name.startswith("mlflow.sharedViewState.")} == {
        "mlflow.sharedViewState.evalkit",
        f"mlflow.sharedViewState.evalkit-{SWEEP}",
    }
    assert all(len(value) < 5000 and json.loads(value)["name"] for name, value in tags.items() if "View" in name)

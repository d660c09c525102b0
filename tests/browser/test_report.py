"""report.html in a real browser: used by keyboard, on a phone and on paper; and nothing that models wrote runs."""

import pytest

from tests.browser.checks import BEYOND, CONTRAST, NAMES
from tests.browser.conftest import HOSTILE

LOOKS = [
    pytest.param({"color_scheme": scheme, "viewport": {"width": width, "height": 800}}, id=f"{scheme}-{width}")
    for scheme, width in (("light", 1280), ("dark", 1280), ("light", 390), ("dark", 320))
]


def rows(page):
    return page.locator("#rows th").all_inner_texts()


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("which", ["report", "comparison"])
def test_text_has_contrast_controls_have_names_and_nothing_reaches_beyond_the_window(which, look, opened, request):
    page = opened(request.getfixturevalue(which), **look)
    assert (page.evaluate(CONTRAST, "body"), page.evaluate(NAMES), page.evaluate(BEYOND)) == ([], [], 0)
    page.get_by_role("button", name="changed").click()
    page.locator("dialog .attempt").first.wait_for()
    for prompt in page.locator("dialog summary").all():
        prompt.click()
    assert (page.evaluate(CONTRAST, "dialog"), page.evaluate(NAMES), page.evaluate(BEYOND)) == ([], [], 0)


def test_the_head_says_rate_interval_and_that_it_is_simulated(report, opened):
    page = opened(report)
    assert page.locator(".rate").inner_text() == "60 %"
    assert "solved: 3 of 5 judged climbs" in page.locator(".headline").inner_text()
    assert "95 % interval 23 % to 88 %" in page.locator(".headline").inner_text()
    assert "simulated" in page.locator(".badges").inner_text()
    tokens = page.locator("dl.facts div", has_text="Prompt tokens")
    assert tokens.locator("dd").inner_text() == "unknown"
    stairs = page.locator("#stairs tbody tr")
    assert [row.locator("td.num").all_inner_texts()[:3] for row in stairs.all()] == [["5", "2", "3"], ["3", "1", "2"]]


def test_the_list_is_filtered_searched_and_sorted(report, opened):
    page = opened(report)
    assert rows(page) == ["changed", "first", "hostile", "never", "third"]
    page.get_by_role("radio", name="Solved 3").check()
    assert rows(page) == ["changed", "first", "third"]
    page.get_by_label("Solved on").select_option("big")
    assert rows(page) == ["third"]
    assert page.locator("#count").inner_text() == "1 of 5 instances"
    page.get_by_role("radio", name="All 5").check()
    page.get_by_label("Solved on").select_option("")
    page.get_by_role("button", name="Attempts").click()
    assert rows(page)[-1] == "first"
    assert page.locator("th[aria-sort=descending]").inner_text().startswith("Attempts")
    page.get_by_label("Find in names and errors").fill("nowhere to be found")
    page.locator("#none").wait_for()
    page.get_by_label("Find in names and errors").fill("line 39")
    page.get_by_label("find in prompts, answers and findings too").check()
    page.locator("#count", has_text="1 of 5").wait_for()
    assert rows(page) == ["changed"]


def test_a_climb_opens_and_closes_by_keyboard(report, opened):
    page = opened(report)
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")  # the first stop leads to the list
    while page.evaluate("document.activeElement.dataset.key || ''") != "changed":
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.locator("dialog[open] .attempt").first.wait_for()
    assert page.evaluate("document.activeElement.id") == "climbname"
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")  # Next: Previous is disabled at the first
    page.locator("#climbname", has_text="first").wait_for()
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.dataset.key") == "first"
    assert page.locator("dialog[open]").count() == 0


def test_an_answer_is_shown_as_what_it_changes_and_whole(report, opened):
    page = opened(report)
    page.get_by_role("button", name="changed").click()
    second = page.get_by_role("region", name="Attempt 2")
    answer = second.locator(".textbox").first
    assert [answer.locator(f"pre {tag}").all_inner_texts() for tag in ("del", "ins")] == [["wrong"], ["right"]]
    answer.get_by_role("button", name="unchanged lines").click()
    assert answer.locator("pre .same").count() == 41
    answer.get_by_role("button", name="Whole").click()
    assert answer.locator("pre").inner_text().splitlines()[-2:] == ["right", "end"]
    first = page.get_by_role("region", name="Attempt 1")
    assert "Say the right word." in first.locator(".findings").first.inner_text()


def test_what_a_model_wrote_is_text_and_nothing_else(report, opened):
    page = opened(report)
    page.get_by_role("button", name="hostile").click()
    page.locator("dialog .attempt").first.wait_for()
    for prompt in page.locator("dialog summary").all():
        prompt.click()
    page.get_by_role("region", name="Attempt 1").locator("pre", has_text="onerror").first.wait_for()
    shown = page.locator("dialog pre").first.evaluate("node => node.textContent")
    assert shown == HOSTILE
    assert page.evaluate("[window.broken, document.images.length, document.querySelectorAll('svg').length]") == [
        None,
        0,
        0,
    ]
    assert page.evaluate("document.querySelectorAll('script:not([type])').length") == 1


def test_a_link_to_a_climb_opens_it(report, opened):
    page = opened(report)
    page.evaluate("location.hash = '#climb=third'")
    page.locator("#climbname", has_text="third").wait_for()
    page.locator("dialog[open] .attempt").first.wait_for()


def test_on_paper_there_are_results_and_no_controls(report, opened):
    page = opened(report, color_scheme="dark")
    page.emulate_media(media="print", color_scheme="dark")
    assert [page.locator(part).is_visible() for part in (".rate", "#rows", ".filters", ".pills", "nav.jump")] == [
        True, True, False, False, False,
    ]  # fmt: skip
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.evaluate(CONTRAST, "body") == []
    assert page.pdf().startswith(b"%PDF")


def test_two_runs_stand_beside_each_other(comparison, opened):
    page = opened(comparison)
    assert page.locator(".rate").inner_text() == "+20 points"
    assert "cannot show a difference" in page.locator(".conclusion").inner_text()
    page.get_by_role("radio", name="Only B 1").check()
    assert rows(page) == ["third"]
    page.locator("#flips a", has_text="third").click()
    page.locator("dialog[open] .climb").nth(1).wait_for()
    assert page.locator("dialog .climb > h3").all_inner_texts() == ["A: small", "B: both"]
    assert [one.locator(".attempt").count() for one in page.locator("dialog .climb").all()] == [2, 3]

"""Prompts from templates: what they show, and what is an error."""

import pytest
import yaml

from evalkit.adapters.template_strategy import TemplateStrategy
from evalkit.core.budget import Context
from evalkit.core.errors import ConfigError
from evalkit.core.failure import Failure
from evalkit.core.feedback import Feedback
from evalkit.core.ladder import Rung, Step
from evalkit.core.types import Completion, Instance
from evalkit.places import installed
from tests.core.builders import attempt, finding

TASK = Instance("t", "Add two numbers.", answer="code:python", files={"notes.txt": "use +\n"})
STEP = Step("small", 2, 1, Rung("scripted/x"))
HISTORY = [attempt(1, "small", findings=[finding("`f(1, 1)` should return 2")])]


def words(text):
    return len(text.split())


def made(name="direct", **changes):
    settings = yaml.safe_load((installed("conf") / "strategy" / f"{name}.yaml").read_text())
    texts = {key: settings[key] for key in ("system", "user")}
    return TemplateStrategy(
        words, changes.pop("context", Context()), changes.pop("feedback", Feedback()), **{**texts, **changes}
    )


def text(prompt):
    return prompt.messages[-1].content


@pytest.mark.parametrize("name", ["direct", "reason", "revise"])
def test_every_strategy_shows_the_task_its_files_and_the_form(name):
    shown = text(made(name).prompt(TASK, [], 1, STEP))
    assert all(part in shown for part in ("Add two numbers.", "notes.txt", "use +", "```python"))
    assert "rejected" not in shown


@pytest.mark.parametrize("name", ["direct", "reason", "revise"])
def test_every_strategy_hands_on_what_was_wrong(name):
    shown = text(made(name).prompt(TASK, HISTORY, 1, STEP))
    assert "- `f(1, 1)` should return 2" in shown
    assert ("answer\n```" in shown) is (name == "revise")


def test_the_example_of_an_edit_names_a_file_that_is_shown():
    files = {"README.md": "Sums.\n", "shop/sums.py": "def total(numbers):\n    return 0\n"}
    task = Instance("t", "The total is wrong.", answer="search_replace", files=files)
    shown = text(made("repair", context=Context("keyword", tokens=60)).prompt(task, [], 1, STEP))
    assert "README.md\n<<<" not in shown
    assert "shop/sums.py\n<<<<<<< SEARCH" in shown


@pytest.mark.parametrize("problem", ["Short.", "long " * 300])
def test_files_leave_room_in_the_window_for_all_else_that_is_asked(problem):
    task = Instance("t", problem, answer="search_replace", files={"a.py": "a = 1\n" * 2000})
    step = Step("small", 2, 1, Rung("scripted/x", context_tokens=1000, max_tokens=200))
    prompt = made("repair", context=Context(tokens=5000)).prompt(task, HISTORY, 1, step)
    assert sum(words(message.content) for message in prompt.messages) <= 1000 - 200
    assert "a = 1" in text(prompt)


def test_only_revise_quotes_the_previous_answer():
    assert "Your previous answer:" in text(made("revise").prompt(TASK, HISTORY, 1, STEP))
    assert "Your previous answer:" not in text(made("direct").prompt(TASK, HISTORY, 1, STEP))


def test_what_the_budgets_drop_is_recorded():
    small = made(context=Context(tokens=0), feedback=Feedback("violations", tokens=1))
    history = [attempt(1, "small", findings=[finding("first thing"), finding("second thing")])]
    prompt = small.prompt(TASK, history, 1, STEP)
    assert prompt.dropped == ("notes.txt: 6 of 6 characters", "second thing")


def test_the_same_inputs_make_the_same_prompt_and_who_asks_is_no_part_of_the_digest():
    one, other = made().prompt(TASK, HISTORY, 1, STEP), made().prompt(TASK, HISTORY, 2, STEP)
    assert (one.digest, one.epoch, other.epoch) == (other.digest, 1, 2)


@pytest.mark.parametrize(
    ("template", "says"),
    [
        ("{{ instance.promt }}", "no attribute 'promt'"),
        ("{{ instance.good[0] }}", "no attribute 'good'"),
        ("{{ nothing }}", "'nothing' is undefined"),
        ("{% if %}", "template is wrong"),
    ],
)
def test_a_template_that_does_not_fit_is_an_error_and_not_an_empty_string(template, says):
    with pytest.raises(ConfigError, match=says):
        made(user=template).prompt(TASK, [], 1, STEP)


def test_a_template_reaches_nothing_beyond_what_it_is_given():
    with pytest.raises(ConfigError, match="unsafe"):
        made(user="{{ instance.__class__.__mro__ }}").prompt(TASK, [], 1, STEP)


def test_the_candidate_is_taken_out_as_the_instance_says():
    assert made().candidate(TASK, Completion("no code")).failure is Failure.NO_ANSWER

"""The shipped strategy for repositories, with parts of files."""

from pathlib import Path

import pytest
import yaml

from evalkit.adapters.template_strategy import TemplateStrategy
from evalkit.core.budget import Context
from evalkit.core.feedback import Feedback
from evalkit.core.ladder import Rung, Step
from evalkit.core.types import Instance, Repo

CONF = Path(__file__).parents[2] / "conf" / "strategy"
FILES = {"a.py": "".join(f"def func{at}():\n    return {at}\n\n\n" for at in range(90)), "b.py": "x = 1\n"}


@pytest.mark.parametrize("option", ["repair", "edit"])
@pytest.mark.parametrize(("tokens", "told"), [(30, True), (5000, False)])
def test_a_prompt_with_parts_of_files_says_what_the_marks_mean(option, tokens, told):
    texts = {
        key: value for key, value in yaml.safe_load((CONF / f"{option}.yaml").read_text()).items() if key != "_target_"
    }
    strategy = TemplateStrategy(lambda text: len(text.split()), Context("traceback", tokens), Feedback(), **texts)
    instance = Instance("i", "`func7` is wrong", "search_replace", files=FILES, repo=Repo("a/b", "0" * 40))
    prompt = strategy.prompt(instance, [], 1, Step(1, "one", 1, Rung("scripted/x")))
    assert ("no edit may hold it" in prompt.messages[-1].content) is told
    assert "def func7():\n    return 7\n" in prompt.messages[-1].content
    assert prompt.files[0] == "a.py"

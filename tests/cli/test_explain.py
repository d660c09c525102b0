"""What Hydra refuses is one line that helps."""

import pytest

from evalkit.cli.hydra_app import composed
from evalkit.core.errors import ConfigError

CASES = {
    "laddr=local": "Could not override 'laddr': there is no such setting. Did you mean 'ladder'",
    "ladder=lokal": "Could not find 'ladder/lokal'. Did you mean 'local'? The ladder options:",
    "max_attemps=3": "Did you mean 'max_attempts'? `--cfg job` shows all settings",
    "sample.sise=3": "Did you mean 'sample.size'",
    "nothing_like_it=1": "shows all settings; what may be added, such as a rung's params, is written ++nothing_like_it",
    "feedback.hints.no_edit=x": "is written ++feedback.hints.no_edit",
    "+rung@ladder.rungs.mine=olama": "Did you mean 'ollama'? The rung options:",
    "dataset=": "The dataset options:",
    "~ladder.rungs.qwn": "Could not delete 'ladder.rungs.qwn'",
    "max_attempts=[": "An override is key=value; quote what holds",
    "foo": "An override is key=value",
    "context.tokens=${oc.env:EVALKIT_NOT_SET}": "the environment variable 'EVALKIT_NOT_SET' is not set",
}


@pytest.mark.parametrize("override", CASES)
def test_a_refused_override_is_one_line_with_what_helps(override):
    with pytest.raises(ConfigError) as caught:
        composed([override])
    said = str(caught.value)
    assert CASES[override] in said
    assert "\n" not in said
    assert "append" not in said


def test_the_nearest_names_are_those_of_the_options_that_were_chosen():
    with pytest.raises(ConfigError, match=r"'ladder\.rungs\.script\.model'"):
        composed(["ladder=scripted", "ladder.rungs.skript.model=x"])

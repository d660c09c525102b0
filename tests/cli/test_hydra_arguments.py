"""Arguments of Hydra's commands: in any order, and one line for a slip."""

import pytest

from evalkit.cli.hydra_arguments import parsed
from evalkit.core.errors import ConfigError


@pytest.mark.parametrize(
    ("written", "in_order"),
    [
        (["a=1", "b=2", "-m"], ["a=1", "b=2", "-m"]),
        (["a=1", "-m", "b=1,2"], ["a=1", "b=1,2", "-m"]),
        (["-m", "--config-dir", "x", "a=1"], ["a=1", "-m", "--config-dir", "x"]),
        (["a=1", "--config-dir=x", "~b", "++c=1"], ["a=1", "~b", "++c=1", "--config-dir=x"]),
        (["a=1", "--info", "searchpath", "b=2"], ["a=1", "b=2", "--info", "searchpath"]),
        ([], []),
    ],
)
def test_flags_and_overrides_stand_in_any_order(written, in_order):
    assert parsed(written, "evalkit run").in_order == in_order


@pytest.mark.parametrize(
    ("written", "says"),
    [
        (["a=1", "--multrun"], "no option '--multrun'; did you mean '--multirun'?"),
        (["--fail-undr", "0.8"], "no option '--fail-undr'; did you mean '--fail-under'?"),
        (["--seed=3"], "no option '--seed=3'; an override is key=value, without dashes; `evalkit run --help`."),
        (["a=1", "--cfg", "jbo"], "argument --cfg/-c: invalid choice: 'jbo'"),
        (["a=1", "--config-dir"], "argument --config-dir/-cd: expected one argument"),
        (["--cfg", "job", "a=1", "-m"], "only one of --multirun and --cfg at once"),
    ],
)
def test_a_slip_is_told_in_one_line(written, says, capfd):
    with pytest.raises(ConfigError) as told:
        parsed(written, "evalkit run")
    assert says in str(told.value)
    assert "\n" not in str(told.value)
    assert capfd.readouterr() == ("", "")

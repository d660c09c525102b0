"""What a service refuses to be."""

import pytest

from evalkit.core.errors import ConfigError
from evalkit.service import Service


def test_a_service_runs_no_callers_tests_outside_a_sandbox(tmp_path):
    target = "evalkit.adapters.unconfined_sandbox.UnconfinedSandbox"
    (tmp_path / "config.yaml").write_text(f"sandbox: {{_target_: {target}}}\n")
    (tmp_path / "registered.json").write_text('{"choices": {}}')
    with pytest.raises(ConfigError, match="sandbox=auto"):
        Service(tmp_path)

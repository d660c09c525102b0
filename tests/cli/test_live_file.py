"""What a running process tells `evalkit watch` beside its journal."""

import pytest

from evalkit.cli.live_file import NAME, LiveFile, Provider, providers
from evalkit.core.concurrency import Bounds
from evalkit.run.throttle import Throttles


def test_what_each_provider_takes_is_written_now_and_then_and_read_again(tmp_path):
    throttles = Throttles(Bounds(8, 1, 100), 60)
    live = LiveFile(tmp_path, throttles)
    throttles.of("openai")
    live.climbed(None)
    read = providers(tmp_path)
    assert read["openai"] == Provider(throttles.limit, 0, throttles.of("openai").highest, 0)
    throttles.of("ollama")
    live.climbed(None)  # too soon for a second time
    assert set(providers(tmp_path)) == {"openai"}


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"providers": {"a": {"limit": "x"}}}'])
def test_what_cannot_be_read_tells_nothing(tmp_path, text):
    (tmp_path / NAME).write_text(text)
    assert providers(tmp_path) == {}

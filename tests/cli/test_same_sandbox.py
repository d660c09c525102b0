"""A run's verdicts are found in one sandbox; a ramp's phases may have images that others have not."""

import json

import pytest

from evalkit.cli.same_sandbox import refuse_another_sandbox
from evalkit.core.errors import ConfigError


def told(chosen, images=""):
    return {"evalkit.sandbox": chosen, **({"evalkit.sandbox_images": images} if images else {})}


@pytest.mark.parametrize(
    ("was", "now", "refused"),
    [
        (told("bubblewrap"), told("bubblewrap"), False),
        (told("bubblewrap"), told("bubblewrap+docker", "gcc: docker"), False),  # the earlier phase had no image
        (told("docker", "a/b:1: docker"), told("bubblewrap+docker", "a/b:1: docker, gcc: docker"), False),
        (told("docker", "gcc: docker"), told("bubblewrap", "rust: bubblewrap"), False),
        (told("bubblewrap", "a/b:1: bubblewrap"), told("bubblewrap+docker", "a/b:1: docker"), True),
        (told("docker", "gcc: docker"), told("bubblewrap", "gcc: bubblewrap"), True),
        (told("docker"), told("bubblewrap"), True),
        (told("unconfined"), told("bubblewrap"), True),
        ({}, told("bubblewrap"), False),
    ],
)
def test_an_image_must_be_where_it_was(tmp_path, was, now, refused):
    (tmp_path / "record.json").write_text(json.dumps({"tags": was}))
    (tmp_path / "journal.jsonl").write_text('{"key":"one/1/1/small/abc/verdict","value":{}}\n')
    if refused:
        with pytest.raises(ConfigError, match="its verdicts so far were found in"):
            refuse_another_sandbox([tmp_path], now)
    else:
        refuse_another_sandbox([tmp_path], now)
    (tmp_path / "journal.jsonl").write_text("")
    refuse_another_sandbox([tmp_path], now)

"""A home of its own for each test of the command line."""

import pytest

from tests.e2e.command import Home


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path)

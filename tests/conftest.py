"""Fixtures for all tests."""

from tests.cache import own_cache
from tests.sandboxes import sandbox, shared_docker

__all__ = ["own_cache", "sandbox", "shared_docker"]

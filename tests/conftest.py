"""Fixtures for all tests."""

from tests.sandboxes import sandbox, shared_docker

__all__ = ["sandbox", "shared_docker"]

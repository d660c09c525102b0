"""Fixtures for all tests."""

from hypothesis import HealthCheck, settings

from tests.cache import own_cache
from tests.sandboxes import sandbox, shared_docker

__all__ = ["own_cache", "sandbox", "shared_docker"]

# How long an example takes, or drawing it, is the machine's matter: nothing is asserted of time here.
settings.register_profile("evalkit", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("evalkit")

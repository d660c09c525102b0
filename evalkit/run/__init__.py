"""Async orchestration over ports: one climb, one run, its preflight."""

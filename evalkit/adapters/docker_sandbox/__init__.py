"""Runs candidates in containers: a fresh one for each attempt, started ahead of need."""

"""Local servers for tests."""

"""A plug-in of evalkit: what it brings stands in pyproject.toml."""

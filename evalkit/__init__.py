"""evalkit: which ladder of models, prompt, context and attempts solves your tasks, at what price."""

__version__ = "0.1.0"

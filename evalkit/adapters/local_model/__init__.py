"""Embedded models: GGUF weights that run in this process.

A package, since adapters may not import each other: `weights` fetches and finds the files, `engine` is one
model in memory, `request` and `stream` word what it is asked and read what it answers, `generator` is the port.
"""

from evalkit.adapters.local_model.generator import LocalGenerator

__all__ = ["LocalGenerator"]

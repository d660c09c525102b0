"""A registered ladder as a service: a task goes in, the accepted candidate with its rung and verdict comes out."""

from evalkit.service.climbing import Service

__all__ = ["Service"]

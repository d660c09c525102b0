"""Where the bundles of registered versions are kept on this machine."""

from pathlib import Path

from evalkit.adapters.mlflow_registry import Registry, Version
from evalkit.core.errors import ConfigError
from evalkit.places import mlruns


def bundle_of(registry: Registry, version: Version) -> Path:
    """The version's bundle, fetched once. Raises ConfigError where the version is none of evalkit's."""
    if not version.model_id:
        raise ConfigError(f"{version.uri} was not registered by evalkit: it holds no ladder")
    return registry.bring(version, mlruns() / "fetched" / "models" / version.model_id)

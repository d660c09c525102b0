"""What MLflow loads of a registered ladder: it copies this file into the version and runs it (models from code)."""

import os
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

from mlflow.exceptions import MlflowException
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel

BUNDLE, CODE = "bundle", "code"


class RegisteredLadder(PythonModel):  # type: ignore[misc]  # MLflow has no types
    """Answers tasks as `evalkit.service.Service` does, with the evalkit that is installed, else the version's own."""

    # MLflow's, without which it warns on every load: the version has a signature, and tasks are checked by us.
    _skip_type_hint_validation = True

    def load_context(self, context: Any) -> None:
        """Open the bundle. Raises ConfigError where it cannot be used here."""
        # Else litellm fetches its prices over the network, and MLflow's import hook and that thread dead-lock.
        os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
        try:
            from evalkit.service import Service  # noqa: PLC0415  the variable comes first
        except ImportError:
            _unpack(Path(context.artifacts[CODE]))
            from evalkit.service import Service  # noqa: PLC0415  found now

        self._service = Service(Path(context.artifacts[BUNDLE]))

    # Without type hints, which MLflow would make a schema of.
    def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201, ARG002
        """One answer a task. Raises MlflowException (HTTP 400) for tasks that are wrong."""
        from evalkit.core.errors import UsageError  # noqa: PLC0415  as above

        try:
            return self._service.answer(_tasks(model_input))
        except UsageError as error:
            raise MlflowException.invalid_parameter_value(str(error)) from error


def _tasks(given: Any) -> list[Any]:
    """What MLflow hands over, as one mapping a task: a table, a list, or columns by name."""
    if hasattr(given, "to_dict"):
        return list(given.to_dict("records"))
    if not isinstance(given, dict):
        return list(given)
    columns = {name: value.tolist() if hasattr(value, "tolist") else value for name, value in given.items()}
    if not all(isinstance(value, list) for value in columns.values()):
        return [columns]
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _unpack(code: Path) -> None:
    """Make the code that travels with the version importable, until this process ends."""
    folder = tempfile.mkdtemp(prefix="evalkit-")
    with zipfile.ZipFile(code) as packed:
        packed.extractall(folder)
    for name in [name for name in sys.modules if name.partition(".")[0] == "evalkit"]:
        del sys.modules[name]  # another project's of the same name
    sys.path.insert(0, folder)


set_model(RegisteredLadder())

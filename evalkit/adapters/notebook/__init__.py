"""Executed Jupyter notebooks made of Markdown pages: what stands in ```python fences becomes a code cell."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from evalkit.core.errors import ConfigError

PAGES = Path(__file__).parent
FENCE = re.compile(r"^```python\n(.*?)^```\n?", re.DOTALL | re.MULTILINE)
MISSING = "a notebook needs nbformat, nbclient and ipykernel, which are not installed: pip install 'evalkit[notebook]'"
CELL_S = 600.0  # longest time of one cell: 10,000 instances take some 10 s


def write(page: str, texts: Mapping[str, str], out: Path, *, run: bool = True) -> None:
    """Make the page `page`.md a notebook, run it in a fresh kernel of this Python in `out`'s folder, and write it.

    `{{NAME}}` in the page is replaced by `texts[NAME]`. Nothing is written unless every cell ran; with `run` false none
    is run, and their results are missing. Raises ConfigError without the libraries and where a cell raises one,
    RuntimeError with the cell's traceback where it fails otherwise.
    """
    nbformat = _library()
    notebook = _made(nbformat, _filled((PAGES / f"{page}.md").read_text(encoding="utf-8"), texts))
    out.parent.mkdir(parents=True, exist_ok=True)
    if run:
        _run(notebook, out)
    scratch = out.with_name(f".{out.name}.new")
    nbformat.write(notebook, scratch)
    scratch.replace(out)


def _run(notebook: Any, out: Path) -> None:
    client = _client()
    with TemporaryDirectory(prefix="evalkit-") as place:
        runner = client.NotebookClient(
            notebook,
            km=_kernel(place),
            timeout=CELL_S,
            record_timing=False,
            resources={"metadata": {"path": out.parent}},
        )
        try:
            runner.execute(env=_environment(place), cleanup_kc=True)
        except client.exceptions.CellExecutionError as error:
            raise _failed(error) from error


def _library() -> Any:
    try:
        import nbformat  # noqa: PLC0415  an extra
    except ImportError as error:
        raise ConfigError(f"{MISSING} ({error})") from error
    return nbformat


def _client() -> Any:
    try:
        import ipykernel  # noqa: F401, PLC0415  an extra, as below
        import nbclient  # noqa: PLC0415
    except ImportError as error:
        raise ConfigError(f"{MISSING} ({error})") from error
    return nbclient


def _filled(text: str, texts: Mapping[str, str]) -> str:
    for name, value in texts.items():
        text = text.replace("{{" + name + "}}", value)
    return text


def _made(nbformat: Any, text: str) -> Any:
    parts = FENCE.split(text)  # Markdown and code take turns
    new = nbformat.v4
    cells = [
        (new.new_code_cell if number % 2 else new.new_markdown_cell)(part.strip("\n"), id=f"cell-{number}")
        for number, part in enumerate(parts)
        if part.strip()
    ]
    spec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return new.new_notebook(cells=cells, metadata={"kernelspec": spec, "language_info": {"name": "python"}})


def _kernel(place: str) -> Any:
    """This Python as the kernel, whatever kernels the user has installed under the same name; no port is opened."""
    from jupyter_client.kernelspec import KernelSpecManager  # noqa: PLC0415  comes with nbclient
    from jupyter_client.manager import AsyncKernelManager  # noqa: PLC0415

    return AsyncKernelManager(
        kernel_name="python3",
        kernel_spec_manager=KernelSpecManager(kernel_dirs=[]),
        transport="ipc",
        connection_file=f"{place}/kernel.json",
    )


def _environment(place: str) -> dict[str, str]:
    """Without what the user starts IPython with, and drawing into the notebook: elsewhere it would differ."""
    return {**os.environ, "IPYTHONDIR": place, "MPLBACKEND": "module://matplotlib_inline.backend_inline"}


def _failed(error: Any) -> Exception:
    if error.ename == "ConfigError":
        return ConfigError(str(error.evalue))
    return RuntimeError(f"a cell of the notebook failed, so that none was written:\n{error}")

"""The command line as a user starts it: a process of its own."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.forked import run

SECRET = "sk-marked-0123456789abcdef"


@dataclass
class Home:
    """A user's folder."""

    path: Path

    def environment(self, **more):
        keep = {
            name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW", "EVALKIT", "HYDRA"))
        }
        ours = {"EVALKIT_HOME": str(self.path), "EVALKIT_CACHE": os.environ["EVALKIT_CACHE"], "COLUMNS": "160"}
        return keep | ours | {"OPENAI_API_KEY": SECRET} | more

    def start(self, *args, **more):
        command = [sys.executable, "-m", "evalkit", *map(str, args)]
        return subprocess.Popen(
            command,
            env=self.environment(**more),
            cwd=self.path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def evalkit(self, *args, **more):
        """To its end, in a process of its own that has imported already."""
        return run(list(map(str, args)), self.environment(**more), self.path, timeout=280)

    def write(self, name, text):
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def dataset(self, count, **more):
        rules = [{"id": "right", "kind": "regex", "pattern": "right", "message": "Say the right word."}]
        rows = [
            {"id": f"i{n}", "prompt": f"Task {n}.", "rubric": {"rules": rules}, "good": ["right"], **more}
            for n in range(count)
        ]
        self.write("tasks.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
        return ["dataset=jsonl", "dataset.path=tasks.jsonl"]

    @property
    def runs(self):
        return sorted(self.path.glob("mlruns/runs/*"))

    def summary(self):
        (run,) = self.runs
        return json.loads((run / "summary.json").read_text())

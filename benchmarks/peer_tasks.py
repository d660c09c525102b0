"""The same questions as tasks of other harnesses, as their own documentation writes them: the command of each."""

import json
import os
from pathlib import Path
from typing import Any

INSPECT = """
from inspect_ai import Task, task
from inspect_ai.dataset import FieldSpec, json_dataset
from inspect_ai.scorer import match
from inspect_ai.solver import generate

@task
def mock():
    return Task(json_dataset({data!r}, FieldSpec(input="prompt", target="target", id="id")), generate(), match())
"""


def inspect(program: Path, load: Any, data: Path, base: str, folder: Path) -> list[str]:
    """Inspect AI."""
    (folder / "mock_task.py").write_text(INSPECT.format(data=str(data)))
    os.environ.setdefault("OPENAI_API_KEY", "none")
    at_once = str(load.at_once)
    model = ["--model", "openai/mock", "--model-base-url", base, "--temperature", "0", "--max-tokens", "64"]
    how = [
        "--max-connections",
        at_once,
        "--max-samples",
        at_once,
        "--display",
        "none",
        "--log-dir",
        str(folder / "logs"),
    ]
    return [str(program), "eval", f"{folder}/mock_task.py", *model, *how]


def lm_eval(program: Path, load: Any, data: Path, base: str, folder: Path) -> list[str]:
    """EleutherAI's lm-evaluation-harness."""
    os.environ |= {"HF_HUB_OFFLINE": "1", "HF_HOME": str(folder / "hf")}
    task = {
        "task": "mock", "dataset_path": "json", "dataset_kwargs": {"data_files": {"test": str(data)}},
        "output_type": "generate_until", "test_split": "test",
        "doc_to_text": "{{prompt}}", "doc_to_target": "{{target}}",
        "generation_kwargs": {"max_gen_toks": 64, "temperature": 0.0, "until": []},
        "metric_list": [{"metric": "exact_match"}],
    }  # fmt: skip
    (folder / "mock.yaml").write_text(json.dumps(task))
    model = f"model=mock,base_url={base}/chat/completions,num_concurrent={load.at_once},tokenizer_backend=None"
    which = ["--tasks", "mock", "--include_path", str(folder), "--apply_chat_template"]
    return [str(program), "--model", "local-chat-completions", "--model_args", model, *which]


def promptfoo(program: Path, load: Any, data: Path, base: str, folder: Path) -> list[str]:
    """Over Node: promptfoo."""
    os.environ |= {"PROMPTFOO_DISABLE_TELEMETRY": "1", "PROMPTFOO_DISABLE_UPDATE": "1"}
    os.environ["PROMPTFOO_CONFIG_DIR"] = str(folder)
    rows = [json.loads(line) for line in data.read_text().splitlines()]
    asked = {"apiBaseUrl": base, "apiKey": "none", "temperature": 0, "max_tokens": 64}
    config = {
        "prompts": ["{{prompt}}"],
        "providers": [{"id": "openai:chat:mock", "config": asked}],
        "tests": [
            {"vars": {"prompt": row["prompt"]}, "assert": [{"type": "equals", "value": row["target"]}]} for row in rows
        ],
    }
    (folder / "promptfooconfig.yaml").write_text(json.dumps(config))
    how = ["-j", str(load.at_once), "--no-cache", "--no-table", "--no-progress-bar"]
    return [str(program), "eval", "-c", f"{folder}/promptfooconfig.yaml", *how]


PEERS = (
    ("Inspect", "inspect/bin/inspect", inspect),
    ("lm-eval", "lm_eval/bin/lm_eval", lm_eval),
    ("promptfoo", "node_modules/.bin/promptfoo", promptfoo),
)

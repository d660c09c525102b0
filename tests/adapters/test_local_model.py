"""Real weights in this process: the smallest embedded model."""

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import CancelledError
from hashlib import sha256
from pathlib import Path
from threading import Event

import pytest

from evalkit.adapters.local_model import LocalGenerator
from evalkit.adapters.local_model import weights as weights_module
from evalkit.adapters.local_model.engine import Engine
from evalkit.adapters.local_model.fetch import fetch
from evalkit.adapters.local_model.request import request
from evalkit.adapters.local_model.weights import MODELS
from evalkit.core.errors import (
    BadRequestError,
    ConfigError,
    ContextWindowError,
    InfrastructureError,
    ProviderTimeoutError,
)
from evalkit.core.ports import Generator, Reply
from evalkit.core.types import Message, Prompt
from tests.cache import USERS

SMOL = "smollm2-135m"
weights = pytest.mark.weights


@pytest.fixture(scope="session")
def smol() -> Path:
    pytest.importorskip("xllamacpp", reason="the extra `local` is not installed")
    try:
        return fetch(SMOL, str(USERS))
    except InfrastructureError as error:
        pytest.skip(f"no weights and no way to fetch them: {error}")


@pytest.fixture(scope="module")
def local(smol: Path) -> Iterator[LocalGenerator]:
    """Loaded once for all tests, which is also how a run uses it: each test has an event loop of its own."""
    generator = LocalGenerator()
    yield generator
    generator.close()


@pytest.fixture
def fresh(smol: Path) -> Iterator[LocalGenerator]:
    generator = LocalGenerator()
    yield generator
    generator.close()


async def ask(generator: Generator, text: str, name: str = SMOL, **params: object) -> Reply:
    messages = (Message("user", text),)
    return await generator.generate(name, messages, {"max_tokens": 12, **params}, Prompt(messages))


@weights
async def test_an_answer_has_text_usage_and_a_reason(local: LocalGenerator) -> None:
    reply = await ask(local, "Say hello.")
    assert reply.text
    assert (reply.finish_reason, reply.tokens_completion) == ("length", 12)
    assert reply.tokens_prompt == 33  # the chat template's words included
    assert local.simulated is False


@weights
@pytest.mark.parametrize("params", [{"temperature": 0.0}, {"temperature": 0.9, "seed": 7}])
async def test_the_same_request_has_the_same_answer_whatever_was_asked_between(
    params: dict[str, object], local: LocalGenerator
) -> None:
    first = await ask(local, "Name a colour.", **params)
    await ask(local, "Name a colour of the sky at night.", **params)
    await ask(local, "Name a", num_ctx=5000)  # loads again, with a larger context
    assert await ask(local, "Name a colour.", **params) == first


@weights
async def test_seeds_draw_different_answers(local: LocalGenerator) -> None:
    answers = {(await ask(local, "Invent a name.", temperature=1.0, seed=seed)).text for seed in range(4)}
    assert len(answers) > 1


@weights
async def test_stop_words_and_a_json_schema_hold(local: LocalGenerator) -> None:
    schema = {"type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"]}
    wanted = {"type": "json_schema", "json_schema": {"name": "age", "schema": schema}}
    reply = await ask(local, "A person's age as JSON.", response_format=wanted, max_tokens=60)
    assert list(json.loads(reply.text)) == ["age"]
    stopped = await ask(local, "Count: one, two, three.", stop=[" "], max_tokens=30)
    assert (stopped.finish_reason, " " in stopped.text) == ("stop", False)


@weights
@pytest.mark.parametrize("loaded_with", [{}, {"num_ctx": 128}])
async def test_a_prompt_longer_than_the_context_is_refused_with_numbers(
    loaded_with: dict[str, object], fresh: LocalGenerator
) -> None:
    await ask(fresh, "Hi", max_tokens=1, **loaded_with)
    with pytest.raises(ContextWindowError, match=r"the prompt has \d{3} tokens, the context (128|256)"):
        await ask(fresh, "word " * 600, num_ctx=128)


@weights
async def test_prompt_and_answer_together_fill_the_context_at_most(local: LocalGenerator) -> None:
    reply = await ask(local, "Tell a long story.", num_ctx=64, max_tokens=500)
    assert reply.finish_reason == "length"
    assert (reply.tokens_prompt or 0) + (reply.tokens_completion or 0) <= 64


@weights
@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"num_ctx": 100_000}, "trained for 8192"),
        ({"tempature": 0.3}, "did you mean 'temperature'"),
        ({"max_tokens": "many"}, "max_tokens is 'many'; it must be a whole number"),
        ({"temperature": "hot"}, "temperature"),
        ({"response_format": {"type": "json_schema", "json_schema": {"schema": {"type": "x"}}}}, "unrecognized type x"),
    ],
)
async def test_a_request_that_cannot_be_read_is_refused(
    params: dict[str, object], says: str, local: LocalGenerator
) -> None:
    with pytest.raises(BadRequestError, match=says):
        await ask(local, "Hi", **params)
    assert (await ask(local, "Hi", max_tokens=1)).tokens_completion == 1


@weights
async def test_the_event_loop_goes_on_while_the_model_loads_and_answers(fresh: LocalGenerator) -> None:
    ticks = 0
    task = asyncio.ensure_future(ask(fresh, "Tell a story.", max_tokens=60))
    while not task.done():
        await asyncio.sleep(0.001)
        ticks += 1
    assert ticks > 20


@weights
async def test_two_calls_at_once_take_turns_and_answer_as_if_alone(local: LocalGenerator) -> None:
    alone = [await ask(local, text) for text in ("Name a colour.", "Name an animal.")]
    both = [asyncio.ensure_future(ask(local, text)) for text in ("Name a colour.", "Name an animal.")]
    await both[0]
    assert sum(thread.name.startswith(f"evalkit-{SMOL}") for thread in threading.enumerate()) == 1
    assert [await each for each in both] == alone


@weights
async def test_a_cancelled_call_leaves_the_model_usable(local: LocalGenerator) -> None:
    before = await ask(local, "Name a colour.")
    running = asyncio.ensure_future(ask(local, "Tell a story.", max_tokens=4000))
    waiting = asyncio.ensure_future(ask(local, "Tell another.", max_tokens=4000))
    await asyncio.sleep(0.2)
    for task in (running, waiting):
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert await ask(local, "Name a colour.") == before


@weights
@pytest.mark.parametrize("text", ["Tell a story.", "word " * 1500], ids=["while it answers", "while it reads"])
async def test_stopping_ends_the_generation_itself(text: str, smol: Path) -> None:
    engine, stop = Engine(smol, threads=1), Event()
    wanted = request(SMOL, [Message("user", text)], {"max_tokens": 4000}, 4096, 8192)
    future = engine.submit(wanted, stop)
    await asyncio.sleep(1)
    stop.set()
    with pytest.raises(CancelledError):  # one that went on to its end would have a result
        future.result()
    engine.close()


@weights
async def test_a_timeout_counts_from_when_the_model_begins(local: LocalGenerator) -> None:
    with pytest.raises(ProviderTimeoutError, match=r"within 0\.05 s .*timeout_s"):
        await ask(local, "Tell a story.", max_tokens=4000, timeout=0.05)


@weights
async def test_closing_frees_the_model_and_asking_loads_it_again(fresh: LocalGenerator) -> None:
    others = threading.active_count()
    first = await ask(fresh, "Name a colour.")
    fresh.close()
    assert threading.active_count() <= others + 1  # asyncio's own worker, which looked for the weights
    assert await ask(fresh, "Name a colour.") == first


@weights
async def test_a_file_of_ones_own_answers_by_its_path(local: LocalGenerator, smol: Path) -> None:
    by_path = await ask(local, "Name a colour.", name=str(smol))
    assert by_path == await ask(local, "Name a colour.")


@weights
async def test_a_file_that_is_no_model_is_refused(local: LocalGenerator, tmp_path: Path) -> None:
    own = tmp_path / "own.gguf"
    own.write_bytes(b"GGUF" + bytes(100))
    await local.check(str(own))
    with pytest.raises(ConfigError, match="could not be loaded"):
        await ask(local, "Hi", name=str(own))


@weights
@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="reads Linux's /proc")
async def test_no_port_is_opened(fresh: LocalGenerator) -> None:
    before = listening_sockets()
    await ask(fresh, "Hi", max_tokens=1)
    assert listening_sockets() == before


def listening_sockets() -> set[str]:
    """Every TCP port of this machine that is listened on by this process, as /proc names it."""
    rows = [line.split() for table in ("tcp", "tcp6") for line in Path("/proc/net", table).read_text().splitlines()]
    listening = {f"socket:[{row[9]}]" for row in rows if row[3] == "0A"}
    return {link for link in map(_link, Path("/proc/self/fd").iterdir()) if link in listening}


def _link(path: Path) -> str:
    try:
        return str(path.readlink())
    except OSError:  # the folder's own, closed by now
        return ""


ALONE = f"""
import asyncio, json, signal, sys
from evalkit.adapters.local_model import LocalGenerator
from evalkit.core.types import Message, Prompt
generator = LocalGenerator()
messages = (Message("user", "Name a colour."),)

async def main():
    before = signal.getsignal(signal.SIGTERM)
    reply = await generator.generate("{SMOL}", messages, {{"max_tokens": 12}}, Prompt(messages))
    assert signal.getsignal(signal.SIGTERM) is before
    print(json.dumps([reply.text, reply.tokens_prompt]), flush=True)
    if sys.argv[1] == "interrupted":
        asyncio.get_running_loop().call_later(0.5, signal.raise_signal, signal.SIGINT)
        await generator.generate("{SMOL}", messages, {{"max_tokens": 4000, "min_p": 1.0}}, Prompt(messages))

try:
    asyncio.run(main())
except KeyboardInterrupt:
    sys.exit(130)
"""


@weights
@pytest.mark.parametrize(("how", "code"), [("idle", 0), ("interrupted", 130)])
async def test_another_process_answers_alike_and_ends_cleanly_and_silently(
    how: str, code: int, local: LocalGenerator
) -> None:
    here = await ask(local, "Name a colour.")
    done = subprocess.run([sys.executable, "-c", ALONE, how], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (code, "")
    assert json.loads(done.stdout) == [here.text, here.tokens_prompt]


async def test_missing_weights_name_the_command(tmp_path: Path) -> None:
    pytest.importorskip("xllamacpp", reason="the extra `local` is not installed")
    with pytest.raises(ConfigError, match=rf"evalkit models fetch {SMOL}$"):
        await LocalGenerator(cache=str(tmp_path)).check(SMOL)


async def test_without_the_runtime_the_extra_is_named() -> None:
    code = (
        "import asyncio, sys; sys.modules['xllamacpp'] = None\n"
        "from evalkit.adapters.local_model import LocalGenerator\n"
        "asyncio.run(LocalGenerator().check('smollm2-135m'))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "pip install 'evalkit[local]'" in done.stderr


@pytest.mark.parametrize("setting", ["threads", "context_tokens"])
def test_settings_that_cannot_work_are_refused(setting: str) -> None:
    with pytest.raises(ValueError, match=f"{setting} is 0; it must be at least 1"):
        LocalGenerator(**{setting: 0})


def test_the_digest_is_the_pinned_one_also_before_the_weights_are_there(tmp_path: Path) -> None:
    assert LocalGenerator(cache=str(tmp_path)).digest(SMOL) == MODELS[SMOL].sha256
    with pytest.raises(ConfigError, match=f"did you mean '{SMOL}'"):
        LocalGenerator(cache=str(tmp_path)).digest("smollm2-135")


def test_other_weights_under_the_same_name_have_another_digest(tmp_path: Path) -> None:
    generator, own = LocalGenerator(cache=str(tmp_path / "cache")), tmp_path / "own.gguf"
    own.write_bytes(b"GGUF" + bytes(100))
    first = generator.digest(str(own))
    assert first == sha256(own.read_bytes()).hexdigest()
    own.write_bytes(b"GGUF" + bytes(99) + b"x")
    assert generator.digest(str(own)) != first
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["own.gguf"]


def test_a_file_of_ones_own_is_hashed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    generator, own = LocalGenerator(cache=str(tmp_path / "cache")), tmp_path / "own.gguf"
    own.write_bytes(b"GGUF" + bytes(100))
    first = generator.digest(str(own))
    monkeypatch.setattr(weights_module, "digest", lambda path: pytest.fail(f"{path} is hashed again"))
    assert generator.digest(str(own)) == first
    assert LocalGenerator(cache=generator.cache).digest(str(own)) == first


def test_a_cache_that_cannot_be_written_only_costs_time(tmp_path: Path) -> None:
    own, cache = tmp_path / "own.gguf", tmp_path / "a file"
    own.write_bytes(b"GGUF" + bytes(100))
    cache.write_text("")
    assert LocalGenerator(cache=str(cache)).digest(str(own)) == sha256(own.read_bytes()).hexdigest()


def test_the_digest_of_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no file"):
        LocalGenerator().digest(str(tmp_path / "none.gguf"))

"""The loops that peers.py measures evalkit against, as programs: data file, base URL, requests at once."""

_HEAD = """
import asyncio, json, os, sys
path, base, at_once = sys.argv[1], sys.argv[2], int(sys.argv[3])
rows = [json.loads(line) for line in open(path)]
gate = asyncio.Semaphore(at_once)
"""

_AIOHTTP = """
import aiohttp
journal = open(path + ".journal", "ab")

async def ask(session, row, model):
    messages = [{"role": "user", "content": row["prompt"]}]
    body = {"model": model, "messages": messages, "temperature": 0, "max_tokens": 64}
    async with session.post(base + "/chat/completions", json=body) as reply:
        text = (await reply.json())["choices"][0]["message"]["content"]
    journal.write(json.dumps([row["id"], model, text]).encode() + b"\\n")
    journal.flush()
    os.fsync(journal.fileno())
    return text

async def main():
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        answers = await asyncio.gather(*(climb(session, row) for row in rows))
    assert len(answers) == len(rows)

asyncio.run(main())
"""

# The floor of a machine: nothing but requests, and a line on disk for each answer.
AIOHTTP = (
    _HEAD
    + """
async def climb(session, row):
    async with gate:
        return await ask(session, row, "mock")
"""
    + _AIOHTTP
)

AIOHTTP_LADDER = (
    _HEAD
    + """
async def climb(session, row):
    for model in ("small", "medium", "large"):
        async with gate:
            text = await ask(session, row, model)
        if text == row["target"]:
            return text
"""
    + _AIOHTTP
)

_LITELLM = """
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
import litellm
litellm.suppress_debug_info = True

async def ask(row):
    async with gate:
        reply = await litellm.acompletion(
            model=model, api_base=base, api_key="none", num_retries=0, max_retries=0, temperature=0.0,
            max_tokens=64, timeout=120, messages=[{"role": "user", "content": row["prompt"]}])
        return reply.choices[0].message.content

async def main():
    answers = await asyncio.gather(*(ask(row) for row in rows))
    assert len(answers) == len(rows)

run(main())
"""

LITELLM = _HEAD + 'model, run = "openai/mock", asyncio.run\n' + _LITELLM
# litellm's best: its plain HTTP handler, and uvloop where it is installed.
LITELLM_BEST = (
    _HEAD
    + """
model = "hosted_vllm/mock"
try:
    from uvloop import run
except ImportError:
    run = asyncio.run
"""
    + _LITELLM
)

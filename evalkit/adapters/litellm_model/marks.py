"""Messages as litellm takes them, with marks where a provider's cache of prompts wants them (Anthropic's).

OpenAI, DeepSeek, Gemini and vLLM keep the beginnings of prompts by themselves. Claude keeps what ends in a mark, for
five minutes: writing costs a quarter more than a token otherwise does, reading a tenth of it, and what is shorter than
1,024 tokens is not kept. Two marks: after the system message, which all instances share, and after what all attempts of
a climb share.
"""

from evalkit.core.types import Message, Prompt

MARK = {"cache_control": {"type": "ephemeral"}}


def written(prompt: Prompt, *, marked: bool = False) -> list[dict[str, object]]:
    """A message a mapping; `marked` ones have blocks of text for content."""
    if not marked:
        return [{"role": message.role, "content": message.content} for message in prompt.messages]
    last = len(prompt.messages) - 1
    return [_marked(message, prompt.stable if at == last else 0) for at, message in enumerate(prompt.messages)]


def _marked(message: Message, stable: int) -> dict[str, object]:
    stays, changes = message.content[:stable], message.content[stable:]
    if message.role == "system":
        stays, changes = message.content, ""
    if not changes.strip():  # a block without text is refused
        stays, changes = stays + changes, ""
    if not stays.strip():
        return {"role": message.role, "content": message.content}
    blocks: list[dict[str, object]] = [{"type": "text", "text": stays, **MARK}]
    return {"role": message.role, "content": blocks + ([{"type": "text", "text": changes}] if changes else [])}

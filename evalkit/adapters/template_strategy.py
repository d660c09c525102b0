"""Prompts from Jinja2 templates: task, context, and what the earlier attempts got wrong."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from os.path import commonprefix
from typing import Any

from jinja2 import StrictUndefined, Template, TemplateError
from jinja2.meta import find_undeclared_variables
from jinja2.sandbox import ImmutableSandboxedEnvironment

from evalkit.core.answer import candidate, form
from evalkit.core.budget import Context, choose
from evalkit.core.errors import ConfigError
from evalkit.core.feedback import Feedback, tell
from evalkit.core.ladder import Rung, Step
from evalkit.core.skills import Skills, Skillset
from evalkit.core.types import Attempt, Candidate, Completion, Instance, Message, Prompt

# What a first attempt's template sees of the attempts before it.
UNTOLD: dict[str, Any] = {"feedback": (), "findings": (), "hint": "", "tried": (), "stuck": "", "previous": ""}
CERTAIN = 0.8  # of a window: small models' tokenizers were seen to take 1.22 tokens for one that is counted (cl100k)


@dataclass(frozen=True)
class Shown:
    """What a template may see of an instance: not its tests, nor its known-good answers."""

    id: str
    prompt: str
    answer: str
    tags: tuple[str, ...]
    difficulty: str
    metadata: Mapping[str, Any]


def _shown(instance: Instance) -> Shown:
    return Shown(**{one.name: getattr(instance, one.name) for one in fields(Shown)})


def _left(rung: Rung, taken: int) -> Rung:
    """The rung with the window that is left for files where the rest of the prompt takes so many tokens."""
    if rung.context_tokens is None:
        return rung
    window = int((rung.context_tokens - rung.max_tokens) * CERTAIN)
    return replace(rung, context_tokens=rung.max_tokens + max(0, window - taken))


@dataclass
class TemplateStrategy:
    """Writes an attempt's messages from two templates.

    `system` and `user` see: `instance` (id, prompt, tags, difficulty, metadata), `form` (how to hand in the
    answer), `files` (path and text, under the context budget), `skills` (name and text), `feedback` (all lines to
    mend), its parts `findings`, `hint`, `tried` (a line for each earlier attempt) and `stuck` (words for starting
    again, else empty), `previous` (the last attempt's candidate), `attempt` (from 1) and `rung`. A name that is none
    of these is an error, not an empty string. Skills that neither template names stand at the system message's end.
    `count_tokens`, `context`, `feedback` and `skills` are given by wiring.
    """

    count_tokens: Callable[[str], int]
    context: Context
    feedback: Feedback
    user: str
    system: str = ""
    description: str = field(default="", compare=False)
    skills: Skillset = field(default_factory=lambda: Skillset(Skills()))

    @cached_property
    def _templates(self) -> tuple[Template, Template]:
        world = ImmutableSandboxedEnvironment(
            undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=False
        )
        try:
            return world.from_string(self.system), world.from_string(self.user)
        except TemplateError as error:
            raise ConfigError(f"strategy: the template is wrong: {error}") from error

    @cached_property
    def _shows_skills(self) -> bool:
        """Whether a template has a place for skills."""
        world = ImmutableSandboxedEnvironment()
        return any("skills" in find_undeclared_variables(world.parse(text)) for text in (self.system, self.user))

    def prompt(self, instance: Instance, history: Sequence[Attempt], epoch: int, step: Step) -> Prompt:
        """The messages of this attempt. Raises ConfigError where a template does not fit."""
        told = tell(self.feedback, history, self.count_tokens)
        skills = self.skills.choose(instance, self.count_tokens)
        asked = [attempt for attempt in history if not attempt.skipped]
        previous = asked[-1].candidate.text if asked else ""
        besides = [instance.prompt, self.system, self.user, form(instance.answer)]
        besides += [*(skill.text for skill in skills.skills), *told.lines]
        besides += [previous] if "previous" in self.user + self.system else []
        taken = sum(self.count_tokens(text) for text in besides) if step.settings.context_tokens else 0
        chosen = choose(self.context, instance, _left(step.settings, taken), self.count_tokens)
        names = {
            "instance": _shown(instance),
            "form": form(instance.answer, [file.path for file in chosen.files] or instance.files),  # an edit's example
            "files": chosen.files,
            "skills": skills.skills,
            "feedback": told.lines,
            "findings": told.findings,
            "hint": told.hint,
            "tried": told.tried,
            "stuck": told.stuck,
            "previous": previous,
            "attempt": len(asked) + 1,
            "rung": step.rung,
        }
        try:
            system, user = (template.render(names).strip() for template in self._templates)
            first = self._templates[1].render({**names, **UNTOLD}).strip() if told.lines or previous else user
        except TemplateError as error:
            raise ConfigError(f"strategy: instance {instance.id!r}: the template does not fit: {error}") from error
        if not self._shows_skills:
            system = "\n\n".join([*([system] if system else []), *(skill.text for skill in skills.skills)])
        messages = ([Message("system", system)] if system else []) + [Message("user", user)]
        return Prompt(
            tuple(messages),
            instance.id,
            epoch,
            step.number,
            dropped=chosen.dropped + skills.dropped + told.dropped,
            files=tuple(file.path for file in chosen.files),
            skills=tuple(skill.name for skill in skills.skills),
            stable=len(commonprefix([first, user])),  # noqa: RUF071  they are texts
        )

    def candidate(self, instance: Instance, completion: Completion) -> Candidate:
        """What is to be judged, taken out as the instance's `answer` says."""
        return candidate(instance.answer, completion, instance)

"""Skills: short texts of advice that go into the prompts of the instances that they fit, under a token budget."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from hashlib import sha256

from evalkit.core.digest import canonical
from evalkit.core.types import Instance


@dataclass
class Skills:
    """At most `most` skills (0: none) of `tokens` together go into a prompt; `only` these names (null: any).

    They are Markdown files in the `folder` of conf/, the user's own first; see docs/skills.md. Which are chosen
    depends on the instance alone: its tags, and keywords in its problem.
    """

    most: int = 0
    tokens: int = 400
    only: list[str] | None = None
    folder: str = "skills"

    def __post_init__(self) -> None:
        """Refuse what can never work. Raises ValueError."""
        for name in ("most", "tokens"):
            if getattr(self, name) < 0:
                raise ValueError(f"skills.{name} is {getattr(self, name)!r}; it must be at least 0")


@dataclass(frozen=True, slots=True)
class Skill:
    """Advice in Markdown. It fits an instance that has one of its `tags` and one of its `keywords` in the problem.

    Where it has only tags or only keywords, these decide; `always` fits every instance. All without regard to case.
    """

    name: str
    text: str
    description: str = ""
    tags: tuple[str, ...] = ()
    keywords: tuple[str, ...] = ()
    always: bool = False

    def __post_init__(self) -> None:
        """Refuse one that would fit nothing. Raises ValueError."""
        if not self.text.strip():
            raise ValueError(f"the skill {self.name!r} has no text")
        if not (self.always or self.tags or self.keywords):
            raise ValueError(f"the skill {self.name!r} fits no instance: give it tags, keywords or `always: true`")


@dataclass(frozen=True, slots=True)
class Picked:
    """The skills that go in, the best first, and one line for each that the limits dropped."""

    skills: tuple[Skill, ...] = ()
    dropped: tuple[str, ...] = ()


@dataclass(frozen=True)
class Skillset:
    """The skills that there are, and how many may go in."""

    settings: Skills
    skills: tuple[Skill, ...] = ()

    def choose(self, instance: Instance, count_tokens: Callable[[str], int]) -> Picked:
        """The skills for this instance; a long one that does not fit makes place for a shorter one behind it."""
        kept: list[Skill] = []
        dropped: list[str] = []
        room = self.settings.tokens
        for skill in self.fitting(instance):
            tokens = count_tokens(skill.text)
            if len(kept) < self.settings.most and tokens <= room:
                kept.append(skill)
                room -= tokens
            else:
                dropped.append(f"skill {skill.name}")
        return Picked(tuple(kept), tuple(dropped))

    def fitting(self, instance: Instance) -> list[Skill]:
        """Those that fit, the best first: `always`, then by how many of their tags and keywords are found."""
        if not self.settings.most:
            return []
        tags = {tag.casefold() for tag in _tags(instance)}
        found = [(_score(skill, tags, instance.prompt), skill) for skill in self.skills]
        fit = [(score, skill) for score, skill in found if score is not None]
        return [skill for _, skill in sorted(fit, key=lambda one: (*(-part for part in one[0]), one[1].name))]

    def digest(self, instances: Iterable[Instance]) -> str:
        """Of the texts that may go into these instances' prompts: other texts make another run."""
        used = {skill.name: skill.text for instance in instances for skill in self.fitting(instance)}
        return sha256(canonical(used).encode()).hexdigest()


def _tags(instance: Instance) -> tuple[str, ...]:
    """Its own; its repository's name, whole and without the owner; its answer's form and language."""
    repository = (instance.repo.name, instance.repo.name.rpartition("/")[2]) if instance.repo else ()
    return (*instance.tags, *repository, *instance.answer.split(":"))


def _score(skill: Skill, tags: set[str], prompt: str) -> tuple[int, int, int] | None:
    """How well it fits, None if it does not."""
    tagged = sum(tag.casefold() in tags for tag in skill.tags)
    named = sum(_holds(prompt, word) for word in skill.keywords)
    fits = bool(tagged or not skill.tags) and bool(named or not skill.keywords)
    return (skill.always, tagged, named) if fits or skill.always else None


def _holds(prompt: str, word: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(word)}(?!\w)", prompt, re.IGNORECASE) is not None

"""A rubric put to the test: its own examples, mutations that should break a rule, rewrites that should not."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice

from evalkit.core.errors import GraderError, InfrastructureError, NoGradeError
from evalkit.core.judge import FailedExample, judge
from evalkit.core.mutation import Mutation, Rewrite, harmless, sampled, violating
from evalkit.core.mutation.languages import is_written_in, language_of, languages, named
from evalkit.core.mutation.report import (
    UNCHECKED,
    WRONG,
    Brittle,
    Crossing,
    RubricReport,
    RuleReport,
    Tried,
    verdict_of,
)
from evalkit.core.ports import World
from evalkit.core.rubric import RejectedAnswer, Rubric, Rule, Violation
from evalkit.core.types import Verdict
from evalkit.run.checking import failed_examples, held, is_pure, missing, stage

SHOWN = 3  # rewrites that are shown of a brittle rule
WHOLE = 4  # whole answers that are mutated: they are long, and alike
FEW = 8  # mutations for a rule that starts a compiler or asks a model
GRADER = 2  # the stage of rules that ask a model, see run/checking.stage
COUNTING = ("length",)  # kinds that are there to see what a rewrite changes


@dataclass(frozen=True)
class Effort:
    """How many mutations and rewrites are tried on a rule; which ones follows from the seed."""

    mutations: int = 300
    rewrites: int = 150
    seed: int = 0
    graders: bool = False  # whether models may be asked


async def tried(rubric: Rubric, world: World | None, effort: Effort) -> RubricReport:
    """The report on a rubric. `world`, for rules that need one, may be missing: then they are unchecked."""
    trial = _Trial(rubric, world, effort)
    await trial.run()
    return trial.report()


class _Trial:
    """Collects what one rubric's rules did; pure rules are held against one text after another, parsed once."""

    def __init__(self, rubric: Rubric, world: World | None, effort: Effort) -> None:
        self._rubric = rubric
        self._world = world
        self._effort = effort
        self._likely = languages(rubric)
        self._failed: dict[str, list[FailedExample]] = defaultdict(list)
        self._failed_answers: list[FailedExample] = []
        self._mutations: dict[str, Tried] = defaultdict(Tried)
        self._rewrites: dict[str, Tried] = defaultdict(Tried)
        self._brittle: dict[str, list[Brittle]] = defaultdict(list)
        self._judged: Counter[tuple[str, str]] = Counter()
        self._own_fault: set[str] = set()
        self._why = {rule.id: self._missing(rule) for rule in rubric.rules}
        self._crossings: list[Crossing] = []

    async def run(self) -> None:
        """Try everything."""
        for rule in self._rubric.rules:
            if is_pure(rule.check):
                self._own_examples(rule)
                self._own_mutations(rule)
            elif not self._why[rule.id]:
                await self._with_world(rule)
        await self._whole_answers()
        self._cross()

    def report(self) -> RubricReport:
        """What came of it."""
        rules = self._rubric.rules
        without = {
            "without_accept": tuple(rule.id for rule in rules if not rule.accept and not self._rubric.examples.accept),
            "without_reject": tuple(rule.id for rule in rules if not rule.reject and not self._named(rule)),
        }
        reports = tuple(self._rule_report(rule) for rule in rules)
        return RubricReport(self._rubric.name, reports, tuple(self._failed_answers), tuple(self._crossings), without)

    def _rule_report(self, rule: Rule) -> RuleReport:
        failed, mutations = self._failed[rule.id], self._mutations[rule.id]
        accepts, rejects = self._judged[rule.id, "accept"], self._judged[rule.id, "reject"]
        brittle = self._brittle[rule.id]
        if self._why[rule.id] and not failed:
            verdict = WRONG if rule.id in self._own_fault else UNCHECKED
            why = self._why[rule.id]
        else:
            verdict, why = verdict_of(failed=len(failed), rejects=rejects, mutations=mutations, brittle=len(brittle))
        rewrites, shown = self._rewrites[rule.id], tuple(brittle[:SHOWN])
        return RuleReport(rule.id, accepts, rejects, tuple(failed), mutations, verdict, rewrites, shown, why)

    def _missing(self, rule: Rule) -> str:
        """Why a rule cannot be tried here; empty if it can."""
        if is_pure(rule.check):
            return ""
        if stage(rule.check) == GRADER and not self._effort.graders:
            return "it asks a model: try it with --with-graders"
        if self._world is None:
            return "it needs a sandbox, and there is none"
        return missing([Rubric("", (rule,))], self._world.instance)

    def _own_examples(self, rule: Rule) -> None:
        """As judge.failed_examples, counting."""
        for expected, examples in (("accept", rule.accept), ("reject", rule.reject)):
            for example in examples:
                self._example(rule, expected, example, self._violations(rule, example))

    def _violations(self, rule: Rule, text: str) -> list[Violation]:
        """What a pure rule finds; nothing from one that has failed, which is its own fault and none of the others'."""
        if self._why[rule.id]:
            return []
        try:
            return rule.check.violations(text)
        except GraderError as error:
            self._stopped_by(rule, error)
            return []

    def _example(self, rule: Rule, expected: str, example: str, found: list[Violation]) -> None:
        if self._why[rule.id]:  # it said nothing of the example
            return
        if bool(found) == (expected == "reject"):
            self._judged[rule.id, expected] += 1
        else:
            self._failed[rule.id].append(FailedExample(expected, example, _said(rule, found)))

    def _own_mutations(self, rule: Rule) -> None:
        """Of its own accepted examples; of the other rules', where it has none and there are no whole answers."""
        examples = [example for example in rule.accept if not self._violations(rule, example)]
        if not rule.accept and not self._rubric.examples.accept:
            others = (example for other in self._rubric.rules for example in other.accept)
            examples = [example for example in dict.fromkeys(others) if not self._violations(rule, example)]
        made = chain.from_iterable(violating(one, rule.reject, self._language(one)) for one in examples)
        # Twice as many, since some will not fit; to look at all of them would take most of the time.
        chosen = sampled(made, 2 * self._effort.mutations, self._effort.seed)
        self._mutate(rule, islice(self._fit(rule, chosen), self._effort.mutations))
        for example in examples:
            rewrites = sampled(harmless(example, self._language(example)), self._effort.rewrites, self._effort.seed)
            for rewrite in rewrites:
                self._rewrite(rule, example, rewrite)

    def _mutate(self, rule: Rule, mutations: Iterable[Mutation]) -> None:
        for mutation in mutations:
            fired = bool(self._violations(rule, mutation.text))
            self._mutations[rule.id] = self._mutations[rule.id].and_one(fired=fired)

    def _rewrite(self, rule: Rule, example: str, rewrite: Mutation) -> None:
        if not isinstance(rewrite, Rewrite) or rule.kind in COUNTING or rewrite.changes in rule.sensitive:
            return
        found = self._violations(rule, rewrite.text)
        self._rewrites[rule.id] = self._rewrites[rule.id].and_one(fired=bool(found))
        if found:
            told = Brittle(rewrite.operator, rewrite.changes, example, rewrite.text, _said(rule, found))
            self._brittle[rule.id].append(told)

    async def _whole_answers(self) -> None:
        """The rubric's own examples, for every rule that can be tried."""
        rules = self._rubric.rules
        for answer in self._rubric.examples.accept:
            found = await self._found(rules, answer)
            for rule in (rule for rule in rules if rule.id in found):
                if rule.required or not found[rule.id]:  # an accepted answer may break what is not required
                    self._example(rule, "accept", answer, found[rule.id])
            if not (verdict := self._at_best(answer, found)).accepted:
                reason = "; ".join(finding.message for finding in verdict.findings)
                self._failed_answers.append(FailedExample("accept", answer, reason))
        for rejected in self._rubric.examples.reject:
            await self._rejected(rejected)
        self._whole_mutations([rule for rule in rules if is_pure(rule.check)])

    async def _rejected(self, answer: RejectedAnswer) -> None:
        """By the rules that it names, or else by the rubric as a whole; a rule that is not tried may be the one."""
        rules = [rule for rule in self._rubric.rules if not answer.rules or rule.id in answer.rules]
        found = await self._found(rules, answer.text)
        if answer.rules:
            for rule in (rule for rule in rules if rule.id in found):
                self._example(rule, "reject", answer.text, found[rule.id])
        elif len(found) == len(rules) and self._at_best(answer.text, found).accepted:
            self._failed_answers.append(FailedExample("reject", answer.text, "nothing"))

    async def _found(self, rules: Sequence[Rule], text: str) -> dict[str, list[Violation]]:
        """What the rules that can be tried find, by id."""
        found: dict[str, list[Violation]] = {}
        for rule in rules:
            try:
                if is_pure(rule.check):
                    places = self._violations(rule, text)
                    found |= {} if self._why[rule.id] else {rule.id: places}
                elif self._world is not None and not self._why[rule.id]:
                    found[rule.id] = await held(rule, text, self._world)
            except InfrastructureError as error:
                self._stopped_by(rule, error)
        return found

    def _at_best(self, text: str, found: dict[str, list[Violation]]) -> Verdict:
        """The whole verdict, if the rules that are not tried held."""
        return judge(self._rubric, text, {**{rule.id: [] for rule in self._rubric.rules}, **found})

    def _whole_mutations(self, pure: Sequence[Rule]) -> None:
        """One text after another for all rules: it is parsed once."""
        answers, effort = self._rubric.examples.accept, self._effort
        for answer in answers:
            language = self._language(answer)
            holding = [rule for rule in pure if not self._violations(rule, answer)]
            for rewrite in sampled(harmless(answer, language), effort.rewrites, effort.seed):
                for rule in holding:
                    self._rewrite(rule, answer, rewrite)
        for answer in answers[:WHOLE]:
            language = self._language(answer)
            holding = [rule for rule in pure if not self._violations(rule, answer)]
            for mutation in sampled(violating(answer, (), language), effort.mutations, effort.seed):
                fitting = is_written_in(mutation.text, language)
                for rule in holding:
                    if fitting or language not in named(rule):
                        self._mutate(rule, [mutation])
        for rule in pure if answers else ():
            self._splice(rule, answers[0])

    def _splice(self, rule: Rule, answer: str) -> None:
        """Into the first whole answer, what the rule's reject examples hold."""
        if rule.reject and rule.accept == () and not self._violations(rule, answer):
            made = islice(violating(answer, rule.reject, ""), 10 * self._effort.mutations)
            self._mutate(rule, sampled(made, self._effort.mutations, self._effort.seed))

    async def _with_world(self, rule: Rule) -> None:
        """Its examples, and a few mutations until one is caught: each may cost seconds, or money."""
        if self._world is None:
            return
        try:
            failed = await failed_examples(rule, self._world)
            self._failed[rule.id] += failed
            for expected, examples in (("accept", rule.accept), ("reject", rule.reject)):
                wrong = sum(one.expected == expected for one in failed)
                self._judged[rule.id, expected] += len(examples) - wrong
            if not rule.reject and not failed:
                await self._few_mutations(rule, self._world)
        except InfrastructureError as error:
            self._stopped_by(rule, error)

    def _stopped_by(self, rule: Rule, error: InfrastructureError) -> None:
        """Keep why a rule cannot be tried. A GraderError is its own fault, whatever the world, unless a model's."""
        self._why[rule.id] = str(error)
        if isinstance(error, GraderError) and not isinstance(error, NoGradeError):
            self._own_fault.add(rule.id)

    async def _few_mutations(self, rule: Rule, world: World) -> None:
        made = chain.from_iterable(violating(one, (), self._language(one)) for one in rule.accept)
        for mutation in sampled(made, FEW, self._effort.seed):
            found = await held(rule, mutation.text, world)
            self._mutations[rule.id] = self._mutations[rule.id].and_one(fired=bool(found))
            if found:
                return

    def _cross(self) -> None:
        """Every rule against every other one's accepted examples."""
        pure = [rule for rule in self._rubric.rules if is_pure(rule.check)]
        for rule in self._rubric.rules:
            for example in rule.accept:
                by = tuple(other.id for other in pure if other is not rule and self._violations(other, example))
                if by:
                    self._crossings.append(Crossing(rule.id, example, by))

    def _fit(self, rule: Rule, mutations: Iterable[Mutation]) -> Iterator[Mutation]:
        """For a rule on syntax, what still parses: it rejects all else, whatever it asks for."""
        wanted = list(named(rule))
        return (one for one in mutations if not wanted or any(is_written_in(one.text, name) for name in wanted))

    def _language(self, example: str) -> str:
        return language_of(example, self._likely)

    def _named(self, rule: Rule) -> bool:
        return any(rule.id in rejected.rules for rejected in self._rubric.examples.reject)


def _said(rule: Rule, found: Sequence[Violation]) -> str:
    """What the model would hear of it."""
    one = Rubric("", (rule,))
    return judge(one, "", {rule.id: list(found[:1])}).findings[0].message if found else "nothing"

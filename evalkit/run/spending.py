"""What a run spends under its caps: reserved before each call, settled after it, and known again by a resumed run.

A call's record in the journal says what it took. What no record would tell (a call that came to nothing, an answer
whose provider told no tokens) gets one of its own under `spent/`, before the call's effect counts.
"""

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from itertools import count
from typing import Protocol, Self

from evalkit.core.caps import Amount, Budget, Caps, Hit, Reckoner, took
from evalkit.core.errors import BudgetError, ModelError, ProviderTimeoutError
from evalkit.core.ladder import Price, Rung
from evalkit.core.ports import Model
from evalkit.core.types import Completion, Grading, Prompt, Verdict
from evalkit.run.guarded import GraderModel, guarded
from evalkit.run.records import OnlyRecorded, Searchable
from evalkit.run.spent import Extra, Recorded, told, took_by_graders

POLL_S = 0.2  # how often another process's share of a sweep's cap is looked at
Climbing = tuple[str, int]  # instance and epoch
CLIMB: ContextVar["Climber | None"] = ContextVar("climb", default=None)  # whose call it is; graders know no epoch


class Shared(Protocol):
    """A budget that other processes spend from as well."""

    def hit(self, mine: Amount, wanted: Amount) -> Hit | None:
        """The cap under which such a call can never be made, `mine` being what this run has spent."""
        ...

    def reserved(self, mine: Amount, held: Amount, wanted: Amount) -> bool:
        """Reserve it, if it fits beside what this run (`held`) and all others hold."""
        ...

    def note(self, mine: Amount, held: Amount) -> None:
        """Make known what this run has spent and holds."""
        ...


@dataclass
class Climber:
    """One climb's budget."""

    instance_id: str
    epoch: int
    budget: Budget
    hit: Hit | None = None

    def recalled(self, paid: Completion | Verdict | Grading) -> None:
        """Count what the journal held."""
        self.budget.spent += took_by_graders(paid.gradings) if isinstance(paid, Verdict) else took(paid)

    def passed(self, seconds: float) -> None:
        """Count the time of a model or a verifier, whenever that was."""
        self.budget.spent += Amount(seconds=seconds)


@dataclass
class Spending:
    """A run's budgets. `price` finds what a rung's tokens cost (None: unknown); `count` counts a text's tokens.

    `began` is when the session began (seconds of `clock`), `earlier_s` how long earlier ones went.
    """

    run_caps: Caps
    instance_caps: Caps
    count: Callable[[str], int]
    price: Callable[[Rung], Price | None]
    began: float
    earlier_s: float = 0.0
    shared: Shared | None = None
    clock: Callable[[], float] = time.perf_counter
    hit: Hit | None = field(default=None, init=False)
    capped: list[Hit] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        """Nothing is spent yet."""
        self.budget = Budget(self.run_caps, "limits")
        self._extras: defaultdict[Climbing, Amount] = defaultdict(Amount)
        self._reckoners: dict[str, Reckoner] = {}
        self._in_flight: Counter[str] = Counter()
        self._journal: Searchable | None = None
        self._freed = asyncio.Event()
        self._numbers = count()

    @property
    def is_capped(self) -> bool:
        """Whether any cap is set; if none is, nothing is counted."""
        return self.run_caps.is_set or self.instance_caps.is_set or self.shared is not None

    @property
    def left_s(self) -> float:
        """Seconds that the run may still go."""
        cap = self.run_caps.seconds
        return float("inf") if cap is None else cap - self._elapsed()

    async def begin(self, journal: Recorded) -> None:
        """Count what this run's earlier sessions have spent."""
        if not self.is_capped:
            return
        self._journal, inner = journal, OnlyRecorded(journal)
        async for amount, extra in told(inner, journal.recorded()):
            self.budget.spent += amount
            if extra is not None:
                self._extras[extra.instance_id, extra.epoch] += amount
        if self.shared is not None:
            self.shared.note(self.budget.spent + Amount(seconds=self.earlier_s), Amount())

    def took_over(self, record: object) -> None:
        """Count what another run of the family has paid for this one, as its summary counts it."""
        if isinstance(record, Completion):
            self.budget.spent += took(record)
        elif isinstance(record, Verdict):
            self.budget.spent += took_by_graders(record.gradings)

    def climber(self, instance_id: str, epoch: int) -> Climber:
        """A climb's budget, with what the journal tells beside its records."""
        spent = self._extras.get((instance_id, epoch), Amount())
        return Climber(instance_id, epoch, Budget(self.instance_caps, "limits.instance", spent))

    def guarded(self, models: Mapping[str, Model], rungs: Mapping[str, Rung]) -> dict[str, Model]:
        """The models, each asked only within the budgets."""
        if not self.is_capped:
            return dict(models)

        async def ask(name: str, model: Model, prompt: Prompt) -> Completion:
            return await self.call(name, rungs[name], prompt, model)

        return guarded(models, ask)

    async def call(self, name: str, rung: Rung, prompt: Prompt, model: Model) -> Completion:
        """Ask within the budgets. Raises BudgetError where a cap leaves no room."""
        climber = CLIMB.get()
        budgets = [self.budget, *([climber.budget] if climber else [])]
        reckoner = self._reckoners.setdefault(name, Reckoner(rung.max_tokens, self._price_of(rung)))
        texts = [message.content for message in prompt.messages]
        counted = sum(map(self.count, texts)) if self._counts_tokens else 0
        with await self._reserved(name, reckoner, texts, counted, budgets) as settle:
            try:
                completion = await model.complete(prompt)
            except ModelError as error:
                await self._failed(error, climber, settle)
                raise
            await self._answered(completion, climber, settle)
        if completion.tokens_prompt and counted:
            reckoner.learn(counted, len(texts), completion.tokens_prompt)
        return completion

    async def ask_grader(self, name: str, model: GraderModel, prompt: Prompt) -> Completion:
        """Ask a grader within the budgets. Raises as `call`."""
        return await self.call(f"grader {name}", model.rung, prompt, model)

    @property
    def _counts_tokens(self) -> bool:
        return self.run_caps.counts_tokens or self.instance_caps.counts_tokens or self.shared is not None

    def _price_of(self, rung: Rung) -> Price | None:
        return self.price(rung) if self._counts_tokens else None

    def _elapsed(self) -> float:
        return self.earlier_s + self.clock() - self.began

    async def _reserved(
        self, name: str, reckoner: Reckoner, texts: Sequence[str], counted: int, budgets: Sequence[Budget]
    ) -> "_Settling":
        """Wait until the call fits beside those in flight. Raises BudgetError if it never will."""
        likely = reckoner.likely(counted, len(texts))
        proven = reckoner.proven(texts)
        while True:
            self.refuse(likely, budgets)
            # A rung's tokenizer is unknown until its first answer: until then it gets what it cannot exceed, or else
            # goes alone, so that an estimate too low is one call's error and not that of all calls in flight.
            unknown = reckoner.ratio is None and self._counts_tokens
            for wanted in [proven, *([] if self._in_flight[name] else [likely])] if unknown else [likely]:
                if all(one.fits(wanted) for one in budgets) and self._shares(wanted):
                    self._in_flight[name] += 1
                    for one in budgets:
                        one.reserve(wanted)
                    return _Settling(self, name, wanted, budgets)
            await self._change()
            likely = reckoner.likely(counted, len(texts))

    def refuse(self, wanted: Amount, budgets: Sequence[Budget]) -> None:
        """Raises BudgetError where a cap leaves no room for a call, now or later."""
        self.budget.spent = Amount(
            self.budget.spent.cost_usd, self.budget.spent.tokens, self.budget.spent.calls, self._elapsed()
        )
        self.hit = self.hit or self.budget.hit(wanted) or self._shared_hit(wanted)
        if self.hit:
            raise BudgetError(str(self.hit))
        for one in budgets[1:]:
            if found := one.hit(wanted):
                self.capped.append(found)
                raise BudgetError(str(found))

    def _shares(self, wanted: Amount) -> bool:
        return self.shared is None or self.shared.reserved(self.budget.spent, self.budget.held, wanted)

    def _shared_hit(self, wanted: Amount) -> Hit | None:
        return None if self.shared is None else self.shared.hit(self.budget.spent, wanted)

    async def _change(self) -> None:
        """Until a call has ended, here or perhaps in another process."""
        try:
            async with asyncio.timeout(POLL_S if self.shared else None):
                await self._freed.wait()
        except TimeoutError:
            return

    def settled(self, name: str, wanted: Amount, amount: Amount, budgets: Iterable[Budget]) -> None:
        """A call has ended."""
        self._in_flight[name] -= 1
        for one in budgets:
            one.settle(wanted, amount)
        if self.shared is not None:
            self.shared.note(self.budget.spent, self.budget.held)
        self._freed.set()
        self._freed = asyncio.Event()

    async def _answered(self, completion: Completion, climber: Climber | None, settle: "_Settling") -> None:
        amount = took(completion, settle.wanted)
        recorded = took(completion)
        if (amount.cost_usd, amount.tokens) != (recorded.cost_usd, recorded.tokens):
            beside = Amount(amount.cost_usd - recorded.cost_usd, amount.tokens - recorded.tokens)
            await self._note(beside, climber)
        settle(amount)

    async def _failed(self, error: ModelError, climber: Climber | None, settle: "_Settling") -> None:
        """A call that came to nothing is a call; one that timed out may be billed, each of its requests."""
        if not error.requests:
            return
        billed = error.requests if isinstance(error, ProviderTimeoutError) else 0
        amount = Amount(settle.wanted.cost_usd * billed, settle.wanted.tokens * billed, 1)
        await self._note(amount, climber)
        settle(amount)

    async def _note(self, amount: Amount, climber: Climber | None) -> None:
        if self._journal is None:
            return
        if climber is not None:
            self._extras[climber.instance_id, climber.epoch] += amount
        journal, who = self._journal, (climber.instance_id, climber.epoch) if climber else ("", 0)
        key = next(key for number in self._numbers if (key := f"spent/{number}") not in journal)
        extra = Extra(*who, amount.cost_usd, amount.tokens, amount.calls)

        async def given() -> Extra:
            return extra

        await journal.once(key, Extra, given)


@dataclass
class _Settling:
    """A reservation; leaving the block frees what was not settled, as where the call was cancelled."""

    spending: Spending
    name: str
    wanted: Amount
    budgets: Sequence[Budget]
    amount: Amount = Amount()  # noqa: RUF009  it is frozen

    def __call__(self, amount: Amount) -> None:
        self.amount = amount

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.spending.settled(self.name, self.wanted, self.amount, self.budgets)


@contextmanager
def climbing(climber: Climber) -> Iterator[Climber]:
    """Calls within the block are this climb's."""
    token = CLIMB.set(climber)
    try:
        yield climber
    finally:
        CLIMB.reset(token)

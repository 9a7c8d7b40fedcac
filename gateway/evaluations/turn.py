"""One turn of an evaluation run: some of its questions, several at a time, within its limits.

    reserve the question's highest cost -> ask -> score -> store

A turn ends after some time, so that other runs get a turn, when a limit is reached, or when the
platform cannot answer. What ends it is a value: the runner decides what becomes of the run.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from gateway.evaluations.answers import AnswerResult, PendingAnswer
from gateway.tables import EvaluationStatus
from infra.clock import Clock

# Few, so that the account's own calls and other accounts are not delayed.
CONCURRENCY = 4
MAX_COST_REACHED = "max_cost_reached"


@dataclass(frozen=True, slots=True)
class Stop:
    """The run ends before all questions were answered."""

    status: EvaluationStatus
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Pause:
    """The run goes on later, after at least `seconds`; code and message say what it waits for."""

    seconds: float = 0.0
    code: str = ""
    message: str = ""


class Closed(Enum):
    """The run was canceled or deleted meanwhile."""

    CLOSED = "closed"


TurnEnd = Stop | Pause | Closed
AskedQuestion = AnswerResult | TurnEnd | None
"""The answer; or what ends the turn; or None if the question failed and its failure was stored."""


class QuestionAsker(Protocol):
    """Asks a run's questions and stores the results."""

    async def ask(self, item: PendingAnswer) -> AskedQuestion:
        """Ask one question, score the answer and store it."""
        ...


class Turn:
    """One turn of a run. `take` answers questions until the turn ends.

    `spent_nano` is what the run has cost so far and `max_cost_nano` its limit, None for none.
    """

    def __init__(
        self,
        asker: QuestionAsker,
        pending: Sequence[PendingAnswer],
        max_cost_nano: int | None,
        spent_nano: int,
        is_over: Callable[[], bool],
    ) -> None:
        self._asker = asker
        self._pending = deque(pending)
        self._max_cost_nano = max_cost_nano
        self._spent_nano = spent_nano
        self._reserved_nano = 0
        self._running = 0
        self._is_over = is_over
        self.end: TurnEnd | None = None
        self.asked = 0

    async def take(self) -> None:
        """Ask questions until none is left, the time is up or `end` is set."""
        async with asyncio.TaskGroup() as group:
            for _ in range(min(CONCURRENCY, len(self._pending))):
                group.create_task(self._ask_questions())

    async def _ask_questions(self) -> None:
        """Ask one question after another; ends early if the cost of the next one is not covered."""
        while self.end is None and self._pending and not self._is_over():
            item = self._pending[0]
            if not self._try_reserve(item):
                return
            self._pending.popleft()
            self._running += 1
            try:
                self._record(await self._asker.ask(item))
            finally:
                self._running -= 1
                self._reserved_nano -= item.quoted_nano

    def _try_reserve(self, item: PendingAnswer) -> bool:
        """Reserve a question's highest cost in the run's limit; False if it is not covered.

        Running questions may cost less than reserved, so only without any the run ends.
        """
        limit = self._max_cost_nano
        committed = self._spent_nano + self._reserved_nano + item.quoted_nano
        if limit is not None and committed > limit:
            if not self._running:
                self.end = Stop(
                    EvaluationStatus.INCOMPLETE,
                    MAX_COST_REACHED,
                    "The rest of `max_cost` does not cover the next question.",
                )
            return False
        self._reserved_nano += item.quoted_nano
        return True

    def _record(self, asked: AskedQuestion) -> None:
        """Count an answered or failed question, or note what ends the turn."""
        if isinstance(asked, Stop | Pause | Closed):
            self.end = self.end or asked
            return
        self.asked += 1
        if asked is not None:
            self._spent_nano += asked.usage.cost_nano


def deadline(clock: Clock, seconds: float) -> Callable[[], bool]:
    """Return the function that returns whether so many seconds have passed from now."""
    ends_at = clock.monotonic() + seconds
    return lambda: clock.monotonic() >= ends_at

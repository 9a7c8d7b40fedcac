"""The calls of a predicted table in turn, each with its answer."""

from collections import deque
from collections.abc import Iterable

from gateway.dashboard.pages.own_models.prediction_calls import AnsweredCall, TableCall
from gateway.dashboard.pages.own_models.prediction_table import Predictions, Refusal


class CallQueue:
    """Calls that are made one after the other.

    `answered` has each call with its answer, once there is no `next` one.
    """

    def __init__(self, calls: Iterable[TableCall]) -> None:
        self._waiting = deque(calls)
        self.answered: list[AnsweredCall] = []

    @property
    def next(self) -> TableCall | None:
        """The call to make, None after the last one."""
        return self._waiting[0] if self._waiting else None

    def record(self, answer: Predictions | Refusal) -> None:
        """Record the answer to the next call."""
        call = self._waiting.popleft()
        self.answered.append((call, answer))
        if isinstance(answer, Refusal) and answer.is_server_error:
            # The model would fail again, after up to a minute each.
            self.answered += [(one, answer) for one in self._waiting]
            self._waiting.clear()

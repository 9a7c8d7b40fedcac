"""The calls of a predicted table in turn, each with its answer.

A machine whose values are refused is left out of its call, which is made again with the others.
"""

from collections import deque
from collections.abc import Iterable

from gateway.dashboard.pages.own_models.prediction_calls import AnsweredCall, TableCall
from gateway.dashboard.pages.own_models.prediction_table import Predictions
from gateway.dashboard.pages.own_models.refused_rows import refused_row
from gateway.wire.error_bodies import Refusal

# Calls of a table that are made again: where more machines are refused, something is wrong with
# the table.
MAX_REPEATS = 10


class CallQueue:
    """Calls that are made one after the other.

    `answered` has each call with its answer, once there is no `next` one: the calls that were made
    again in two parts.
    """

    def __init__(self, calls: Iterable[TableCall]) -> None:
        self._waiting = deque(calls)
        self._repeats = MAX_REPEATS
        self.answered: list[AnsweredCall] = []

    @property
    def next(self) -> TableCall | None:
        """The call to make, None after the last one."""
        return self._waiting[0] if self._waiting else None

    def record(self, answer: Predictions | Refusal) -> None:
        """Record the answer to the next call."""
        call = self._waiting.popleft()
        if isinstance(answer, Refusal) and self._repeats:
            row = _refused_machine(call, answer)
            if row is not None:
                self._repeats -= 1
                call, others = call.take_out(row)
                self._waiting.appendleft(others)
        self.answered.append((call, answer))
        if isinstance(answer, Refusal) and answer.is_server_error:
            # The model would fail again, after up to a minute each.
            self.answered += [(one, answer) for one in self._waiting]
            self._waiting.clear()


def _refused_machine(call: TableCall, refusal: Refusal) -> int | None:
    """Return which machine of a call an error names, by its place; None without others."""
    if refusal.is_server_error or not call.length or len(call.positions) == 1:
        return None
    row = refused_row(refusal)
    return row if row is not None and row < len(call.positions) else None

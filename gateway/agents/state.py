"""What an agent remembers from tick to tick; versioned with the row that holds it."""

from datetime import date, datetime
from typing import Any

import msgspec


class Spending(msgspec.Struct, frozen=True):
    """What the calls of an agent have cost, by day and month in UTC, in nano-units."""

    day: date
    day_nano: int = 0
    month_nano: int = 0

    def at(self, day: date) -> "Spending":
        """Return the spending as of a day: earlier days and months are over."""
        if day == self.day:
            return self
        same_month = (day.year, day.month) == (self.day.year, self.day.month)
        return Spending(day, 0, self.month_nano if same_month else 0)

    def plus(self, cost_nano: int) -> "Spending":
        """Return the spending with the cost of a call."""
        return Spending(self.day, self.day_nano + cost_nano, self.month_nano + cost_nano)


class AgentState(msgspec.Struct, frozen=True):
    """since: by rule, since when it is beyond its limit. acted: by kind of action, the last time.

    told: the situation that recipients were told last, so that they are told once. written: by tag,
    the value that the agent wrote or proposed last.
    """

    since: dict[str, datetime] = {}
    acted: dict[str, datetime] = {}
    told: str = ""
    written: dict[str, float] = {}


def read_state(document: object) -> AgentState:
    """Return the state of a stored document."""
    return msgspec.convert(document, AgentState)


def write_state(state: AgentState) -> dict[str, Any]:
    """Return the document of a state for storing."""
    document: dict[str, Any] = msgspec.to_builtins(state)
    return document

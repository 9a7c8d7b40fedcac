"""What happens to the service in the course of a soak, and when.

Owns the order and the times, as parts of the run, and which failures an event excuses.
"""

from collections.abc import Sequence
from dataclasses import dataclass

STORM, POSTGRES, UPSTREAM = "webhook storm", "PostgreSQL restarted", "upstream killed"
ROLLING, RECONCILED = "gateways restarted, one by one", "reconciled under load"
# By the part of the run that is over; those that may refuse calls are excused for a while longer.
WHEN: tuple[tuple[float, str], ...] = (
    (0.10, STORM),
    (0.25, POSTGRES),
    (0.45, UPSTREAM),
    (0.60, ROLLING),
    (0.80, RECONCILED),
    (0.90, STORM),
)
FAILED = "failed"
_EXCUSED_S = {POSTGRES: 30.0, UPSTREAM: 10.0}


@dataclass(frozen=True, slots=True)
class Happened:
    """An event, from when to when in seconds of the run, and what came of it."""

    name: str
    began_s: float
    ended_s: float
    outcome: str

    def excuses(self, at_s: float) -> bool:
        """Whether a call that failed then failed by it."""
        after = _EXCUSED_S.get(self.name)
        return after is not None and self.began_s <= at_s <= self.ended_s + after


def carried_through(happened: Sequence[Happened]) -> bool:
    """Whether all that was to happen did."""
    return not any(one.outcome.startswith(FAILED) for one in happened)


def due(seconds: float, whens: Sequence[tuple[float, str]] = WHEN) -> list[tuple[float, str]]:
    """When what happens, in seconds of a run of this length."""
    return sorted((part * seconds, name) for part, name in whens)


def unexcused(failures: Sequence[tuple[float, str]], happened: Sequence[Happened]) -> list[str]:
    """Why calls failed while nothing happened that would excuse it."""
    return [code for at_s, code in failures if not any(event.excuses(at_s) for event in happened)]

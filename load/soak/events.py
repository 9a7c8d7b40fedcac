"""The schedule of injected faults, and which failed calls they explain."""

from collections.abc import Sequence
from dataclasses import dataclass

STORM, POSTGRES, UPSTREAM = "webhook storm", "PostgreSQL restarted", "upstream killed"
ROLLING, RECONCILED = "gateways restarted, one by one", "reconciled under load"
# Times as a share of the run.
SCHEDULE: tuple[tuple[float, str], ...] = (
    (0.10, STORM),
    (0.25, POSTGRES),
    (0.45, UPSTREAM),
    (0.60, ROLLING),
    (0.80, RECONCILED),
    (0.90, STORM),
)
FAILED = "failed"
# How long after a fault failures are still explained by it; other faults must not fail calls.
_EXPLAINED_S = {POSTGRES: 30.0, UPSTREAM: 10.0}


@dataclass(frozen=True, slots=True)
class EventRecord:
    """An injected fault: its start and end in seconds of the run, and its outcome."""

    name: str
    began_s: float
    ended_s: float
    outcome: str

    def explains(self, at_s: float) -> bool:
        """Return whether this fault explains a call that failed at this time."""
        after = _EXPLAINED_S.get(self.name)
        return after is not None and self.began_s <= at_s <= self.ended_s + after


def all_carried_out(event_records: Sequence[EventRecord]) -> bool:
    """Return whether all faults were injected successfully."""
    return not any(one.outcome.startswith(FAILED) for one in event_records)


def scheduled_events(
    seconds: float, schedule: Sequence[tuple[float, str]] = SCHEDULE
) -> list[tuple[float, str]]:
    """Return the time in seconds and the name of each fault in a run of this length."""
    return sorted((process * seconds, name) for process, name in schedule)


def unexplained_failures(
    failures: Sequence[tuple[float, str]], event_records: Sequence[EventRecord]
) -> list[str]:
    """Return the error codes of failures that no fault explains."""
    return [
        code for at_s, code in failures if not any(event.explains(at_s) for event in event_records)
    ]

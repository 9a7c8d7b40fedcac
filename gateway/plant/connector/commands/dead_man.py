"""Dead-man timers: which points must be set to their safe values because nobody renewed them.

Running timers use the monotonic clock, which jumps of the time of day do not change. After a
restart the time of day decides; one that was set back ends the timer at once.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

import msgspec

from gateway.plant.commands.values import Renewal
from gateway.plant.connector.commands.journal import Armed, Journal
from infra.clock import Clock

# How long to wait before a safe value that could not be written is tried again.
_RETRY_S = 5.0


class DeadManTimers:
    """The timers of a connector, kept in its journal."""

    def __init__(self, journal: Journal, clock: Clock) -> None:
        self._journal = journal
        self._clock = clock
        self._armed = journal.armed()
        now, monotonic = clock.now(), clock.monotonic()
        self._deadlines = {
            tag: monotonic + _remaining_s(one, now) for tag, one in self._armed.items()
        }

    @property
    def armed(self) -> Mapping[str, Armed]:
        """The running timers by tag."""
        return self._armed

    def started(self, tag: str, armed: Armed) -> None:
        """Start or replace the timer of a point; the journal has it already."""
        self._armed[tag] = armed
        self._deadlines[tag] = self._clock.monotonic() + _period_s(armed)

    def renew(self, renewal: Renewal) -> bool:
        """Restart the timer of a point; False if it is of another command, or not newer."""
        armed = self._armed.get(renewal.tag)
        if armed is None or armed.command != renewal.command or renewal.at <= armed.wanted_at:
            return False
        renewed = msgspec.structs.replace(armed, wanted_at=renewal.at, renewed_at=self._clock.now())
        self._journal.arm(renewal.tag, renewed)
        self.started(renewal.tag, renewed)
        return True

    def due(self) -> Mapping[str, Armed]:
        """Return the timers that have ended, by tag."""
        now = self._clock.monotonic()
        return {tag: one for tag, one in self._armed.items() if self._deadlines[tag] <= now}

    def postpone(self, tag: str) -> None:
        """Try again later: the safe value could not be written. Nothing without a timer."""
        if tag in self._armed:
            later = self._clock.monotonic() + _RETRY_S
            self._deadlines[tag] = max(self._deadlines[tag], later)

    def stop(self, tag: str) -> None:
        """Remove the timer of a point."""
        self._journal.disarm(tag)
        self._armed.pop(tag, None)
        self._deadlines.pop(tag, None)


def _remaining_s(armed: Armed, now: datetime) -> float:
    """Return the seconds until a timer ends; 0 if the time of day was set back."""
    elapsed = now - armed.renewed_at
    if elapsed < timedelta():
        return 0.0
    return max(0.0, _period_s(armed) - elapsed.total_seconds())


def _period_s(armed: Armed) -> float:
    """Return the length of a timer in seconds."""
    return armed.point.dead_man_s or 0.0

"""When rounds begin: at a time of day, every so often, in the account's time zone; pure."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from gateway.agents.definitions.rounds import RoundPlan

# A Monday, so that weekly rounds begin on Mondays.
_FIRST = datetime(2024, 1, 1)  # noqa: DTZ001  # a day in the account's time zone


def newest_start(plan: RoundPlan, zone: ZoneInfo, now: datetime) -> datetime | None:
    """Return the last time at or before now at which a round begins; None without a schedule.

    Times are those of the clock on the wall: a daily round at 06:00 stays there in summer.
    """
    if not plan.every_s:
        return None
    local = now.astimezone(zone).replace(tzinfo=None)
    first = datetime.combine(_FIRST, time.fromisoformat(plan.at))
    every = timedelta(seconds=plan.every_s)
    begun = first + (local - first) // every * every
    # In the hour that is skipped in spring, the time would be later than now.
    return min(begun.replace(tzinfo=zone).astimezone(UTC), now)


def next_start(plan: RoundPlan, zone: ZoneInfo, now: datetime) -> datetime | None:
    """Return the first time after now at which a round begins; None without a schedule."""
    begun = newest_start(plan, zone, now)
    if begun is None:
        return None
    local = begun.astimezone(zone).replace(tzinfo=None) + timedelta(seconds=plan.every_s)
    return local.replace(tzinfo=zone).astimezone(UTC)

"""Dates: when the demo's story begins, and the months that it tells of.

    opening | first month, settled | second month, disputed | running month … now

The second month is the last one that ended at least ten days ago, so that what follows from it has
had time to happen whenever the demo is filled. Pure.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from billing.dates import day_of, midnight, month_start
from gateway.demo.firms import Firm

SHANGHAI = ZoneInfo("Asia/Shanghai")
_TIME_TO_HAPPEN = timedelta(days=10)


@dataclass(frozen=True, slots=True)
class Dates:
    """The first days of the months of the story; `now` is its end."""

    first: date
    second: date
    third: date
    now: datetime

    @property
    def opening(self) -> datetime:
        """Two days before, in the morning: what is agreed is agreed before it starts."""
        return midnight(self.first - timedelta(days=2), SHANGHAI) + timedelta(hours=9)

    @property
    def days(self) -> list[date]:
        """Every day of the story, today included."""
        count = (day_of(self.now, SHANGHAI) - self.first).days + 1
        return [self.first + timedelta(days=at) for at in range(count)]


def dates_until(now: datetime) -> Dates:
    third = month_start(day_of(now - _TIME_TO_HAPPEN, SHANGHAI), 1)
    second = month_start(third - timedelta(days=1), 1)
    return Dates(month_start(second - timedelta(days=1), 1), second, third, now)


def at_hour(day: date, hour: int) -> datetime:
    """An hour of a local day, as an instant."""
    return midnight(day, SHANGHAI) + timedelta(hours=hour)


class StoryClock:
    """A clock that stands still until the story goes on, and never goes back."""

    def __init__(self, at: datetime) -> None:
        self._now = at

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._now.timestamp()

    def to(self, at: datetime) -> None:
        self._now = max(self._now, at)


def net_days(firm: Firm, dates: Dates) -> int:
    """Days to pay. Where an invoice is to be late: so many that the second month's is late now."""
    if firm.overdue is None:
        return firm.net_days
    since = dates.now - midnight(dates.third, SHANGHAI)
    return max(1, since.days - firm.overdue)

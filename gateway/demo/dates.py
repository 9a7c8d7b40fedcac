"""The calendar of the demo: when it begins, and its three months.

    opening | first month, settled | second month, disputed | running month … now

The second month is the last one that ended at least ten days ago, so that settlements and disputes
about it have had time to happen.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from billing.dates import billing_month_start, local_day, local_midnight
from gateway.demo.firms import Firm

SHANGHAI = ZoneInfo("Asia/Shanghai")
_MIN_AGE_OF_SECOND_MONTH = timedelta(days=10)


@dataclass(frozen=True, slots=True)
class DemoDates:
    """The first days of the three months (local time), and the end of the demo."""

    first_month: date
    second_month: date
    third_month: date
    now: datetime

    @property
    def opening(self) -> datetime:
        """Return when accounts are opened: two days before the first month, 09:00 local time."""
        return local_midnight(self.first_month - timedelta(days=2), SHANGHAI) + timedelta(hours=9)

    @property
    def days(self) -> list[date]:
        """Return every day of the demo, including today."""
        count = (local_day(self.now, SHANGHAI) - self.first_month).days + 1
        return [self.first_month + timedelta(days=offset) for offset in range(count)]


def demo_dates(now: datetime) -> DemoDates:
    """Return the dates of a demo that ends now."""
    third_month = billing_month_start(local_day(now - _MIN_AGE_OF_SECOND_MONTH, SHANGHAI), 1)
    second_month = billing_month_start(third_month - timedelta(days=1), 1)
    return DemoDates(
        billing_month_start(second_month - timedelta(days=1), 1), second_month, third_month, now
    )


def at_hour(day: date, hour: int) -> datetime:
    """Return the instant of an hour of a local day."""
    return local_midnight(day, SHANGHAI) + timedelta(hours=hour)


class SimulatedClock:
    """A clock that is advanced manually and never goes back."""

    def __init__(self, at: datetime) -> None:
        self._now = at

    def now(self) -> datetime:
        """Return the simulated time."""
        return self._now

    def monotonic(self) -> float:
        """Return the simulated time in Unix seconds."""
        return self._now.timestamp()

    def advance_to(self, at: datetime) -> None:
        """Set the time, unless it is before the current one."""
        self._now = max(self._now, at)


def net_days(firm: Firm, dates: DemoDates) -> int:
    """Return the firm's payment term in days.

    For a firm with `overdue_days`, the term with which the second month's invoice is overdue by
    that many days now.
    """
    if firm.overdue_days is None:
        return firm.net_days
    elapsed = dates.now - local_midnight(dates.third_month, SHANGHAI)
    return max(1, elapsed.days - firm.overdue_days)

"""The period of days, in UTC or local days, that a request on an agent is about."""

from datetime import date, timedelta

from gateway.call.errors import ParameterInvalid

_MAX_DAYS = timedelta(days=366)


def parse_days(
    since: date | None, until: date | None, today: date, usual: timedelta
) -> tuple[date, date]:
    """Return the first and the last day of a period.

    Default: up to today, from `usual` before the last day. Raises ParameterInvalid.
    """
    last = until or today
    first = since or last - usual
    if not timedelta() <= last - first <= _MAX_DAYS:
        raise ParameterInvalid("`from` must be before `to`, by 366 days at most.", param="from")
    return first, last

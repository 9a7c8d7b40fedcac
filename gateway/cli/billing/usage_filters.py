"""Parsing of the filters of `maas usage`: times, statuses, tags and error codes."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from billing.metering.error_fixes import is_error_code
from billing.tables import Settlement
from infra.errors import AppError

_RELATIVE_TIME = re.compile(r"(\d{1,6})([smhdw])")
_UNITS: Mapping[str, str] = {
    "s": "seconds",
    "m": "minutes",
    "h": "hours",
    "d": "days",
    "w": "weeks",
}
_STATUS = re.compile(r"[1-5](\d\d|xx)")


class UsageFilterInvalid(AppError):
    """An option of `maas usage` cannot be parsed."""

    status = 400
    type = "invalid_request_error"
    code = "usage_filter_invalid"


def parse_time_option(text: str, now: datetime, zone: ZoneInfo, option: str) -> datetime:
    """Parse a relative time (`30m`, `1h`, `2d` ago), or an ISO date or time, by default in `zone`.

    Raises UsageFilterInvalid.
    """
    relative = _RELATIVE_TIME.fullmatch(text.strip())
    try:
        if relative is not None:
            return now - timedelta(**{_UNITS[relative[2]]: int(relative[1])})
        instant = datetime.fromisoformat(text.strip())
        return instant.replace(tzinfo=zone) if instant.tzinfo is None else instant
    except (ValueError, OverflowError):
        raise UsageFilterInvalid(
            f"{option} {text[:40]!r} is not a time. Use a time ago (`30m`, `1h`, `2d`) or an ISO "
            "8601 date or time (`2026-11-28`, `2026-11-28T09:30`).",
            param=option,
        ) from None


def parse_status_filter(words: Sequence[str]) -> tuple[list[tuple[int, int]], list[str]]:
    """Parse HTTP statuses (`429`, `4xx`) to ranges, and settlements (`refused`) to names.

    Raises UsageFilterInvalid.
    """
    ranges, settlements = [], []
    for word in words:
        status = _STATUS.fullmatch(word.lower())
        if status is not None:
            low = int(word.lower().replace("xx", "00"))
            ranges.append((low, low + 99 if status[1] == "xx" else low))
        elif word in {one.value for one in Settlement}:
            settlements.append(word)
        else:
            raise UsageFilterInvalid(
                f"--status {word[:40]!r} is not a status. Use an HTTP status (`429`, `4xx`) or a "
                f"call status: {', '.join(Settlement)}.",
                param="--status",
            )
    return ranges, settlements


def parse_tag_filter(words: Sequence[str]) -> dict[str, str]:
    """Parse `name=value` pairs. Raises UsageFilterInvalid."""
    pairs = [word.partition("=") for word in words]
    if not all(name and sign and value for name, sign, value in pairs):
        raise UsageFilterInvalid(
            "--tag must have the form `name=value`, for example `order=A-17`.", param="--tag"
        )
    return {name: value for name, _, value in pairs}


def parse_error_filter(words: Sequence[str]) -> Sequence[str]:
    """Validate error codes. Raises UsageFilterInvalid."""
    if not all(map(is_error_code, words)):
        raise UsageFilterInvalid(
            "--error must be an error code, for example `model_not_found`, or `any`.",
            param="--error",
        )
    return words

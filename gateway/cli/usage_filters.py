"""What usage is filtered by, as people type it: times, statuses, tags, error codes.

Pure.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from billing.metering.error_fixes import is_error_code
from billing.tables import Settlement
from infra.errors import AppError

_AGO = re.compile(r"(\d{1,6})([smhdw])")
_UNITS: Mapping[str, str] = {
    "s": "seconds",
    "m": "minutes",
    "h": "hours",
    "d": "days",
    "w": "weeks",
}
_STATUS = re.compile(r"[1-5](\d\d|xx)")


class UsageFilterInvalid(AppError):
    """An option of `maas usage` cannot be read."""

    status = 400
    type = "invalid_request_error"
    code = "usage_filter_invalid"


def moment_of(text: str, now: datetime, zone: ZoneInfo, option: str) -> datetime:
    """`30m`, `1h`, `2d` ago, or an ISO date or time, in the account's zone where it names none.

    Raises UsageFilterInvalid.
    """
    ago = _AGO.fullmatch(text.strip())
    try:
        if ago is not None:
            return now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        said = datetime.fromisoformat(text.strip())
        return said.replace(tzinfo=zone) if said.tzinfo is None else said
    except (ValueError, OverflowError):
        raise UsageFilterInvalid(
            f"{option} is a time ago (`30m`, `1h`, `2d`) or an ISO date or time "
            "(`2026-11-28`, `2026-11-28T09:30`).",
            param=option,
        ) from None


def ends_of(words: Sequence[str]) -> tuple[list[tuple[int, int]], list[str]]:
    """HTTP statuses (`429`, `4xx`) as ranges, and settlements (`refused`) by name.

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
                "--status is an HTTP status (`429`), a class of them (`4xx`), or a settlement: "
                f"{', '.join(Settlement)}.",
                param="--status",
            )
    return ranges, settlements


def tags_of(words: Sequence[str]) -> dict[str, str]:
    """`name=value` pairs. Raises UsageFilterInvalid."""
    pairs = [word.partition("=") for word in words]
    if not all(name and sign and value for name, sign, value in pairs):
        raise UsageFilterInvalid("--tag is `name=value`, for example `order=A-17`.", param="--tag")
    return {name: value for name, _, value in pairs}


def errors_of(words: Sequence[str]) -> Sequence[str]:
    """Error codes. Raises UsageFilterInvalid."""
    if not all(map(is_error_code, words)):
        raise UsageFilterInvalid(
            "--error is an error code (`model_not_found`), or `any`.", param="--error"
        )
    return words

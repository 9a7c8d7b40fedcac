"""Offsets and names of time zones as times are written with them."""

from collections.abc import Mapping

# Names of zones that mean one offset only, in hours: `CST` is that of China and of Chicago, `BST`
# that of Great Britain and of Bangladesh.
_NAMED_ZONES: Mapping[str, float] = {
    "Z": 0, "UTC": 0, "GMT": 0, "CET": 1, "MEZ": 1, "CEST": 2, "MESZ": 2, "EET": 2, "EEST": 3,
    "MSK": 3, "SGT": 8, "HKT": 8, "JST": 9, "KST": 9, "NZST": 12, "NZDT": 13
}  # fmt: skip
ZONE = (
    rf"\s*(?P<zone>{'|'.join(_NAMED_ZONES)}|(?:UTC|GMT)[+-]\d{{1,2}}(?::?\d{{2}})?"
    r"|[+-]\d{2}:?\d{2})?(?:\[[\w/+-]+\])?"
)
"""Regular expression of a zone after a time, in the group `zone`."""


def zone_seconds(zone: str | None) -> float:
    """Return the offset from UTC in seconds of a text that matches ZONE; 0 for none."""
    if zone is None or zone in _NAMED_ZONES:
        return _NAMED_ZONES.get(zone or "Z", 0) * 3600.0
    offset = zone.removeprefix("UTC").removeprefix("GMT")
    sign = -1.0 if offset.startswith("-") else 1.0
    digits = offset[1:].replace(":", "")
    hours, minutes = (digits, "0") if len(digits) < 3 else (digits[:-2], digits[-2:])
    return sign * (int(hours) * 3600.0 + int(minutes) * 60.0)

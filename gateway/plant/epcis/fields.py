"""Checks of single values of EPCIS events: URIs, times, quantities and lists."""

import math
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from gateway.plant.epcis.errors import EventInvalid

MAX_LIST = 10_000
MAX_TEXT = 2_048
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s<>\"{}|\\^`]+")
_TERM = re.compile(r"[A-Za-z_]{1,60}")
_UOM = re.compile(r"[A-Z0-9]{2,3}")
_OFFSET = re.compile(r"[+-]((0\d|1[0-3]):[0-5]\d|14:00)")
_TIME = re.compile(
    r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(\.\d{1,9})?(Z|[+-]\d\d:\d\d)", re.IGNORECASE
)


def require_uri(value: Any, name: str) -> str:
    """Return a URI. Raises EventInvalid."""
    if isinstance(value, str) and len(value) <= MAX_TEXT and _URI.fullmatch(value):
        return value
    raise invalid(f"`{name}` must be a URI of at most {MAX_TEXT} characters", name)


def require_term(value: Any, name: str) -> str:
    """Return a term of the Core Business Vocabulary, or a URI. Raises EventInvalid."""
    if isinstance(value, str) and _TERM.fullmatch(value):
        return value
    return require_uri(value, name)


def require_time(value: Any, name: str) -> datetime:
    """Return a time with an offset in UTC, to microseconds. Raises EventInvalid."""
    match = _TIME.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise invalid(f"`{name}` must be a time with an offset, as 2026-11-30T08:00:00Z", name)
    day, clock, fraction, offset = match.groups()
    digits = ((fraction or ".")[1:] + "000000")[:6]
    zone = "+00:00" if offset in "Zz" else offset
    try:
        return datetime.fromisoformat(f"{day}T{clock}.{digits}{zone}").astimezone(UTC)
    except (ValueError, OverflowError):
        raise invalid(f"`{name}` is not a valid time", name) from None


def require_offset(value: Any) -> str:
    """Return a time zone offset such as `+08:00`. Raises EventInvalid."""
    if isinstance(value, str) and _OFFSET.fullmatch(value):
        return value
    raise invalid("`eventTimeZoneOffset` must be an offset such as `+08:00`", "eventTimeZoneOffset")


def require_list(value: Any, name: str) -> Sequence[Any]:
    """Return a list of at most `MAX_LIST` entries. Raises EventInvalid."""
    if not isinstance(value, list):
        raise invalid(f"`{name}` must be a list", name)
    if len(value) > MAX_LIST:
        raise invalid(f"`{name}` has more than {MAX_LIST} entries", name)
    return value


def require_object(
    value: Any, name: str, known: Sequence[str], required: Sequence[str] = ()
) -> Mapping[str, Any]:
    """Return an object with known and extension fields only. Raises EventInvalid."""
    if not isinstance(value, dict):
        raise invalid(f"`{name}` must be an object", name)
    unknown = [key for key in value if key not in known and ":" not in key]
    if unknown:
        raise invalid(f"`{name}` has the unknown field `{unknown[0][:60]}`", name)
    missing = [key for key in required if key not in value]
    if missing:
        raise invalid(f"`{name}` needs `{missing[0]}`", name)
    return value


def require_number(value: Any, name: str) -> float:
    """Return a finite number. Raises EventInvalid."""
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        return float(value)
    raise invalid(f"`{name}` must be a number", name)


def require_uom(value: Any) -> str:
    """Return a unit code of UN/CEFACT Recommendation 20. Raises EventInvalid."""
    if isinstance(value, str) and _UOM.fullmatch(value):
        return value
    raise invalid("`uom` must be a unit code such as `KGM`", "uom")


def invalid(message: str, param: str) -> EventInvalid:
    """Return the error of a field."""
    return EventInvalid(f"{message}.", param=param)

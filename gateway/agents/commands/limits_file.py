"""The file that an owner writes: limits as TOML, with durations in words; it is then signed."""

import tomllib
from datetime import datetime

import msgspec

from gateway.agents.definitions.durations import DurationInvalid, parse_duration
from gateway.plant.assets.units import canonical_unit
from gateway.plant.commands.documents import check_limits
from gateway.plant.commands.errors import CommandLimitsInvalid
from gateway.plant.commands.values import CommandLimits, Instant, PointLimits

_MAX_CHARACTERS = 256_000


class PointDocument(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The limits of a point as written."""

    tag: str
    minimum: float
    maximum: float
    unit: str = ""
    max_step: float | None = None
    min_interval: str = ""
    max_per_hour: int = 60
    confirm_within: str = "10s"
    tolerance: float = 0.0
    dead_man: str = ""
    safe_value: float | None = None


class LimitsDocument(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The limits of one connector as written."""

    account: str
    connector: str
    expires_at: Instant
    points: tuple[PointDocument, ...]


def read_limits(text: str, issued_at: datetime) -> CommandLimits:
    """Return the limits of a TOML text, issued now. Raises CommandLimitsInvalid."""
    if len(text) > _MAX_CHARACTERS:
        raise CommandLimitsInvalid(f"Limits have at most {_MAX_CHARACTERS:,} characters.")
    try:
        document = msgspec.convert(tomllib.loads(text), LimitsDocument)
        points = tuple(_point(one, index) for index, one in enumerate(document.points))
        limits = msgspec.convert(
            {
                "account": document.account,
                "connector": document.connector,
                "issued_at": issued_at,
                "expires_at": document.expires_at,
                "points": [msgspec.to_builtins(point) for point in points],
            },
            CommandLimits,
        )
    except (ValueError, RecursionError) as error:
        raise CommandLimitsInvalid(f"The limits cannot be used: {error}.") from None
    check_limits(limits)
    return limits


def _point(document: PointDocument, index: int) -> PointLimits:
    """Return the limits of a point. Raises CommandLimitsInvalid."""
    at = f"points[{index}]"
    unit = canonical_unit(document.unit)
    if unit is None:
        message = f"`{at}.unit`: `{document.unit}` is not known."
        raise CommandLimitsInvalid(message, param=f"{at}.unit")
    dead_man = document.dead_man
    return PointLimits(
        tag=document.tag,
        unit=unit,
        minimum=document.minimum,
        maximum=document.maximum,
        max_step=document.max_step,
        min_interval_s=_seconds(document.min_interval, f"{at}.min_interval"),
        max_per_hour=document.max_per_hour,
        confirm_within_s=_seconds(document.confirm_within, f"{at}.confirm_within"),
        tolerance=document.tolerance,
        dead_man_s=_seconds(dead_man, f"{at}.dead_man") if dead_man else None,
        safe_value=document.safe_value,
    )


def _seconds(text: str, at: str) -> float:
    """Return a duration in seconds, 0 for none. Raises CommandLimitsInvalid."""
    if not text:
        return 0.0
    try:
        return parse_duration(text)
    except DurationInvalid as error:
        raise CommandLimitsInvalid(f"`{at}` {error}", param=at) from None
